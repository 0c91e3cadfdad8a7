import { basename } from "node:path";
import { CulvertError } from "../../core/errors.ts";
import type { FileFault } from "../../config/file_faults.ts";
import type { Path } from "../../config/problem/problem.ts";
import { type CrlFileReading, type CrlSourceFile, readCrlFile } from "../../dataplane/crl_source.ts";
import type { UnusableCrl } from "../../tls/x509/crl/crl.ts";
import { filesOf, MAX_FOLDER_FILES } from "../watch/file_version.ts";
import { type CredentialReader, faultOf, isSkipped } from "./credential_reader.ts";

/** A file of CRLs, or why it can't be read. */
export interface CrlFile {
  readonly source: CrlSourceFile;
  readonly reading: CrlFileReading;
  /** The same text stands for the same content. */
  readonly fingerprint: string;
}

/** What {@linkcode readCrlFiles} reads. */
export interface CrlPaths {
  /** Files and folders, resolved. */
  readonly paths: readonly string[];
  /** The key that names them. */
  readonly key: Path;
}

/** What {@linkcode readCrlFiles} has found. */
export interface CrlFiles {
  readonly files: readonly CrlFile[];
  /** What can't be read or used. */
  readonly faults: readonly FileFault[];
}

/** Reads files of CRLs, and the files of folders. Never rejects for what is wrong with a file: that is a fault. */
export async function readCrlFiles({ paths, key }: CrlPaths, reader: CredentialReader): Promise<CrlFiles> {
  const files: CrlFile[] = [];
  const faults: FileFault[] = [];
  for (const [item, path] of paths.entries()) {
    const at = { path: key, item };
    try {
      const inFolder = await folderFiles(path, reader);
      for (const file of inFolder ?? [path]) {
        files.push(await readFile({ path: file, bytes: await reader.bytes(file) }));
        const prefix = inFolder === undefined ? "" : `"${basename(file)}": `;
        const { unusable = [] } = files.at(-1)!.reading.content?.reading ?? {};
        faults.push(...unusable.map((each) => ({ ...at, ...faultIn(each, prefix) })));
      }
    } catch (error) {
      const fault = faultOf(error, key);
      files.push(await readFile({ path, fault: `cannot ${fault.cannot} "${path}": ${fault.why}` }));
      if (!isSkipped(error)) faults.push({ ...at, ...fault });
    }
  }
  return { files, faults };
}

/** The files of a folder; `undefined` if it is none. */
async function folderFiles(path: string, reader: CredentialReader): Promise<string[] | undefined> {
  if (!await reader.isFolder(path)) return undefined;
  const files = await filesOf(path);
  if (files.length === 0) throw new CulvertError("bad_certificate", "there is no file in the folder");
  if (files.length <= MAX_FOLDER_FILES) return files;
  const why = `there are more than ${MAX_FOLDER_FILES} files in the folder`;
  throw new CulvertError("bad_certificate", why);
}

async function readFile(source: CrlSourceFile): Promise<CrlFile> {
  const reading = await readCrlFile(source);
  return { source, reading, fingerprint: reading.content?.hash ?? source.fault! };
}

function faultIn({ issuerName, why }: UnusableCrl, prefix: string): Pick<FileFault, "cannot" | "why"> {
  const which = issuerName === undefined ? "a CRL" : `the CRL of ${issuerName}`;
  return { cannot: "use", why: `${prefix}Cannot read ${which}: ${why}` };
}
