import type { Log } from "../core/log.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import type { Backend } from "./backend.ts";
import type { BackendGroup } from "./backend_group.ts";
import type { Check } from "./check/check.ts";
import type { HealthState } from "./check/health.ts";
import { CheckScheduler } from "./check/scheduler.ts";
import { HealthMonitor } from "./health_monitor.ts";
import { DEFAULT_OUTLIER, type UpstreamOptions } from "./options.ts";
import { OutlierDetector } from "./outlier.ts";
import { SlowStart } from "./slow_start.ts";

/** What {@linkcode BackendStates} work with. */
export interface BackendStatesParts {
  readonly upstream: string;
  readonly wheel: TimerWheel;
  readonly log: Log;
  /** Runs the health checks. @default one of its own */
  readonly scheduler?: CheckScheduler | undefined;
  readonly group: BackendGroup;
  /** The health check; absent: none. Owned from here on. */
  readonly check: Check | undefined;
}

/** A change of the configuration. */
export interface StatesChange {
  /** Replaces the check, if it is present. Owned from here on. */
  readonly check: { readonly created: Check | undefined } | undefined;
  readonly added: readonly Backend[];
  /** Whether there were no backends before. */
  readonly isFirstSet: boolean;
}

/**
 * Keeps the state of the backends of one upstream: by health checks, or results of checks that run elsewhere; by live
 * traffic (outlier detection); and the slow start of those that are added or recover.
 */
export class BackendStates {
  /** Live traffic is reported to it. */
  readonly outlier: OutlierDetector;
  readonly #wheel: TimerWheel;
  readonly #group: BackendGroup;
  readonly #monitor: HealthMonitor<Backend>;
  readonly #slowStart: SlowStart;
  #options: UpstreamOptions;

  constructor(options: UpstreamOptions, parts: BackendStatesParts) {
    const { wheel, group } = parts;
    this.#wheel = wheel;
    this.#group = group;
    this.#options = options;
    this.#monitor = new HealthMonitor({
      ...parts,
      scheduler: parts.scheduler ?? new CheckScheduler(parts),
      onDown: (backend) => this.#onDown(backend),
      onUp: (backend) => this.#onUp(backend),
    });
    const onReturn = (backend: Backend) => this.#startSlowly(backend);
    this.outlier = new OutlierDetector(options.outlier ?? DEFAULT_OUTLIER, { ...parts, onReturn });
    const onChange = () => group.rebalance();
    this.#slowStart = new SlowStart(options.slowStartMs ?? 0, { wheel, onChange });
    this.#monitor.configure(options.health, parts.check);
  }

  /** Takes a configuration, after the group has taken its set. */
  configure(options: UpstreamOptions, { check, added, isFirstSet }: StatesChange): void {
    const previous = this.#options;
    this.#options = options;
    this.outlier.configure(options.outlier ?? DEFAULT_OUTLIER, this.#group.size);
    this.#slowStart.configure(options.slowStartMs ?? 0);
    if (check !== undefined) this.#monitor.configure(options.health, check.created);
    const changesSource = previous.externalHealth !== options.externalHealth;
    for (const backend of changesSource ? this.#group : added) this.#watch(backend);
    if (isFirstSet) return; // No other backend could take more meanwhile.
    for (const backend of added) this.#slowStart.begin(backend);
    const scales = check !== undefined || changesSource || previous.slowStartMs !== options.slowStartMs;
    const startsSlowly = added.length > 0 && (options.slowStartMs ?? 0) > 0;
    if (startsSlowly || scales) this.#group.rebalance();
  }

  /** Takes results of checks that run elsewhere, see `Upstream.setHealth`. */
  setHealth(states: ReadonlyMap<string, HealthState>): void {
    if (this.#options.externalHealth !== true) return;
    for (const [key, state] of states) {
      const backend = this.#group.find(key);
      if (backend === undefined || backend.health.state === state) continue;
      const wasDown = backend.down;
      backend.health.state = state;
      backend.followHealth(true);
      if (state === "down") this.#onDown(backend);
      else if (wasDown) this.#onUp(backend);
    }
  }

  /** How long a backend is still ejected, in milliseconds; absent: it is not. */
  ejectedForMs(backend: Backend): number | undefined {
    const untilMs = this.outlier.ejectedUntilMs(backend);
    return untilMs && untilMs - this.#wheel.now();
  }

  /** A backend was removed from the set. */
  forget(backend: Backend): void {
    this.#monitor.forget(backend);
    this.outlier.forget(backend);
    this.#slowStart.forget(backend);
  }

  /** Closes the check. */
  close(): void {
    this.#monitor.configure(undefined, undefined);
  }

  #watch(backend: Backend): void {
    if (this.#options.externalHealth !== true) return this.#monitor.watch(backend);
    this.#monitor.forget(backend);
    backend.health.reset();
    backend.followHealth(true);
  }

  #onDown(backend: Backend): void {
    this.#slowStart.forget(backend);
    backend.usedPool?.dropIdle();
    if (this.#options.onDown === "close") backend.closeConnections();
  }

  #onUp(backend: Backend): void {
    backend.keepConnections();
    this.#startSlowly(backend);
  }

  #startSlowly(backend: Backend): void {
    this.#slowStart.begin(backend);
    this.#group.rebalance();
  }
}
