import { dirname, resolve } from "node:path";
import { CulvertError } from "../core/errors.ts";

/** Where a configuration comes from, and comes from again at a reload. */
export interface ConfigSource {
  /** What messages call it: the path as given, or `standard input`. */
  readonly name: string;
  /** What paths in it are relative to; absolute. */
  readonly folder: string;
  /** The file, where it is one. Absent: it can't be read again. */
  readonly path?: string;
  /** Reads the whole text. */
  read(): Promise<string>;
}

/** The most that a configuration may measure: room for tens of thousands of backends. */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * A file by its path, or standard input for `-`.
 *
 * `read` throws `CulvertError` `config_unreadable` when there is no such file, it is no regular one, or it is too
 * large; a missing permission stays the runtime's `NotCapable`.
 */
export function configSource(path: string): ConfigSource {
  if (path === "-") {
    const name = "standard input";
    return { name, folder: Deno.cwd(), read: () => readAll(Deno.stdin.readable, name) };
  }
  const folder = dirname(resolve(Deno.cwd(), path));
  return { name: path, folder, path, read: () => readFile(path) };
}

async function readFile(path: string): Promise<string> {
  try {
    const { isFile, isDirectory } = await Deno.stat(path);
    // Of a pipe there might never be an end.
    if (!isFile) throw unreadable(path, isDirectory ? "it is a directory" : "it is not a regular file");
    using file = await Deno.open(path);
    return await readAll(file.readable, path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable || error instanceof CulvertError) throw error;
    const why = error instanceof Deno.errors.NotFound ? "there is no such file" : (error as Error).message;
    throw unreadable(path, why, { cause: error });
  }
}

function unreadable(name: string, why: string, options?: ErrorOptions): CulvertError {
  return new CulvertError("config_unreadable", `Cannot read configuration "${name}": ${why}`, options);
}

async function readAll(readable: ReadableStream<Uint8Array>, name: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let sizeBytes = 0;
  for await (const chunk of readable) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_BYTES) {
      throw unreadable(name, "larger than 16 MiB");
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
