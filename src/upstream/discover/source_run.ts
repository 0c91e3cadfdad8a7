import { abortable } from "@std/async/abortable";
import { Backoff } from "../../core/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { BackendSpec } from "../options.ts";
import { checkSet, equalSets } from "./backend_set.ts";
import { onAbort, pause, settledWithin } from "../../core/wait.ts";
import type { ReportingSource } from "./source.ts";

/** A source of backends and what it is called in status, metrics and log. */
export interface NamedSource {
  /** Such as `dns db.internal`. */
  readonly name: string;
  /** Gives its sets. */
  readonly source: ReportingSource;
  /** The longest pause after failures, in milliseconds. @default {30_000} */
  readonly retryMaxMs?: number | undefined;
}

/** How a source is. Times are in milliseconds on the discovery's clock. */
export interface SourceStatus {
  /** What it is called. */
  readonly name: string;
  /**
   * `waiting`: it has not answered yet. `good`: its last word was a set. `failing`: its last word was an error; its
   * last set, if there was one, goes on. `ended`: it has said its last word, and its last set stays.
   */
  readonly state: "waiting" | "good" | "failing" | "ended";
  /** Since when it is in this state. */
  readonly sinceMs: number;
  /** What it failed with last, while it is `failing`. */
  readonly error?: string;
  /** When it gave a set last, a new one or the same again. */
  readonly lastSetAtMs?: number;
  /** How many backends it contributes. */
  readonly size: number;
  /** How often it has failed since the start. */
  readonly failures: number;
}

/** Options of {@linkcode SourceRun}. */
export interface SourceRunOptions extends NamedSource {
  /** An empty answer keeps its last set. */
  readonly keepOnEmpty: boolean;
  /** For pauses and for the times in the status. */
  readonly clock: Clock;
  /** Told of failures when they begin and end. */
  readonly log: Log;
  /** The upstream's name, for the log. */
  readonly upstream: string;
  /** How many backends the upstream has in use, for the log. */
  readonly inUse: () => number;
  /** For the jitter of the pauses. @default {Math.random} */
  readonly random?: () => number;
  /** What it contributes is another set now. */
  readonly onSet: () => void;
  /** It has answered for the first time, or never will. */
  readonly onAnswered: () => void;
}

const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 30_000;
/** How long a source may take to end once it has been told to. */
const END_MS = 1_000;

/** One source of a discovery: asked, asked anew after failures, and what it has said. */
export class SourceRun {
  /** What it contributes now. */
  set: readonly BackendSpec[] = [];
  readonly #options: SourceRunOptions;
  readonly #backoff: Backoff;
  readonly #closing = new AbortController();
  /** Ends the pause after a failure. */
  #wake = new AbortController();
  /** Gives up the iteration of the source; only while there is one that has answered. */
  #restart: (() => void) | undefined;
  #keepOnEmpty: boolean;
  #state: SourceStatus["state"] = "waiting";
  #sinceMs: number;
  #error: string | undefined;
  #lastSetAtMs: number | undefined;
  #failures = 0;
  /** Its last answer was empty, and `keepOnEmpty` keeps the set before. */
  #keptOnEmpty = false;
  #answered = false;
  #ended: Promise<void> | undefined;

  /** Nothing is asked before {@linkcode SourceRun.start}. */
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

  /** How it is now. */
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

  /** Asks from now on. */
  start(): void {
    this.#ended ??= this.#run();
  }

  /** Asks the source again at once, unless its answer is awaited already. What it gave stays until then. */
  refresh(): void {
    this.#backoff.reset();
    this.#wake.abort();
    this.#restart?.();
  }

  /** Once it does not hold any more, an empty answer that came before counts at once. */
  set keepOnEmpty(keep: boolean) {
    this.#keepOnEmpty = keep;
    if (keep || !this.#keptOnEmpty) return;
    this.#keptOnEmpty = false;
    this.set = [];
  }

  /** Resolves when the source has ended, or when its time for that is over. */
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

  /** Takes what the source gives until it ends, fails or is to be asked again. */
  async #ask(): Promise<"ended" | "restart"> {
    // Its own, so that a source that is given up because of what it gave is told.
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
      if (!finished) await this.#letGo(iterator, next);
    }
  }

  /** Lets the source clean up, but does not wait for ever. */
  async #letGo(iterator: AsyncIterator<unknown>, next: Promise<unknown>): Promise<void> {
    const ended = Promise.allSettled([next, iterator.return?.()]);
    await settledWithin(ended, { clock: this.#options.clock, timeoutMs: END_MS });
  }

  #take(given: readonly BackendSpec[]): void {
    checkSet(given);
    this.#lastSetAtMs = this.#options.clock.now();
    this.#backoff.reset();
    this.#keep(given);
    this.#become("good");
    this.#answer();
  }

  #keep(given: readonly BackendSpec[]): void {
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
    if (keep || equalSets(this.set, given)) return;
    this.set = [...given]; // The source may use its array again.
    onSet();
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
