import type { HistoryReport, HistoryRow } from "../../live/history.ts";
import type { LiveView } from "../../live/live_view.ts";

/** Rows of the history that are shown: 15 minutes. */
const MAX_ROWS = 900;

/** What has been counted when, to tell how fast it grows. */
interface Counted {
  readonly atMs: number;
  readonly value: number;
  readonly rate: number;
}

/** The state of the program as the server has sent it, with the rates that follow from it. */
export class Store {
  view: LiveView | undefined;
  /** The history, column by column; the first one is the time in seconds. */
  columns: (number | null)[][] = [];
  readonly #counted = new Map<string, Counted>();

  /** Takes a whole state. */
  snapshot({ view, history }: { view: LiveView; history: HistoryReport }): void {
    this.view = withoutPrototypes(view) as LiveView;
    this.columns = history.columns.map((column) => [...column]);
  }

  /** Takes what has changed. */
  delta({ view, rows }: { view: object; rows: readonly HistoryRow[] }): void {
    this.view = applyPatch(this.view, view) as LiveView;
    const lastTime = this.columns[0]?.at(-1) ?? 0;
    for (const row of rows) {
      if (row[0]! <= lastTime) continue;
      for (const [index, value] of row.entries()) this.columns[index]?.push(value);
    }
    for (const column of this.columns) column.splice(0, Math.max(0, column.length - MAX_ROWS));
  }

  /** How fast a counter grows, per second, by the last two values that differ in time. */
  rate(key: string, value: number, nowMs: number): number {
    const before = this.#counted.get(key);
    if (before !== undefined && nowMs - before.atMs < 500) return before.rate;
    const rate = before === undefined
      ? 0
      : Math.max(0, value - before.value) * 1000 / Math.min(nowMs - before.atMs, 60_000);
    this.#counted.set(key, { atMs: nowMs, value, rate });
    return rate;
  }

  /** Forgets the counters of what is no longer there. */
  forgetRates(): void {
    this.#counted.clear();
  }
}

/** Applies a JSON merge patch (RFC 7396). Objects have no prototype, so that any name can be a key. */
function applyPatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = Object.create(null);
  if (isObject(target)) Object.assign(result, target);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = applyPatch(result[key], value);
  }
  return result;
}

function withoutPrototypes(value: unknown): unknown {
  return applyPatch(undefined, value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
