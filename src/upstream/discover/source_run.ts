import { abortable } from "@std/async/abortable";
import { Backoff } from "../../core/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { BackendSpec } from "../options.ts";
import { checkSet, equalSets } from "./backend_set.ts";
import { onAbort, pause, settledWithin } from "../../core/wait.ts";
import type { ReportingSource } from "./source.ts";

/** A source of backends with its name in status, metrics and log. */
export interface NamedSource {
  /** Such as `dns db.internal`. */
  readonly name: string;
  /** Yields its sets. */
  readonly source: ReportingSource;
  /** The longest pause after failures, in milliseconds. @default {30_000} */
  readonly retryMaxMs?: number | undefined;
}

/** The status of a source. Times are in milliseconds on the discovery's clock. */
export interface SourceStatus {
  /** Its name. */
  readonly name: string;
  /**
   * `waiting`: it has not returned anything yet. `good`: it has returned a set last. `failing`: it has failed last; its
   * last set, if any, is kept. `ended`: its last set is final.
   */
  readonly state: "waiting" | "good" | "failing" | "ended";
  /** When it entered this state. */
  readonly sinceMs: number;
  /** The last error, while it is `failing`. */
  readonly error?: string;
  /** When it returned a set last, whether changed or not. */
  readonly lastSetAtMs?: number;
  /** The number of backends that it contributes. */
  readonly size: number;
  /** Failures since the start. */
  readonly failures: number;
}

/** Options of {@linkcode SourceRun}. */
export interface SourceRunOptions extends NamedSource {
  /** Whether an empty answer keeps the last set. */
  readonly keepOnEmpty: boolean;
  /** For pauses and for the times in the status. */
  readonly clock: Clock;
  /** Logs failures when they begin and end. */
  readonly log: Log;
  /** The upstream's name, for the log. */
  readonly upstream: string;
  /** How many backends the upstream has in use, for the log. */
  readonly inUse: () => number;
  /** For the jitter of the pauses. @default {Math.random} */
  readonly random?: () => number;
  /** Its set has changed. */
  readonly onSet: () => void;
  /** It has returned its first set or error, or never will. */
  readonly onAnswered: () => void;
}

const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 30_000;
/** How long a source may take to end. */
const END_MS = 1_000;

/** Runs one source of a discovery: calls it again after failures, and keeps its last set and status. */
export class SourceRun {
  /** The set that it contributes now. */
  set: readonly BackendSpec[] = [];
  readonly #options: SourceRunOptions;
  readonly #backoff: Backoff;
  readonly #closing = new AbortController();
  /** Ends the pause after a failure. */
  #wake = new AbortController();
  /** Restarts the source; absent while no set has been returned since it was started. */
  #restart: (() => void) | undefined;
  #keepOnEmpty: boolean;
  #state: SourceStatus["state"] = "waiting";
  #sinceMs: number;
  #error: string | undefined;
  #lastSetAtMs: number | undefined;
  #failures = 0;
  /** The last answer was empty, and `keepOnEmpty` has kept the previous set. */
  #keptOnEmpty = false;
  #answered = false;
  #ended: Promise<void> | undefined;

