import type { ErrorFile } from "../../config/error_files.ts";
import { CulvertError } from "../../core/errors.ts";
import type { ErrorPage } from "../../http_proxy/options.ts";
import type { CredentialReader } from "./credential_reader.ts";

/** The most that a page may measure: it is kept in memory. */
const MAX_BYTES = 1024 * 1024;

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  htm: "text/html; charset=utf-8",
  json: "application/json",
  txt: "text/plain; charset=utf-8",
};

/** Reads the pages of all services, by the service's name and the status. What can't be read is noted by `reader`. */
export async function loadErrorPages(
  files: readonly ErrorFile[],
  reader: CredentialReader,
): Promise<Map<string, Record<number, ErrorPage>>> {
  const pages = new Map<string, Record<number, ErrorPage>>();
  for (const { path, service, status, file } of files) {
    const page = await reader.attempt(path, () => readPage(file, reader));
    if (page === undefined) continue;
    const ofService = pages.get(service) ?? {};
    ofService[status] = page;
    pages.set(service, ofService);
  }
  return pages;
}

async function readPage(file: string, reader: CredentialReader): Promise<ErrorPage> {
  const body = await reader.bytes(file);
  if (body.length > MAX_BYTES) throw new CulvertError("large_page", "it has more than 1 MiB");
  const extension = /\.([^./]*)$/.exec(file)?.[1]?.toLowerCase() ?? "";
  return { type: TYPES[extension] ?? "application/octet-stream", body };
}
