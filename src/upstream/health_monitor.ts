import { LogInterval } from "../core/log_interval.ts";
import { Histogram } from "../core/histogram.ts";
import type { Log } from "../core/log.ts";
import type { Address } from "../net/address.ts";
import type { Check, CheckReport } from "./check/check.ts";
import type { HealthOptions } from "./check/options.ts";
import type { CheckScheduler, CheckTask } from "./check/scheduler.ts";
import type { CheckOutcome, Health } from "./check/health.ts";

/** What is checked. */
export interface CheckedBackend {
  /** The address as text. */
  readonly key: string;
  readonly address: Address;
  /** The results of its checks. The monitor changes them. */
  readonly health: Health;
  /** `health` has changed; `checked` says whether there are checks. */
  followHealth(checked: boolean): void;
}

/** What a {@linkcode HealthMonitor} works with. */
export interface HealthMonitorParts<B extends CheckedBackend> {
  readonly upstream: string;
  readonly scheduler: CheckScheduler;
  readonly log: Log;
  /** Checks have marked a backend down. */
  readonly onDown: (backend: B) => void;
  /** Checks have marked a backend up that was down. */
  readonly onUp: (backend: B) => void;
}

/** In seconds: from a backend next door to the usual timeout. */
const CHECK_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Runs the health checks of the backends of one upstream, and reports changes. */
export class HealthMonitor<B extends CheckedBackend> {
  readonly #parts: HealthMonitorParts<B>;
  /** The watched backends; those without a task are not checked. */
  readonly #tasks = new Map<B, CheckTask | undefined>();
  #options: HealthOptions | undefined;
  #check: Check | undefined;
  readonly #warnInterval = new LogInterval();
  /** How long checks have taken, those that failed or were aborted included. */
  readonly durations = new Histogram(CHECK_BOUNDS);

  constructor(parts: HealthMonitorParts<B>) {
    this.#parts = parts;
  }

  /**
   * Takes another check, or none, and owns it. The health of backends is kept, but becomes unknown without a check.
   */
  configure(options: HealthOptions | undefined, check: Check | undefined): void {
    // First, as the error of a check that is aborted here says nothing about its backend.
    for (const task of this.#tasks.values()) this.#drop(task);
    this.#check?.close?.();
    this.#options = options;
    this.#check = check;
    for (const backend of this.#tasks.keys()) this.watch(backend);
  }

  /** Checks `backend` until `forget`. */
  watch(backend: B): void {
    const options = this.#options;
    const check = this.#check;
    if (options === undefined || check === undefined) {
      this.#tasks.set(backend, undefined);
      backend.health.reset();
      return backend.followHealth(false);
    }
    backend.followHealth(true);
    const task: CheckTask = {
      upstream: this.#parts.upstream,
      intervalMs: options.intervalMs,
      timeoutMs: options.timeoutMs,
      run: (signal) => this.#run(check, { backend, signal }),
      onOutcome: (outcome) => this.#observe(backend, outcome),
    };
    this.#tasks.set(backend, task);
    this.#parts.scheduler.add(task);
  }

  /** Stops checking `backend`. */
  forget(backend: B): void {
    this.#drop(this.#tasks.get(backend));
    this.#tasks.delete(backend);
  }

  async #run(check: Check, { backend, signal }: { backend: B; signal: AbortSignal }): Promise<CheckReport> {
    const startedMs = performance.now();
    try {
      return await check.run(backend.address, signal);
    } finally {
      this.durations.observe((performance.now() - startedMs) / 1000);
    }
  }

  #drop(task: CheckTask | undefined): void {
    if (task !== undefined) this.#parts.scheduler.remove(task);
  }

  #observe(backend: B, outcome: CheckOutcome): void {
    const { health } = backend;
    const { upstream, log, onDown, onUp } = this.#parts;
    if (outcome.ours) {
      if (!this.#warnInterval.begin(outcome.at)) return;
      return log.warn("cannot run health checks", { upstream, error: outcome.detail });
    }
    const before = health.state;
    if (!health.observe(outcome, this.#options!)) return;
    backend.followHealth(true);
    const fields = {
      upstream,
      backend: backend.key,
      why: outcome.detail,
      last_good: when(health.lastGood),
      last_bad: when(health.lastBad),
    };
    if (health.state === "down") {
      log.warn("backend is down", fields);
      onDown(backend);
    } else if (before === "down") {
      log.info("backend is up", fields);
      onUp(backend);
    }
  }
}

function when(outcome: CheckOutcome | undefined): string | undefined {
  return outcome && new Date(outcome.at).toISOString();
}
