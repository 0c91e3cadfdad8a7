import { LogInterval } from "../core/log_interval.ts";
import type { Log } from "../core/log.ts";
import type { Backend } from "./backend.ts";
import type { Check } from "./check/check.ts";
import type { HealthOptions } from "./check/options.ts";
import type { CheckScheduler, CheckTask } from "./check/scheduler.ts";
import type { CheckOutcome } from "./check/health.ts";

/** What a {@linkcode HealthMonitor} works with. */
export interface HealthMonitorParts {
  readonly upstream: string;
  readonly scheduler: CheckScheduler;
  readonly log: Log;
  /** Checks have found a backend down. */
  readonly onDown: (backend: Backend) => void;
  /** Checks have brought a backend up that was down. */
  readonly onUp: (backend: Backend) => void;
}

/** Has the backends of one upstream checked, and tells when that changes what is held of one. */
export class HealthMonitor {
  readonly #parts: HealthMonitorParts;
  /** The backends that it watches; those without a task are not checked now. */
  readonly #tasks = new Map<Backend, CheckTask | undefined>();
  #options: HealthOptions | undefined;
  #check: Check | undefined;
  readonly #warnInterval = new LogInterval();

  constructor(parts: HealthMonitorParts) {
    this.#parts = parts;
  }

  /**
   * Checks in this way from now on, or no longer. It owns `check`. What earlier checks have shown stays as long as
   * there are any, and is forgotten when there are none.
   */
  configure(options: HealthOptions | undefined, check: Check | undefined): void {
    // First of all: what a check under way makes of its end is no news of its backend.
    for (const task of this.#tasks.values()) this.#drop(task);
    this.#check?.close?.();
    this.#options = options;
    this.#check = check;
    for (const backend of this.#tasks.keys()) this.watch(backend);
  }

  /** Has `backend` checked until it is forgotten. */
  watch(backend: Backend): void {
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
      run: (signal) => check.run(backend.address, signal),
      onOutcome: (outcome) => this.#observe(backend, outcome),
    };
    this.#tasks.set(backend, task);
    this.#parts.scheduler.add(task);
  }

  /** It is no longer checked. */
  forget(backend: Backend): void {
    this.#drop(this.#tasks.get(backend));
    this.#tasks.delete(backend);
  }

  #drop(task: CheckTask | undefined): void {
    if (task !== undefined) this.#parts.scheduler.remove(task);
  }

  #observe(backend: Backend, outcome: CheckOutcome): void {
    if (outcome.ours) return this.#warn(outcome);
    const { health } = backend;
    const { upstream, log, onDown, onUp } = this.#parts;
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

  /** Once a minute at most. */
  #warn({ detail, at }: CheckOutcome): void {
    if (!this.#warnInterval.begin(at)) return;
    this.#parts.log.warn("cannot run health checks", { upstream: this.#parts.upstream, error: detail });
  }
}

function when(outcome: CheckOutcome | undefined): string | undefined {
  return outcome && new Date(outcome.at).toISOString();
}
