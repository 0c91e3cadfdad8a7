import { type Clock, systemClock } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { fileVersion } from "./file_version.ts";

/** Options of {@linkcode watchFile}. */
export interface WatchOptions {
  /** Called when the file may have changed, once for changes that come close together, and when it has gone. */
  readonly onChange: () => void;
  readonly log: Log;
  /**
   * What {@linkcode fileVersion} said before the file was read, `undefined` if there was none: a change since then
   * is noticed too.
   * @default what it says now
   */
  readonly seen?: string | undefined;
  /** How long the file must stay the same after a change, in milliseconds. @default {200} */
  readonly quietMs?: number;
  /** How long it must be gone, in milliseconds: it is for a moment while it is replaced. @default {2000} */
  readonly goneMs?: number;
  /** How often it is looked at without news of it, in milliseconds: not every change is reported. @default {20000} */
  readonly lookMs?: number;
  /** @default {systemClock} */
  readonly clock?: Clock;
}

/** A file, and the folder that it is in; or a folder, twice: then its files are watched. */
export interface WatchedFile {
  readonly path: string;
  readonly folder: string;
}

/**
 * Watches a file by way of its directory, so that one that is replaced (by rename, or by a symbolic link that is
 * moved) is noticed too. Now and then it is looked at besides: another directory may have come in the place of its own,
 * or a link on the way there may lead elsewhere. From then on it is only looked at, every two seconds. Returns what
 * ends it, or `undefined` where the directory may not be read.
 *
 * @throws the runtime's error where the directory can't be watched: there is none, or the system's watches are used up.
 */
export async function watchFile(
  file: WatchedFile,
  options: WatchOptions,
): Promise<(() => void) | undefined> {
  const { state } = await Deno.permissions.query({ name: "read", path: file.folder });
  if (state !== "granted") return undefined;
  const seen = "seen" in options ? options.seen : await fileVersion(file.path);
  const watch = new FileWatch(file, { ...options, seen });
  await watch.begin();
  return () => watch.end();
}

/**
 * How often a file is looked at whose directory is not watched any more, in milliseconds. There is no watch for the one
 * in its place: the runtime shares watches by path, and keeps the old one while any watch of that path is open.
 */
const UNWATCHED_LOOK_MS = 2_000;

class FileWatch {
  readonly #file: WatchedFile;
  readonly #options: WatchOptions;
  readonly #clock: Clock;
  readonly #quietMs: number;
  readonly #goneMs: number;
  /** None once the directory is not the one any more that was there at the beginning. */
  #watcher: Deno.FsWatcher | undefined;
  /** Which directory it watches. */
  #watched: string | undefined;
  /** The version of the file that the caller knows. */
  #told: string | undefined;
  /** The file at the last look, and since when it is so. */
  #last: string | undefined;
  #lastSinceMs = 0;
  #looking = false;
  #nextLookMs = Infinity;
  #cancelLook: (() => void) | undefined;
  #ended = false;

  constructor(file: WatchedFile, options: WatchOptions) {
    this.#file = file;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#quietMs = options.quietMs ?? 200;
    this.#goneMs = options.goneMs ?? 2_000;
    this.#told = this.#last = options.seen;
  }

  async begin(): Promise<void> {
    const { folder } = this.#file;
    this.#watched = await identity(folder);
    const watcher = Deno.watchFs(folder, { recursive: false });
    this.#watcher = watcher;
    void this.#listen(watcher).catch((error) => this.#lose(error));
    void this.#look();
  }

  end(): void {
    this.#ended = true;
    this.#cancelLook?.();
    this.#unwatch();
  }

  async #listen(watcher: Deno.FsWatcher): Promise<void> {
    // It is the file that must be quiet, not its directory: that may be where a log is written to.
    for await (const event of watcher) if (event.kind !== "access") this.#lookIn(this.#quietMs);
  }

  #lose(error: unknown): void {
    if (this.#watcher === undefined) return;
    this.#unwatch();
    const said = { file: this.#file.path, error: describeError(error) };
    this.#options.log.warn("cannot watch a file any more, polling it", said);
    this.#lookIn(this.#quietMs);
  }

  #unwatch(): void {
    this.#watcher?.[Symbol.dispose]();
    this.#watcher = undefined;
  }

  /** Looks in `delayMs`, unless it will sooner. */
  #lookIn(delayMs: number): void {
    const atMs = this.#clock.now() + delayMs;
    if (this.#ended || this.#nextLookMs <= atMs) return;
    this.#cancelLook?.();
    this.#nextLookMs = atMs;
    this.#cancelLook = this.#clock.after(delayMs, () => {
      this.#nextLookMs = Infinity;
      if (this.#looking) this.#lookIn(this.#quietMs);
      else void this.#look();
    });
  }

  async #look(): Promise<void> {
    const { lookMs = 20_000 } = this.#options;
    this.#looking = true;
    if (this.#watcher !== undefined && await identity(this.#file.folder) !== this.#watched) this.#unwatch();
    const now = await fileVersion(this.#file.path);
    this.#looking = false;
    if (this.#ended) return;
    this.#lookIn(this.#watcher === undefined ? Math.min(UNWATCHED_LOOK_MS, lookMs) : lookMs);
    this.#take(now);
  }

  #take(now: string | undefined): void {
    const nowMs = this.#clock.now();
    if (now !== this.#last) {
      this.#last = now;
      this.#lastSinceMs = nowMs;
    }
    if (now === this.#told) return; // Another file of the directory has changed.
    const restMs = this.#lastSinceMs + (now === undefined ? this.#goneMs : this.#quietMs) - nowMs;
    if (restMs > 0) {
      this.#lookIn(restMs);
      return;
    }
    this.#told = now;
    this.#options.onChange();
  }
}

/** Tells directories apart; `undefined` while there is none. A recreated directory may get the number of the previous one. */
async function identity(folder: string): Promise<string | undefined> {
  try {
    const { dev, ino, birthtime } = await Deno.stat(folder);
    return `${dev} ${ino} ${birthtime?.getTime()}`;
  } catch {
    return undefined;
  }
}
