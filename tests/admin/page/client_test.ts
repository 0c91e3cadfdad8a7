import { assertEquals } from "@std/assert";
import {
  formatBytes,
  formatDuration,
  formatMs,
  formatRate,
  plural,
} from "../../../src/admin/page/client/format.ts";
import { Store } from "../../../src/admin/page/client/store.ts";
import { expiries } from "../../../src/admin/page/client/tables.ts";
import { HISTORY_FIELDS } from "../../../src/admin/live/history.ts";
import type { LiveView } from "../../../src/admin/live/live_view.ts";

Deno.test("numbers of the live page are short, with their units", () => {
  assertEquals([0, 999, 1000, 99_949, 999_499, 1e6, 2.5e15].map(formatBytes), [
    ...["0 B", "999 B", "1.0 kB", "99.9 kB", "999 kB", "1.0 MB", "2.5 PB"],
  ]);
  assertEquals([0, 0.04, 9.94, 9.95, 1234, 12_345, 5e6].map(formatRate), [
    ...["0", "<0.1", "9.9", "10", "1,234", "12.3k", "5.0M"],
  ]);
  assertEquals([0.44, 12.4, 999, 1000, 61_000].map(formatMs), ["0.4 ms", "12 ms", "999 ms", "1.0 s", "61 s"]);
  assertEquals([0, 59, 60, 130, 3600, 90_000, 1e6].map(formatDuration), [
    ...["0 s", "59 s", "1 min", "2 min 10 s", "1 h", "1 d 1 h", "11 d 13 h"],
  ]);
  assertEquals([plural(1, "backend"), plural(1000, "backend")], ["1 backend", "1,000 backends"]);
});

Deno.test("the store follows snapshots and deltas, whatever the names", () => {
  const store = new Store();
  const view = JSON.parse(
    '{"program": {"version": "1"}, "upstreams": {"__proto__": {"available": 1}, "a": {}}}',
  );
  const columns = HISTORY_FIELDS.map((_, index) => [index === 0 ? 10 : index]);
  store.snapshot({ view, history: { fields: HISTORY_FIELDS, columns } });
  const row = (time: number) => HISTORY_FIELDS.map((_, index) => index === 0 ? time : 7);
  const patch = JSON.parse(
    '{"upstreams": {"__proto__": {"available": 2}, "a": null, "b": {"available": 3}}}',
  );
  store.delta({ view: patch, rows: [row(9), row(10), row(11)] });
  assertEquals(
    JSON.stringify(store.view as LiveView),
    [
      '{"program":{"version":"1"},"upstreams":{"__proto__":{"available":2},"b":{"available":3}}}',
    ].join(),
  );
  assertEquals(store.columns.slice(0, 2), [[10, 11], [1, 7]]);
  for (let time = 12; time < 2000; time++) store.delta({ view: {}, rows: [row(time)] });
  assertEquals([store.columns[0]!.length, store.columns[0]!.at(-1)], [900, 1999]);
});

Deno.test("rates are those between two deltas, and never negative", () => {
  const store = new Store();
  assertEquals(store.rate("a", 100, 1000), 0);
  assertEquals(store.rate("a", 150, 2000), 50);
  assertEquals(store.rate("a", 170, 2100), 50); // Too soon to tell.
  assertEquals(store.rate("a", 250, 4000), 50);
  assertEquals(store.rate("a", 0, 5000), 0);
});

Deno.test("certificates and CRLs are coloured before they expire, those that need attention first", () => {
  const nowMs = Date.parse("2026-06-01T00:00:00.000Z");
  const day = (days: number) => new Date(nowMs + days * 86_400_000).toISOString();
  const certificate = (days: number, from = -100) => ({
    ...{ path: "/c.pem", usedBy: ["service a"], subject: `CN=${days}` },
    ...{ notBefore: day(from), notAfter: day(days) },
  });
  const crl = (from: number, to: number, usable = true) => ({
    ...{ path: "/c.crl", usedBy: ["service a"], issuer: `CN=${to}`, usable },
    ...{ thisUpdate: day(from), nextUpdate: day(to) },
  });
  const found = expiries(
    [certificate(31), certificate(29), certificate(6), certificate(-1), certificate(50, 1)],
    [crl(-1, 6), crl(-6, 1), crl(-9, -1), crl(-1, 6, false)],
    nowMs,
  );
  assertEquals(found.map(({ name, left, urgency }) => `${name} ${left} ${urgency}`), [
    "CN=6 6 days bad",
    "CN=-1 expired bad",
    "CN=50 not valid yet bad",
    "CN=-1 expired bad",
    "CN=6 not usable bad",
    "CN=29 29 days soon",
    "CN=1 24 h soon",
    "CN=31 31 days good",
    "CN=6 6 days good",
  ]);
});
