import type { FileFault } from "../../config/file_faults.ts";
import type { Path } from "../../config/problem/problem.ts";
import { CulvertError, describeError } from "../../core/errors.ts";
import { MAX_CRL_BYTES, tooLarge } from "../../tls/x509/crl/read_crls.ts";
import { TrustStore } from "../../tls/x509/path/trust_store.ts";

const UNREADABLE = "unreadable_file";
const SKIPPED = "skipped_file";

/** Options of {@linkcode CredentialReader}. */
export interface CredentialReaderOptions {
  /** Files that may not be read are skipped, without a prompt for the permission. @default {false} */
  readonly permittedOnly?: boolean;
}

/** Reads certificates and the like, and notes what is wrong. Goes on after that, so that all is reported together. */
export class CredentialReader {
  /** What can't be read or used; there is nothing to run with then. */
  readonly faults: FileFault[] = [];
  /** What needs attention, though it works; a line each. */
  readonly warnings: string[] = [];
  readonly #permittedOnly: boolean;
  /** Bundles that were read: while they are referred to, nothing reads them again. */
  readonly #stores: TrustStore[] = [];
  /** What was read, by its path. */
  readonly #contents = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();

  constructor({ permittedOnly = false }: CredentialReaderOptions = {}) {
    this.#permittedOnly = permittedOnly;
  }

  /** Notes what goes wrong, under this key of the configuration, and gives nothing then. */
  async attempt<T>(path: Path, work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof CulvertError)) throw error;
      if (!isSkipped(error)) this.faults.push(faultOf(error, path));
      return undefined;
    }
  }

  /** CAs in PEM; `undefined` where there is no file, or a problem. */
  async ca(file: string | undefined, path: Path): Promise<string | undefined> {
    if (file === undefined) return undefined;
    return await this.attempt(path, async () => {
      const text = await this.text(file);
      this.#stores.push(await TrustStore.read(text));
      return text;
    });
  }

  /** What is in a file. Throws {@linkcode CulvertError} where that can't be read. */
  async text(path: string): Promise<string> {
    return new TextDecoder().decode(await this.bytes(path));
  }

  /** As {@linkcode text}. A file is read once. One of more than 64 MiB is not read. */
  async bytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
    const known = this.#contents.get(path);
    if (known !== undefined) return await known;
    const content = this.#read(path);
    this.#contents.set(path, content);
    return await content;
  }

  async #read(path: string): Promise<Uint8Array<ArrayBuffer>> {
    const { isFile, size } = await this.#stat(path);
    // One that is no file, such as a FIFO, could be waited for without end.
    if (!isFile) throw new CulvertError(UNREADABLE, "it is no file");
    if (size > MAX_CRL_BYTES) throw new CulvertError(UNREADABLE, tooLarge(size));
    return await reading(() => Deno.readFile(path));
  }

  /** Whether there is a folder of this path. Throws as {@linkcode text} does. */
  async isFolder(path: string): Promise<boolean> {
    return (await this.#stat(path)).isDirectory;
  }

  async #stat(path: string): Promise<Deno.FileInfo> {
    if (this.#permittedOnly && (await Deno.permissions.query({ name: "read", path })).state !== "granted") {
      throw new CulvertError(SKIPPED, `Cannot read "${path}": it may not be read`);
    }
    return await reading(() => Deno.stat(path));
  }
}

async function reading<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotFound ? "no such file" : describeError(cause);
    throw new CulvertError(UNREADABLE, why, { cause });
  }
}

/** The same as a fault of this key of the configuration. */
export function faultOf(error: unknown, path: Path): FileFault {
  const isUnreadable = error instanceof CulvertError && error.code === UNREADABLE;
  const why = describeError(error).replace(/^Cannot use the CA bundle: /, "");
  return { path, cannot: isUnreadable ? "read" : "use", why };
}

/** Whether it says that a file was passed over. */
export function isSkipped(error: unknown): boolean {
  return error instanceof CulvertError && error.code === SKIPPED;
}
