import { type Clock, systemClock } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";

/** Options of {@linkcode watchFile}. */
export interface WatchOptions {
  /** Called when the file may have changed, once for changes that come close together. */
  readonly onChange: () => void;
  readonly log: Log;
  /** Called when the file can't be watched any more. */
  readonly onLost?: () => void;
  /**
   * What {@linkcode fingerprint} said before the file was read, `undefined` if there was none: a change since then
   * is noticed too.
   * @default what it says now
   */
  readonly seen?: string | undefined;
  /** How long the file must stay the same after a change, in milliseconds. @default {200} */
  readonly quietMs?: number;
  /** @default {systemClock} */
  readonly clock?: Clock;
}

/**
 * Watches a file by way of its directory, so that one that is replaced (by rename, or by a symbolic link that is
 * moved) is noticed too. Returns what ends it, or `undefined` where the directory may not be read.
 *
 * @throws the runtime's error where the directory can't be watched: there is none, or the system's watches are used up.
 */
export async function watchFile(
  file: { path: string; folder: string },
  options: WatchOptions,
): Promise<(() => void) | undefined> {
  const { state } = await Deno.permissions.query({ name: "read", path: file.folder });
  if (state !== "granted") return undefined;
  const watcher = Deno.watchFs(file.folder, { recursive: false });
  void follow(watcher, { ...options, path: file.path });
  return () => watcher[Symbol.dispose](); // May have been closed below.
}

async function follow(watcher: Deno.FsWatcher, options: WatchOptions & { path: string }): Promise<void> {
  const { onChange, log, quietMs = 200, clock = systemClock } = options;
  let seen = "seen" in options ? options.seen : await fingerprint(options.path);
  let last = seen;
  let open = true;
  let cancel: (() => void) | undefined;
  // It is the file that must be quiet, not its directory: that may be where a log is written to.
  const lookLater = () => cancel ??= clock.after(quietMs, () => void look());
  const look = async () => {
    cancel = undefined;
    const now = await fingerprint(options.path);
    // Gone for a moment while it is replaced, or another file of the directory has changed.
    if (!open || now === undefined || now === seen) return;
    if (now !== last) {
      last = now;
      lookLater();
      return;
    }
    seen = now;
    onChange();
  };
  try {
    await look();
    for await (const event of watcher) if (event.kind !== "access") lookLater();
  } catch (error) {
    log.warn("cannot watch a file any more", { file: options.path, error: describeError(error) });
    options.onLost?.();
    watcher[Symbol.dispose]();
  }
  open = false;
  cancel?.();
}

/** What changes when a file does; `undefined` while there is none. */
export async function fingerprint(path: string): Promise<string | undefined> {
  try {
    const { ino, mtime, size } = await Deno.stat(path);
    return `${ino} ${mtime?.getTime()} ${size}`;
  } catch {
    return undefined;
  }
}
