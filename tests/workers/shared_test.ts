import { assert, assertEquals, assertLess } from "@std/assert";
import { Backend } from "../../src/upstream/backend.ts";
import { BackendGroup } from "../../src/upstream/backend_group.ts";
import { ConnectionPool } from "../../src/upstream/pool/pool.ts";
import { mergeServices } from "../../src/workers/merge_reports.ts";
import { BLOCK, SharedCounts } from "../../src/workers/shared_counts.ts";
import { SharedMembership } from "../../src/workers/shared_membership.ts";
import { createLimiterMemory, SharedRateLimiter } from "../../src/workers/shared_rate_limiter.ts";
import { workerCount } from "../../src/workers/worker_count.ts";
import { FakeClock } from "../core/fake_clock.ts";
import { spec } from "../upstream/upstream_fixture.ts";
import { mainService, snapshotOf } from "./data_planes_fixture.ts";

/** The groups of several threads with the same backends, `host:weight`, each at its place in the round. */
function groupsOf(threads: number, backends: string, balance: "round-robin" | "source-hash" = "round-robin") {
  return Array.from({ length: threads }, (_, thread) => {
    const group = new BackendGroup("main", { balance, phase: thread / threads });
    const createPool = () => new ConnectionPool({ dial: () => Promise.reject(new Error("not dialled")) });
    const specs = backends.split(" ").map((each) => {
      const [host, weight] = each.split(":");
      return spec(host!, { weight: Number(weight) });
    });
    group.replace(specs, (spec) => new Backend(spec, { createPool }));
    group.rebalance();
    return group;
  });
}

Deno.test("round-robin in four threads is within 1 % of the weights after 10,000 connections", () => {
  const groups = groupsOf(4, "a:5 b:1 c:1 d:3");
  const counts = new Map<string, number>();
  let random = 1;
  for (let each = 0; each < 10_000; each++) {
    random = Math.imul(random, 48271) >>> 0; // The kernel's hash, as good as random.
    const { key } = groups[random % 4]!.pick({})!;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const [key, share] of [["a:1", 0.5], ["b:1", 0.1], ["c:1", 0.1], ["d:1", 0.3]] as const) {
    assertLess(Math.abs(counts.get(key)! / 10_000 - share), 0.01 * share, key);
  }
});

Deno.test("each thread begins round-robin at another backend", () => {
  const first = groupsOf(4, "a:1 b:1 c:1 d:1").map((group) => group.pick({})!.key);
  assertEquals(first, ["a:1", "b:1", "c:1", "d:1"]);
});

Deno.test("source-hash picks the same backend in all threads", () => {
  const groups = groupsOf(3, "a:1 b:2 c:1", "source-hash");
  for (let host = 0; host < 50; host++) {
    const picked = groups.map((group) => group.pick({ source: `10.0.0.${host}` })!.key);
    assertEquals(new Set(picked).size, 1);
  }
});

Deno.test("the rate of a source is one for all threads, and comes back with time", () => {
  const clock = new FakeClock();
  const memory = createLimiterMemory();
  const rate = { connections: 4, perMs: 1000, burst: 4 };
  const limiters = [1, 2, 3].map(() => new SharedRateLimiter(memory, { rate, now: () => clock.now() }));
  const allowed = (source: string, tries: number) =>
    Array.from({ length: tries }, (_, index) => limiters[index % 3]!.allow(source)).filter(Boolean).length;
  assertEquals([allowed("10.0.0.1", 12), allowed("10.0.0.2", 3)], [4, 3]);
  clock.advance(500);
  assertEquals([allowed("10.0.0.1", 12), allowed("10.0.0.2", 12)], [2, 3]);
});

Deno.test("a thread that read its clock before others had their turn is not refused what is due", () => {
  const memory = createLimiterMemory();
  const rate = { connections: 6, perMs: 3_600_000, burst: 6 };
  const [late, early] = [1000.3, 1000].map((nowMs) =>
    new SharedRateLimiter(memory, { rate, now: () => nowMs })
  );
  const allowed = [late!, ...Array(6).fill(early!)].map((limiter) => limiter.allow("10.0.0.1"));
  assertEquals(allowed, [true, true, true, true, true, true, false]);
});

