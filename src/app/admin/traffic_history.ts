import { History, type HistoryReport, type HistoryRow } from "../../admin/live/history.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { Histogram, type HistogramSnapshot } from "../../core/histogram.ts";
import type { TrafficReport } from "../../dataplane/traffic.ts";

/** What a {@linkcode TrafficHistory} works with. */
export interface TrafficHistoryParts {
  /** What the program has carried until now. */
  readonly traffic: () => Promise<TrafficReport>;
  /** @default {systemClock} */
  readonly clock?: Clock;
}

const INTERVAL_MS = 1000;
/** In seconds. A timer of the runtime is a millisecond late by itself. */
const DELAY_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

/** Records what the program carries, once a second, from `start` to `stop`. */
export class TrafficHistory {
  readonly #history = new History();
  readonly #parts: TrafficHistoryParts;
  readonly #clock: Clock;
  readonly #delays = new Histogram(DELAY_BOUNDS);
  #cancel: (() => void) | undefined;
  #running = false;

  constructor(parts: TrafficHistoryParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
  }

  /** Records from now on. Does nothing if it does already. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    void this.#record();
  }

  /** Records nothing more. What was recorded stays. */
  stop(): void {
    this.#running = false;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** How late the event loop has called the timer of each second. */
  get eventLoopDelays(): HistogramSnapshot {
    return this.#delays.snapshot();
  }

  /** As of {@linkcode History}. */
  get lastTime(): number {
    return this.#history.lastTime;
  }

  /** As of {@linkcode History}. */
  report(): HistoryReport {
    return this.#history.report();
  }

  /** As of {@linkcode History}. */
  since(time: number): HistoryRow[] {
    return this.#history.since(time);
  }

  async #record(): Promise<void> {
    try {
      this.#history.add(await this.#parts.traffic(), Date.now());
    } catch {
      // A second is missing.
    }
    if (!this.#running || this.#cancel !== undefined) return;
    const dueMs = this.#clock.now() + INTERVAL_MS;
    this.#cancel = this.#clock.after(INTERVAL_MS, () => {
      this.#cancel = undefined;
      this.#delays.observe((this.#clock.now() - dueMs) / 1000);
      void this.#record();
    });
  }
}
