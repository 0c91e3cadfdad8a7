import { dirname } from "node:path";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { fingerprint, watchFile, type WatchOptions } from "./watch.ts";

/** Files, and what {@linkcode fingerprint} said of each before it was read; `undefined`: there was none. */
export type SeenFiles = ReadonlyMap<string, string | undefined>;

/** Looks at files that are about to be read, for {@linkcode FileWatches.follow}. */
export async function fingerprints(paths: readonly string[]): Promise<SeenFiles> {
  const seen = await Promise.all(paths.map((path) => fingerprint(path)));
  return new Map(paths.map((path, index) => [path, seen[index]]));
}

/** Options of {@linkcode FileWatches}. */
export interface FileWatchesOptions extends Omit<WatchOptions, "onChange" | "seen" | "log"> {
  /** Called with the file that may have changed. */
  readonly onChange: (path: string) => void;
  readonly log: Log;
}

/** Watches a set of files that changes: those that a configuration names. Whoever makes it ends it. */
export class FileWatches {
  readonly #options: FileWatchesOptions;
  readonly #watches = new Map<string, () => void>();
  #ended = false;

  /** Watches nothing yet. */
  constructor(options: FileWatchesOptions) {
    this.#options = options;
  }

  /**
   * Watches these files and no others. A file that can't be watched is logged, and tried again at the next call: what
   * was read from it is good nevertheless. One whose folder may not be read is not watched. Never rejects.
   */
  async follow(files: SeenFiles): Promise<void> {
    for (const [path, end] of this.#watches) {
      if (files.has(path)) continue;
      this.#watches.delete(path);
      end();
    }
    for (const [path, seen] of files) if (!this.#watches.has(path)) await this.#begin(path, seen);
  }

  /** Ends all watches, those too that are about to begin. */
  end(): void {
    this.#ended = true;
    for (const end of this.#watches.values()) end();
    this.#watches.clear();
  }

  async #begin(path: string, seen: string | undefined): Promise<void> {
    const { onChange, log, ...more } = this.#options;
    try {
      const end = await watchFile({ path, folder: dirname(path) }, {
        ...{ ...more, log, seen },
        onChange: () => onChange(path),
        onLost: () => this.#watches.delete(path),
      });
      if (end === undefined) return;
      if (this.#ended) end();
      else this.#watches.set(path, end);
    } catch (error) {
      log.warn("cannot watch a file", { file: path, error: describeError(error) });
    }
  }
}
