import type { HistogramSnapshot } from "../../core/histogram.ts";
import type { TrafficReport } from "../../dataplane/traffic.ts";

/** The columns of a history. Rates are per second, times in milliseconds. */
export const HISTORY_FIELDS = [
  "time",
  "active",
  "connections",
  "requests",
  "refused",
  "failed",
  "bytesUp",
  "bytesDown",
  "connectP50",
  "connectP95",
  "connectP99",
  "requestP50",
  "requestP95",
  "requestP99",
] as const;
/** One of {@linkcode HISTORY_FIELDS}. */
export type HistoryField = typeof HISTORY_FIELDS[number];

/** One second: a value for each of {@linkcode HISTORY_FIELDS}. `null`: there was nothing to measure. */
export type HistoryRow = readonly (number | null)[];

/** The past, column by column. */
export interface HistoryReport {
  readonly fields: readonly HistoryField[];
  /** In the order of `fields`, the oldest value first. `time` is in seconds since 1970. */
  readonly columns: readonly HistoryRow[];
}

/** 15 minutes. */
const SECONDS = 900;
const PERCENTILES = [0.5, 0.95, 0.99];

/**
 * What the program has carried in each of the last 900 seconds, in ring buffers of a fixed size: 14 numbers for each
 * second.
 */
export class History {
  readonly #columns = HISTORY_FIELDS.map(() => new Float64Array(SECONDS));
  #size = 0;
  /** Where the next row goes. */
  #next = 0;
  #before: { readonly report: TrafficReport; readonly atMs: number } | undefined;

  /** Adds what has changed since the last report, as one row. `atMs` is in milliseconds since 1970. */
  add(report: TrafficReport, atMs: number): void {
    const before = this.#before;
    this.#before = { report, atMs };
    // The first report has nothing to be compared with, and the clock may have been set back.
    if (before === undefined || atMs <= before.atMs) return;
    const row = rowOf(report, { before: before.report, seconds: (atMs - before.atMs) / 1000, atMs });
    for (const [index, value] of row.entries()) this.#columns[index]![this.#next] = value;
    this.#next = (this.#next + 1) % SECONDS;
    this.#size = Math.min(this.#size + 1, SECONDS);
  }

  /** All rows, as columns. */
  report(): HistoryReport {
    const start = (this.#next - this.#size + SECONDS) % SECONDS;
    const columns = this.#columns.map((column) =>
      Array.from({ length: this.#size }, (_, i) => show(column[(start + i) % SECONDS]!))
    );
    return { fields: HISTORY_FIELDS, columns };
  }

  /** The rows that are newer than `time`, in seconds since 1970, the oldest first. */
  since(time: number): HistoryRow[] {
    const rows: HistoryRow[] = [];
    for (let back = 1; back <= this.#size; back++) {
      const index = (this.#next - back + SECONDS) % SECONDS;
      if (this.#columns[0]![index]! <= time) break;
      rows.unshift(this.#columns.map((column) => show(column[index]!)));
    }
    return rows;
  }

  /** The time of the last row, in seconds since 1970; 0: there is none. */
  get lastTime(): number {
    return this.#size === 0 ? 0 : this.#columns[0]![(this.#next - 1 + SECONDS) % SECONDS]!;
  }
}

function rowOf(
  report: TrafficReport,
  { before, seconds, atMs }: { before: TrafficReport; seconds: number; atMs: number },
): number[] {
  const rate = (key: "connections" | "requests" | "refused" | "failed" | "bytesUp" | "bytesDown") =>
    // Counters of services that a reload has removed are missing from the sum.
    round(Math.max(0, report[key] - before[key]) / seconds);
  return [
    Math.floor(atMs) / 1000,
    report.active,
    rate("connections"),
    rate("requests"),
    rate("refused"),
    rate("failed"),
    rate("bytesUp"),
    rate("bytesDown"),
    ...percentiles(report.connectSeconds, before.connectSeconds),
    ...percentiles(report.requestSeconds, before.requestSeconds),
  ];
}

/** In milliseconds; NaN: no value has been observed since. */
function percentiles(
  after: HistogramSnapshot | undefined,
  before: HistogramSnapshot | undefined,
): number[] {
  if (after === undefined || before === undefined || after.bounds.length !== before.bounds.length) {
    return PERCENTILES.map(() => NaN);
  }
  const counts = after.counts.map((count, index) => count - before.counts[index]!);
  return PERCENTILES.map((share) =>
    round(1000 * percentile({ bounds: after.bounds, counts, count: after.count - before.count }, share))
  );
}

/**
 * Estimates a percentile by linear interpolation within its bucket, as `histogram_quantile` of Prometheus does. What is
 * above all bounds counts as the last bound. NaN: the histogram is empty.
 */
export function percentile(
  { bounds, counts, count }: Pick<HistogramSnapshot, "bounds" | "counts" | "count">,
  share: number,
): number {
  if (count <= 0) return NaN;
  const rank = share * count;
  const bucket = counts.findIndex((upTo) => upTo >= rank);
  if (bucket === -1) return bounds.at(-1) ?? NaN;
  const low = bucket === 0 ? 0 : bounds[bucket - 1]!;
  const below = bucket === 0 ? 0 : counts[bucket - 1]!;
  const within = counts[bucket]! - below;
  return within <= 0 ? bounds[bucket]! : low + (bounds[bucket]! - low) * (rank - below) / within;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function show(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
