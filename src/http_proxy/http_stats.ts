import { Histogram, type HistogramSnapshot } from "../core/histogram.ts";
import type { HttpReason } from "./http_reason.ts";

/** In seconds. */
const DURATION_BOUNDS = [
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
  60,
];

/** Status codes by their first digit; `none` where the client got no answer. */
export type StatusClass = "none" | "1xx" | "2xx" | "3xx" | "4xx" | "5xx";
const CLASSES: readonly StatusClass[] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/** The counters of the requests of an HTTP service since its start. */
export interface RequestCounters {
  /** Requests that are under way. */
  readonly active: number;
  /** Requests that have ended, by the class of their status. Classes that never occurred are absent. */
  readonly byStatus: Readonly<Partial<Record<StatusClass, number>>>;
  /** The same by the reason for which they ended. */
  readonly byReason: Readonly<Partial<Record<HttpReason, number>>>;
  /** Requests that were sent again, or to another backend. */
  readonly retried: number;
  /** From the first byte of the request to the last one of the answer. */
  readonly durationSeconds: HistogramSnapshot;
}

/** What of an exchange is counted. */
export interface CountedExchange {
  readonly status: number;
  readonly reason: HttpReason;
  readonly attempt: number;
}

/** Counts requests. */
export class HttpStats {
  readonly #byClass = new Float64Array(CLASSES.length);
  readonly #byReason: Partial<Record<HttpReason, number>> = {};
  readonly #durations = new Histogram(DURATION_BOUNDS);
  #retried = 0;

  /** A request has ended. */
  ended({ status, reason, attempt }: CountedExchange, durationMs: number): void {
    this.#byClass[Math.floor(status / 100)]!++;
    this.#byReason[reason] = (this.#byReason[reason] ?? 0) + 1;
    if (attempt > 1) this.#retried++;
    this.#durations.observe(durationMs / 1000);
  }

  /** The counters as they are now, while `active` are under way. */
  counters(active: number): RequestCounters {
    const byStatus: Partial<Record<StatusClass, number>> = {};
    for (const [index, name] of CLASSES.entries()) {
      const count = this.#byClass[index]!;
      if (count > 0) byStatus[name] = count;
    }
    return {
      active,
      byStatus,
      byReason: { ...this.#byReason },
      retried: this.#retried,
      durationSeconds: this.#durations.snapshot(),
    };
  }
}
