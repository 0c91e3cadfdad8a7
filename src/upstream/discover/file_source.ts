import { type Clock, systemClock } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { BackendSpec } from "../options.ts";
import { DiscoveryError } from "./errors.ts";
import { onAbort, pause } from "../../core/wait.ts";
import type { ReportingSource } from "./source.ts";

/**
 * Begins to watch a file: `onChange` is called, from when the promise has resolved, whenever it may have changed,
 * replaced ones and ones that come anew included. Resolves to what ends it, or to `undefined` where there can be no
 * watch; what it rejects with comes to the same.
 */
export type WatchPath = (path: string, onChange: () => void) => Promise<(() => void) | undefined>;

/** Options of {@linkcode fileSource}. */
export interface FileSourceOptions {
  /** The file, which need not be there yet. */
  readonly path: string;
  /** Reads a text as a list of backends. What it throws, or rejects with, is a failure. */
  readonly parse: (text: string) => readonly BackendSpec[] | Promise<readonly BackendSpec[]>;
  /** Tells of changes. @default none: the file is looked at every `intervalMs` */
  readonly watch?: WatchPath;
  /**
   * How often the file is read where it is not watched, in milliseconds; a watched one is still looked at, ten times
   * as seldom, in case the watch has missed something. @default {2000}
   */
  readonly intervalMs?: number;
  /** For pauses. @default {systemClock} */
  readonly clock?: Clock;
}

/** The largest file that is read. */
const MAX_BYTES = 16 * 1024 * 1024;
/** A file that has changed must read the same again after this time: it may still be being written. */
const QUIET_MS = 100;
/** One that is replaced again and again is taken after this time: what is put in a file's place is whole. */
const RESTLESS_MS = 2_000;

/**
 * The backends that a file lists, read at the start and whenever the file has changed, been replaced, or come back.
 * While the file can't be read or used the last set goes on; once it is repaired it is taken at once.
 */
export function fileSource(options: FileSourceOptions): ReportingSource {
  const { path, watch, intervalMs = 2_000, clock = systemClock } = options;
  return async function* (signal) {
    let wake = new AbortController();
    const onNews = () => wake.abort();
    using _abort = onAbort(signal, onNews);
    // Before the file is read, so that no change falls in between. Where it fails, looking will do.
    const endWatch = await watch?.(path, onNews).catch(() => undefined);
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
 * Reads until it is what it was, or the same twice in a row. Where that takes long, what has been put in the place of
 * another file will do; one that is written in place may be half of what it will be.
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

/** What was read: a text, or why there is none. */
interface Content {
  readonly text?: string;
  readonly error?: unknown;
  /** Which file it was: its inode, where there are any. */
  readonly file?: number | undefined;
}

async function read(path: string): Promise<Content> {
  try {
    const { isFile, size, ino } = await Deno.stat(path);
    if (!isFile) return { error: "not a regular file" }; // Reading a pipe might take for ever.
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