Deno.test("a limiter that has seen more sources than it remembers still limits, and forgets full buckets first", () => {
  const clock = new FakeClock();
  const rate = { connections: 1, perMs: 1000, burst: 1 };
  const limiter = new SharedRateLimiter(createLimiterMemory(), { rate, now: () => clock.now() });
  for (let each = 0; each < 40_000; each++) limiter.allow(`old ${each}`);
  clock.advance(1000); // Their buckets are full.
  assert(limiter.allow("busy"));
  for (let each = 0; each < 4_000; each++) limiter.allow(`new ${each}`);
  assertEquals(limiter.allow("busy"), false);
});

Deno.test("what a thread has counted is taken off when it has ended, and its blocks are used again later", () => {
  let nowMs = 0;
  const counts = new SharedCounts(() => nowMs);
  const snapshot = snapshotOf(mainService({ backends: ["127.0.0.1:1"] }));
  const slots = counts.slotsOf(snapshot);
  const membershipOf = (own: SharedArrayBuffer) => {
    const parts = { phase: 0, totals: counts.totals, own, now: () => nowMs };
    const membership = new SharedMembership({ ...parts, onSuspect: () => {}, onPoolFull: () => {} });
    membership.use(slots);
    return membership.service("main")!.connections;
  };
  const [one, two] = [counts.createOwn(), counts.createOwn()];
  for (const [own, times] of [[one, 3], [two, 4]] as const) {
    const { totals, own: mine, index } = membershipOf(own);
    for (let each = 0; each < times; each++) Atomics.add(totals, index, 1), mine[index]!++;
  }
  assertEquals([counts.connectionsOf("main"), counts.ownConnectionsOf("main", one)], [7, 3]);
  counts.takeOff(one);
  assertEquals([counts.connectionsOf("main"), counts.ownConnectionsOf("main", one)], [4, 0]);

  const index = slots.services.get("main")!;
  const other = snapshotOf(mainService({ backends: ["127.0.0.1:2"] }).replace("name: main", "name: other"));
  counts.keep(counts.slotsOf(other));
  nowMs += 61_000;
  const indexOf = (name: string) => {
    const text = mainService({ backends: ["127.0.0.1:2"] }).replace("name: main", `name: ${name}`);
    return counts.slotsOf(snapshotOf(text)).services.get(name)!;
  };
  assert(indexOf("busy") !== index, "four connections are still counted there");
  counts.takeOff(two);
  nowMs += 61_000;
  assertEquals([indexOf("x"), indexOf("y")].includes(index), true);
  assertEquals(index % BLOCK, 0);
});

Deno.test("the counters of services add up, with names that only some reports have", () => {
  const histogram = (count: number) => ({ bounds: [1], counts: [count], sum: count / 2, count });
  const service = (name: string, total: number) => ({
    name,
    upstreams: [],
    listeners: [],
    active: 1,
    handshakes: 0,
    total,
    rejected: 0,
    acceptFailures: { reset: 1, descriptors: 0, other: 0 },
    ended: { "client-closed": total },
    bytesUp: 1,
    bytesDown: 2,
    durationSeconds: histogram(total),
    connectSeconds: histogram(total),
  });
  const [a, b] = mergeServices([[service("b", 5)], [service("a", 1), service("b", 2)], []]);
  assertEquals([a!.name, a!.total, b!.name, b!.total], ["a", 1, "b", 7]);
  assertEquals([b!.active, b!.ended, b!.acceptFailures.reset], [2, { "client-closed": 7 }, 2]);
  assertEquals(b!.durationSeconds, { bounds: [1], counts: [7], sum: 3.5, count: 7 });
});

Deno.test("auto is as many workers as there are processors for the program", () => {
  assertEquals([workerCount(1), workerCount(3)], [1, 3]);
  assertEquals(workerCount("auto"), Math.min(64, navigator.hardwareConcurrency));
});
