import { assert, assertEquals } from "@std/assert";
import { History, HISTORY_FIELDS, type HistoryField, percentile } from "../../../src/admin/live/history.ts";
import { Histogram } from "../../../src/core/histogram.ts";
import type { TrafficReport } from "../../../src/dataplane/traffic.ts";

const NONE = { bounds: [0.01, 0.1, 1], counts: [0, 0, 0], sum: 0, count: 0 };

function report(parts: Partial<TrafficReport> = {}): TrafficReport {
  return {
    ...{ active: 0, connections: 0, refused: 0, failed: 0, bytesUp: 0, bytesDown: 0, requests: 0 },
    connectSeconds: NONE,
    ...parts,
  };
}

/** The values of a column. */
function column(history: History, field: HistoryField): readonly (number | null)[] {
  return history.report().columns[HISTORY_FIELDS.indexOf(field)]!;
}

Deno.test("a row has the rates since the report before, by the time that has passed", () => {
  const history = new History();
  history.add(report({ connections: 10, bytesUp: 1000 }), 1_000_000);
  assertEquals(history.report().columns[0], []);
  history.add(report({ active: 4, connections: 15, bytesUp: 3000, refused: 2 }), 1_001_000);
  history.add(report({ active: 5, connections: 18, bytesUp: 3000, refused: 2 }), 1_003_000);
  assertEquals(column(history, "time"), [1001, 1003]);
  assertEquals(column(history, "active"), [4, 5]);
  assertEquals(column(history, "connections"), [5, 1.5]);
  assertEquals(column(history, "bytesUp"), [2000, 0]);
  assertEquals(column(history, "refused"), [2, 0]);
  assertEquals(column(history, "connectP50"), [null, null]);
});

Deno.test("percentiles are those of the values since the report before", () => {
  const history = new History();
  const before = { bounds: [0.01, 0.1, 1], counts: [100, 100, 100], sum: 1, count: 100 };
  const after = { bounds: [0.01, 0.1, 1], counts: [100, 110, 110], sum: 2, count: 110 };
  history.add(report({ connectSeconds: before, requestSeconds: before }), 1000);
  history.add(report({ connectSeconds: after, requestSeconds: before }), 2000);
  assertEquals(column(history, "connectP50"), [55]);
  assertEquals(column(history, "connectP99"), [99.1]);
  assertEquals(column(history, "requestP50"), [null]);
});

Deno.test("the last 900 rows are kept", () => {
  const history = new History();
  for (let second = 0; second <= 2000; second++) {
    history.add(report({ connections: second * second }), 1000 * second + 1);
  }
  const times = column(history, "time");
  assertEquals([times.length, times[0], times.at(-1)], [900, 1101.001, 2000.001]);
  assertEquals(column(history, "connections").at(-1), 2000 * 2000 - 1999 * 1999);
  assertEquals(history.since(1998.5).map(([time]) => time), [1999.001, 2000.001]);
  assertEquals([history.since(2000.001), history.lastTime], [[], 2000.001]);
});

Deno.test("a clock that is set back, and counters that a reload has removed, do no harm", () => {
  const history = new History();
  history.add(report({ connections: 10 }), 5000);
  history.add(report({ connections: 12 }), 4000);
  assertEquals(column(history, "time"), []);
  history.add(report({ connections: 3 }), 5000);
  assertEquals(column(history, "connections"), [0]);
});

Deno.test("a percentile is within the bucket of the exact one", () => {
  const bounds = [0.001, 0.01, 0.1, 1];
  const values = Array.from({ length: 1000 }, (_, i) => (i + 1) / 1000);
  const histogram = new Histogram(bounds);
  for (const value of values) histogram.observe(value);
  for (const share of [0.5, 0.95, 0.99]) {
    const found = percentile(histogram.snapshot(), share);
    assert(Math.abs(found - share) < 0.002, `${found}`);
  }
  assertEquals(percentile({ bounds: [], counts: [], count: 0 }, 0.5), NaN);
  assertEquals(percentile({ bounds: [1], counts: [0], count: 5 }, 0.5), 1);
});
