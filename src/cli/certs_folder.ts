import * as v from "valibot";
import { CulvertError, describeError } from "../core/errors.ts";

/** A file that is to be written. */
export interface NewFile {
  readonly name: string;
  readonly text: string;
  /** Whether it may take the place of one that is there. */
  readonly replace: boolean;
}

const SECRET_MODE = 0o600;
const PUBLIC_MODE = 0o644;
const INDEX = "index.json";

const names = v.array(v.string());
const RECORD = v.strictObject({
  /** What its files are called. */
  name: v.string(),
  kind: v.picklist(["server", "client"]),
  serial: v.pipe(v.string(), v.regex(/^[0-9A-F]+$/)),
  notAfter: v.pipe(v.string(), v.isoTimestamp()),
  names: v.strictObject({ cn: names, ou: names, dns: names, uri: names, ip: names, email: names }),
  revoked: v.optional(v.strictObject({ at: v.pipe(v.string(), v.isoTimestamp()), reason: v.string() })),
});
const SCHEMA = v.strictObject({
  version: v.literal(1),
  crlNumber: v.number(),
  certificates: v.array(RECORD),
});

/** One certificate that was issued, as the index has it. */
export type CertRecord = v.InferOutput<typeof RECORD>;

/** What `index.json` says: everything that was issued, and the number of the last CRL. */
export type CertIndex = v.InferOutput<typeof SCHEMA>;

/**
 * A folder with a CA, certificates and keys in it. Needs to be allowed to read and write it, and nothing
 * else.
 */
export class CertsFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** The path of a file in it. */
  pathOf(name: string): string {
    return `${this.path.replace(/\/+$/, "")}/${name}`;
  }

  /**
   * Whether there is such a file.
   *
   * @throws {CulvertError} `certs_unreadable` if that cannot be determined.
   */
  async has(name: string): Promise<boolean> {
    try {
      await Deno.lstat(this.pathOf(name));
      return true;
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory) return false;
      throw this.#unreadable(name, cause);
    }
  }

  /** @throws {CulvertError} `certs_unreadable` when it can't be read. */
  async read(name: string): Promise<string> {
    try {
      return await Deno.readTextFile(this.pathOf(name));
    } catch (cause) {
      throw this.#unreadable(name, cause);
    }
  }

  /** @throws {CulvertError} `certs_unreadable` when the index is not there or is not one. */
  async readIndex(): Promise<CertIndex> {
    const text = await this.read(INDEX);
    try {
      return v.parse(SCHEMA, JSON.parse(text));
    } catch (cause) {
      const what = `Cannot use "${this.pathOf(INDEX)}": not an index of certificates`;
      throw new CulvertError("certs_unreadable", what, { cause });
    }
  }

  /**
   * Writes the index and all files: to temporary ones first, which then take their places, so that each is
   * complete when it appears and keys can be read by their owner alone from the first byte on. Makes the
   * folder if there is none. After a failure no file is there that was not there before.
   *
   * @returns The names of what it has written.
   * @throws {CulvertError} `certs_exist` when a file is there that must not be replaced, `certs_unwritable`
   * when the folder or a file in it can't be written.
   */
  async write(index: CertIndex, files: readonly NewFile[]): Promise<string[]> {
    await this.#make();
    const fresh = new Set<string>();
    for (const { name, replace } of [{ name: INDEX, replace: true }, ...files]) {
      if (!await this.has(name)) fresh.add(name);
      else if (!replace) {
        const what = `Cannot write "${this.pathOf(name)}": it is there already; see --force`;
        throw new CulvertError("certs_exist", what);
      }
    }
    // The index comes first: a serial number that it has and no file goes with is better than the reverse,
    // which could not be revoked.
    const all = [{ name: INDEX, text: `${JSON.stringify(index, null, 2)}\n` }, ...files];
    const left = new Set<string>();
    try {
      const renames: [string, string][] = [];
      for (const { name, text } of all) {
        const temporary = this.pathOf(`.${name}.${crypto.randomUUID()}.tmp`);
        left.add(temporary);
        const mode = name.endsWith(".key") ? SECRET_MODE : PUBLIC_MODE;
        await Deno.writeTextFile(temporary, text, { createNew: true, mode });
        renames.push([temporary, this.pathOf(name)]);
      }
      for (const [temporary, path] of renames) {
        await Deno.rename(temporary, path);
        left.delete(temporary);
      }
    } catch (cause) {
      for (const name of fresh) left.add(this.pathOf(name));
      // What can't be removed was not there: the error that is told of is the first one.
      for (const path of left) await Deno.remove(path).catch(() => {});
      throw unwritable(`Cannot write in "${this.path}"`, cause);
    }
    return [...files.map(({ name }) => name), INDEX];
  }

  async #make(): Promise<void> {
    try {
      await Deno.mkdir(this.path, { recursive: true });
    } catch (cause) {
      throw unwritable(`Cannot make the folder "${this.path}"`, cause);
    }
  }

  #unreadable(name: string, cause: unknown): CulvertError {
    const isMissing = cause instanceof Deno.errors.NotFound;
    const why = isMissing ? "there is no such file" : describeError(cause);
    const help = isMissing && name === INDEX ? `; "certs ${this.path}" makes a CA there` : "";
    const what = `Cannot read "${this.pathOf(name)}": ${why}${help}`;
    return new CulvertError("certs_unreadable", what, { cause });
  }
}

function unwritable(what: string, cause: unknown): CulvertError {
  return new CulvertError("certs_unwritable", `${what}: ${describeError(cause)}`, { cause });
}
