import { ConfigError } from "../../config/problem/problem.ts";
import { CulvertError, describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { Recent } from "../../core/recent.ts";

/** How a reload went. */
export type ReloadOutcome =
  | { readonly ok: true }
  /** `error` says why; the current configuration is kept. */
  | { readonly ok: false; readonly error: CulvertError };

/** What configuration runs, and how the last reload went. Times are in milliseconds since 1970. */
export interface ReloadState {
  /** 1 for the configuration that the program started with, one more for each that took its place. */
  readonly generation: number;
  /** Since when that one runs. */
  readonly appliedAt: number;
  /** When the last reload, or the start, came to its end. */
  readonly at: number;
  readonly why: string;
  readonly outcome: ReloadOutcome;
  /** Reloads that have failed since the start. */
  readonly refused?: number;
}

/** Reloads that are remembered. */
const KEPT = 20;

/** Options of {@linkcode Reloader}. */
export interface ReloaderOptions {
  /** Reads, checks and applies the configuration. What it throws leaves the configuration as it was. */
  readonly reload: () => Promise<void>;
  readonly log: Log;
}

/**
 * One reload at a time. A request that comes while one is under way is answered by one more, which sees what has
 * changed meanwhile; however many come, they share it.
 */
export class Reloader {
  readonly #options: ReloaderOptions;
  #running: Promise<ReloadOutcome> | undefined;
  #next: Promise<ReloadOutcome> | undefined;
  #state: ReloadState = {
    generation: 1,
    appliedAt: Date.now(),
    at: Date.now(),
    why: "start",
    outcome: { ok: true },
  };
  readonly #recent = new Recent<ReloadState>(KEPT);

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#recent.add(this.#state);
  }

  /** How things stand; before the first reload, as at the start. */
  get state(): ReloadState {
    return this.#state;
  }

  /** The last 20 reloads, the newest first. The start counts as one. */
  get recent(): readonly ReloadState[] {
    return this.#recent.list();
  }

  /** Reloads; `why` is for the log. Never rejects. */
  request(why: string): Promise<ReloadOutcome> {
    if (this.#next !== undefined) return this.#next;
    if (this.#running === undefined) return this.#start(why);
    this.#next = this.#running.then(() => {
      this.#next = undefined;
      return this.#start(why);
    });
    return this.#next;
  }

  #start(why: string): Promise<ReloadOutcome> {
    this.#running = this.#run(why)
      .then((outcome) => this.#note(why, outcome))
      .finally(() => this.#running = undefined);
    return this.#running;
  }

  #note(why: string, outcome: ReloadOutcome): ReloadOutcome {
    if (!outcome.ok && outcome.error.code === "draining") return outcome; // Nothing was tried.
    const at = Date.now();
    const { generation, appliedAt, refused = 0 } = this.#state;
    const failed = refused + Number(!outcome.ok);
    const more = failed === 0 ? {} : { refused: failed };
    this.#state = outcome.ok
      ? { generation: generation + 1, appliedAt: at, at, why, outcome, ...more }
      : { generation, appliedAt, at, why, outcome, ...more };
    this.#recent.add(this.#state);
    return outcome;
  }

  async #run(why: string): Promise<ReloadOutcome> {
    const { reload, log } = this.#options;
    try {
      await reload();
      log.info("reloaded", { why });
      return { ok: true };
    } catch (cause) {
      const error = cause instanceof CulvertError
        ? cause
        : new CulvertError("reload_failed", `Cannot reload: ${describeError(cause)}`, { cause });
      if (error.code === "draining") log.info("reload ignored, the program is stopping", { why });
      else {log.error("reload failed, keeping the current configuration", {
          why,
          error: firstLine(error),
        });}
      const problems = error instanceof ConfigError ? error.message.split("\n") : [];
      for (const problem of problems) log.error("bad configuration", { problem });
      return { ok: false, error };
    }
  }
}

function firstLine(error: CulvertError): string {
  if (!(error instanceof ConfigError)) return error.message;
  const { length } = error.problems;
  if (error.problems.at(-1)!.kind === "more") return `more than ${length - 1} problems`;
  return length === 1 ? "1 problem" : `${length} problems`;
}
