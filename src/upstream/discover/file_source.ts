import { type Clock, systemClock } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { BackendSpec } from "../options.ts";
import { DiscoveryError } from "./errors.ts";
import { onAbort, pause } from "../../core/wait.ts";
import type { ReportingSource } from "./source.ts";

/**
 * Watches a file: once the promise has resolved, `onChange` is called whenever the file may have been changed, replaced or
 * created. Resolves to the function that ends the watch; if the file can't be watched, rejects or resolves to
 * `undefined`.
 */
export type WatchPath = (path: string, onChange: () => void) => Promise<(() => void) | undefined>;

/** Options of {@linkcode fileSource}. */
export interface FileSourceOptions {
  /** The file, which need not exist yet. */
  readonly path: string;
  /** Parses a text as a list of backends. If it throws or rejects, the source has failed. */
  readonly parse: (text: string) => readonly BackendSpec[] | Promise<readonly BackendSpec[]>;
  /** Watches for changes. @default none: the file is read every `intervalMs` */
  readonly watch?: WatchPath;
  /**
   * The interval at which a file that is not watched is read, in milliseconds. A watched file is read every ten
   * intervals, in case the watch misses a change. @default {2000}
   */
  readonly intervalMs?: number;
  /** For pauses. @default {systemClock} */
  readonly clock?: Clock;
}

/** A larger file is refused. */
const MAX_BYTES = 16 * 1024 * 1024;
/** A changed file must be unchanged after this time, as it may still be written. */
const QUIET_MS = 100;
/** A file that is replaced repeatedly is taken after this time, as a file that replaces another is complete. */
const RESTLESS_MS = 2_000;

/**
 * The backends that a file lists. The file is read at the start and whenever it has been changed, replaced or created.
 * While it can't be read or parsed, the last set is kept.
 */
export function fileSource(options: FileSourceOptions): ReportingSource {
  const { path, watch, intervalMs = 2_000, clock = systemClock } = options;
  return async function* (signal) {
    let wake = new AbortController();
    const onChange = () => wake.abort();
    using _abort = onAbort(signal, onChange);
    // Before the file is read, so that no change is missed. If the watch fails, reading at intervals remains.
    const endWatch = await watch?.(path, onChange).catch(() => undefined);
    try {
      let last = await read(path);
      yield await use(last, options);
      while (!signal.aborted) {
        const lookMs = endWatch !== undefined && last.text !== undefined ? 10 * intervalMs : intervalMs;
        await pause(lookMs, { clock, signal: wake.signal });
        wake = new AbortController();
        const next = await readSettled(path, { last, clock, signal });
        if (signal.aborted || equal(next, last)) continue;
        last = next;
        yield await use(last, options);
      }
    } finally {
      endWatch?.();
    }
  };
}

async function use(
  { text, error }: Content,
  { path, parse }: FileSourceOptions,
): Promise<readonly BackendSpec[] | Error> {
  if (text === undefined) return fileError(path, error);
  try {
    return await parse(text);
  } catch (error) {
    return fileError(path, error);
  }
}

/**
 * Reads until the content is that of `last`, or the same twice in a row. If that takes long, a file that has replaced
 * another is taken; a file that is written in place may be incomplete.
 */
async function readSettled(
  path: string,
  options: { last: Content; clock: Clock; signal: AbortSignal },
): Promise<Content> {
  const { last, clock, signal } = options;
  const restlessAtMs = clock.now() + RESTLESS_MS;
  let content = await read(path);
  while (!signal.aborted && !equal(content, last)) {
    await pause(QUIET_MS, { clock, signal });
    const again = await read(path);
    if (equal(content, again)) break;
    const replaced = again.file !== content.file && again.file !== undefined;
    content = again;
    if (replaced && clock.now() >= restlessAtMs) break;
  }
  return content;
}

/** The content of a file, or why it could not be read. */
interface Content {
  readonly text?: string;
  readonly error?: unknown;
  /** Its inode; absent: the system has none. */
  readonly file?: number | undefined;
}

async function read(path: string): Promise<Content> {
  try {
    const { isFile, size, ino } = await Deno.stat(path);
    if (!isFile) return { error: "not a regular file" }; // Reading a pipe might block forever.
    if (size > MAX_BYTES) return { error: `larger than ${MAX_BYTES} bytes` };
    return { text: await Deno.readTextFile(path), file: ino ?? undefined };
  } catch (error) {
    return { error };
  }
}

function equal(a: Content, b: Content): boolean {
  return a.text === b.text && describeError(a.error) === describeError(b.error);
}

function fileError(path: string, cause: unknown): DiscoveryError {
  const message = `Cannot read backends from "${path}": ${describeError(cause)}`;
  return new DiscoveryError("bad_file", message, { cause });
}