  /** Asks nothing before {@linkcode SourceRun.start}. */
  constructor(options: SourceRunOptions) {
    const { random, retryMaxMs = RETRY_MAX_MS } = options;
    this.#options = options;
    this.#keepOnEmpty = options.keepOnEmpty;
    this.#sinceMs = options.clock.now();
    this.#backoff = new Backoff({
      minMs: Math.min(RETRY_MIN_MS, retryMaxMs),
      maxMs: retryMaxMs,
      ...(random === undefined ? {} : { random }),
    });
  }

  /** The current status. */
  get status(): SourceStatus {
    return {
      name: this.#options.name,
      state: this.#state,
      sinceMs: this.#sinceMs,
      ...(this.#error === undefined ? {} : { error: this.#error }),
      ...(this.#lastSetAtMs === undefined ? {} : { lastSetAtMs: this.#lastSetAtMs }),
      size: this.set.length,
      failures: this.#failures,
    };
  }

  /** Starts the source. */
  start(): void {
    this.#ended ??= this.#run();
  }

  /** Asks the source again at once, unless a request is under way. Its set is kept until then. */
  refresh(): void {
    this.#backoff.reset();
    this.#wake.abort();
    this.#restart?.();
  }

  /** Switching it off applies an empty answer that it has suppressed. */
  set keepOnEmpty(keep: boolean) {
    this.#keepOnEmpty = keep;
    if (keep || !this.#keptOnEmpty) return;
    this.#keptOnEmpty = false;
    this.set = [];
  }

  /** Ends the source. Resolves when it has ended, after a second at the latest. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake.abort();
    await this.#ended;
    this.#answer();
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        if (await this.#ask() === "restart") continue;
        if (!signal.aborted) this.#become("ended");
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#fail(error);
        this.#wake = new AbortController();
        await pause(this.#backoff.next(), { clock, signal: this.#wake.signal });
      }
    }
  }

  /** Takes sets from the source until it ends, fails or is restarted. */
  async #ask(): Promise<"ended" | "restart"> {
    // A controller of its own, so that the source is aborted, too, if its set can't be used.
    const asking = new AbortController();
    const iterator = this.#options.source(asking.signal)[Symbol.asyncIterator]();
    const restart = () => asking.abort();
    using _closing = onAbort(this.#closing.signal, restart);
    let next: Promise<unknown> = Promise.resolve();
    let finished = false;
    try {
      while (!asking.signal.aborted) {
        const result = iterator.next();
        next = result;
        const { done, value } = await abortable(result, asking.signal);
        finished = done === true;
        if (finished) return "ended";
        this.#restart = restart;
        if (value instanceof Error) this.#fail(value);
        else this.#take(value);
      }
      return "restart";
    } catch (error) {
      if (asking.signal.aborted) return "restart";
      throw error;
    } finally {
      this.#restart = undefined;
      asking.abort();
      if (!finished) {
        // The source may clean up, within a time limit.
        const ended = Promise.allSettled([next, iterator.return?.()]);
        await settledWithin(ended, { clock: this.#options.clock, timeoutMs: END_MS });
      }
    }
  }

  #take(given: readonly BackendSpec[]): void {
    checkSet(given);
    this.#lastSetAtMs = this.#options.clock.now();
    this.#backoff.reset();
    const { name, upstream, log, onSet } = this.#options;
    const keep = given.length === 0 && this.#keepOnEmpty && this.set.length > 0;
    if (keep && !this.#keptOnEmpty) {
      log.warn("discovery returned no backends, keeping the last set", {
        upstream,
        source: name,
        backends: this.#options.inUse(),
      });
    }
    this.#keptOnEmpty = keep;
    if (!keep && !equalSets(this.set, given)) {
      this.set = [...given]; // The source may reuse its array.
      onSet();
    }
    this.#become("good");
    this.#answer();
  }

  #fail(error: unknown): void {
    const { name, upstream, log } = this.#options;
    this.#failures++;
    this.#error = describeError(error);
    if (this.#state !== "failing") {
      const fields = { upstream, source: name, error: this.#error, backends: this.#options.inUse() };
      log.warn("discovery failed, keeping the last set", fields);
    }
    this.#become("failing");
    this.#answer();
  }

  #become(state: SourceStatus["state"]): void {
    const { name, upstream, log, clock } = this.#options;
    if (state !== "failing") this.#error = undefined;
    if (this.#state === state) return;
    if (this.#state === "failing") {
      log.info("discovery recovered", { upstream, source: name, backends: this.#options.inUse() });
    }
    this.#state = state;
    this.#sinceMs = clock.now();
    if (state === "ended") this.#answer();
  }

  #answer(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#options.onAnswered();
  }
}
