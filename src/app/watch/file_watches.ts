import { dirname } from "node:path";
import { formatPermissions } from "../../config/required_permissions.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { fileVersion } from "./file_version.ts";
import { watchFile, type WatchOptions } from "./watch.ts";

/** Files, and what {@linkcode fileVersion} said of each before it was read; `undefined`: there was none. */
export type SeenFiles = ReadonlyMap<string, string | undefined>;

/** Looks at files that are about to be read, for {@linkcode FileWatches.follow}. */
export async function fileVersions(paths: readonly string[]): Promise<SeenFiles> {
  const seen = await Promise.all(paths.map((path) => fileVersion(path)));
  return new Map(paths.map((path, index) => [path, seen[index]]));
}

/** Options of {@linkcode FileWatches}. */
export interface FileWatchesOptions extends Omit<WatchOptions, "onChange" | "seen" | "log"> {
  /** Called with the file that may have changed. */
  readonly onChange: (path: string) => void;
  readonly log: Log;
}

/** Watches a set of files that changes: a configuration and those that it names. Its owner ends it. */
export class FileWatches {
  readonly #options: FileWatchesOptions;
  readonly #watches = new Map<string, () => void>();
  /** The files that were last said not to be watched. */
  #said = "";
  #ended = false;

  /** Watches nothing yet. */
  constructor(options: FileWatchesOptions) {
    this.#options = options;
  }

  /**
   * Watches these files and no others. A file that can't be watched is logged, and tried again at the next call: what
   * was read from it is good nevertheless. Those whose folder may not be read are not watched: they are logged all
   * together, and again when they are others than before. Never rejects.
   */
  async follow(files: SeenFiles): Promise<void> {
    for (const [path, end] of this.#watches) {
      if (files.has(path)) continue;
      this.#watches.delete(path);
      end();
    }
    const unreadable: string[] = [];
    for (const [path, seen] of files) {
      if (!this.#watches.has(path) && !await this.#begin(path, seen)) unreadable.push(path);
    }
    if (!this.#ended) this.#sayUnwatched(unreadable);
  }

  /** Ends all watches, those too that are about to begin. */
  end(): void {
    this.#ended = true;
    for (const end of this.#watches.values()) end();
    this.#watches.clear();
  }

  /** Resolves to `false` where the file's folder may not be read. */
  async #begin(path: string, seen: string | undefined): Promise<boolean> {
    const { onChange, log, ...more } = this.#options;
    try {
      const end = await watchFile({ path, folder: await watchedFolder(path) }, {
        ...{ ...more, log, seen },
        onChange: () => onChange(path),
      });
      if (end === undefined) return false;
      if (this.#ended) end();
      else this.#watches.set(path, end);
    } catch (error) {
      log.warn("cannot watch a file", { file: path, error: describeError(error) });
    }
    return true;
  }

  #sayUnwatched(paths: readonly string[]): void {
    const files = paths.join(", ");
    if (files === this.#said) return;
    this.#said = files;
    if (files === "") return;
    const flag = formatPermissions({ net: [], read: [...new Set(paths.map(dirname))], write: [] });
    this.#options.log.info("file changes are not watched: no permission to read their folders", {
      files,
      help: `add ${flag}, or send SIGHUP after a change`,
    });
  }
}

/** A folder is watched itself; of a file, the folder that it is in. */
async function watchedFolder(path: string): Promise<string> {
  try {
    return (await Deno.stat(path)).isDirectory ? path : dirname(path);
  } catch {
    return dirname(path);
  }
}
