import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { EmptySetError } from "../../../src/upstream/balance/balancer.ts";
import { SourceHash } from "../../../src/upstream/balance/source_hash.ts";
import { backendsOf, picks, TestBackend } from "./fixtures.ts";

const CLIENTS = Array.from({ length: 10_000 }, (_, i) => `10.${i >> 12}.${(i >> 4) & 255}.${i & 15}`);

function backendsUpTo(count: number): TestBackend[] {
  return Array.from({ length: count }, (_, i) => new TestBackend(`10.9.0.${i + 1}:5432`));
}

/** Which backend each of the clients gets. */
function mapClients(backends: readonly TestBackend[]): (string | undefined)[] {
  const balancer = new SourceHash<TestBackend>();
  balancer.update(backends);
  return CLIENTS.map((source) => balancer.pick({ source })?.key);
}

function countBy(keys: readonly (string | undefined)[]): Map<string | undefined, number> {
  const counts = new Map<string | undefined, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

Deno.test("source-hash gives a client the same backend always: known answers", () => {
  const balancer = new SourceHash<TestBackend>();
  balancer.update(backendsUpTo(5));
  const answers = ["192.0.2.1", "192.0.2.2", "2001:db8::1", ""].map((source) =>
    balancer.pick({ source })?.key
  );
  // When these change, every client changes its backend with the update: say so in the changelog.
  assertEquals(answers, ["10.9.0.4:5432", "10.9.0.5:5432", "10.9.0.4:5432", "10.9.0.3:5432"]);
  assertEquals(balancer.pick()?.key, "10.9.0.3:5432");
});

Deno.test("source-hash does not care about the order of the set or which instance is asked", () => {
  const backends = backendsUpTo(17);
  const mapped = mapClients(backends);
  assertEquals(mapClients(backends.toReversed()), mapped);
  assertEquals(mapClients(backends.toSorted((a, b) => a.key < b.key ? -1 : 1)), mapped);
  assertEquals(mapClients(backendsUpTo(17)), mapped);
});

Deno.test("source-hash moves about 1/n of the clients to an n-th backend, and none elsewhere", () => {
  let before = mapClients(backendsUpTo(1));
  for (let n = 2; n <= 20; n++) {
    const after = mapClients(backendsUpTo(n));
    const moved = after.filter((key, i) => key !== before[i]);
    assert(moved.every((key) => key === `10.9.0.${n}:5432`), `${n}`);
    // Five standard deviations of a fair draw.
    const expected = CLIENTS.length / n;
    assertLess(Math.abs(moved.length - expected), 5 * Math.sqrt(expected), `${n}`);
    before = after;
  }
});

Deno.test("source-hash moves only the clients of a backend that leaves, and spreads them over the rest", () => {
  const backends = backendsUpTo(10);
  const before = mapClients(backends);
  for (const gone of backends) {
    const after = mapClients(backends.filter((backend) => backend !== gone));
    const moved = after.filter((key, i) => {
      if (before[i] !== gone.key) assertEquals(key, before[i]);
      return before[i] === gone.key;
    });
    for (const count of countBy(moved).values()) assertLess(Math.abs(count - moved.length / 9), 60);
    assertEquals(countBy(moved).size, 9);
  }
});

Deno.test("source-hash falls through to the same next best, whatever keeps the best away", () => {
  const backends = backendsUpTo(10);
  const balancer = new SourceHash<TestBackend>();
  balancer.update(backends);
  for (const source of CLIENTS.slice(0, 500)) {
    const best = balancer.pick({ source })!;
    const second = balancer.pick({ source, exclude: [best] })!;
    const third = balancer.pick({ source, exclude: [second, best] })!;
    assertEquals(new Set([best, second, third]).size, 3);
    best.up = false;
    assert(balancer.pick({ source }) === second);
    balancer.update(backends.filter((backend) => backend !== best));
    assert(balancer.pick({ source }) === second);
    balancer.update(backends);
    second.up = false;
    assert(balancer.pick({ source }) === third);
    best.up = second.up = true;
    assert(balancer.pick({ source }) === best);
  }
});

Deno.test("source-hash shares the clients out by weight", () => {
  for (const weights of [[1, 1, 1, 1], [1, 2, 3, 4], [100, 50, 50], [5, 1, 0], [65_535, 65_535, 1]]) {
    const backends = backendsOf(...weights);
    const counts = countBy(mapClients(backends));
    const total = weights.reduce((sum, weight) => sum + weight);
    for (const backend of backends) {
      const expected = CLIENTS.length * backend.weight / total;
      const difference = Math.abs((counts.get(backend.key) ?? 0) - expected);
      assert(difference <= 5 * Math.sqrt(expected), `${backend.key} of ${weights}: off by ${difference}`);
    }
  }
});

Deno.test("source-hash moves clients only towards a backend whose weight grows", () => {
  const backends = backendsUpTo(5);
  const before = mapClients(backends);
  backends[2]!.weight = 2;
  const after = mapClients(backends);
  const moved = after.filter((key, i) => key !== before[i]);
  assert(moved.every((key) => key === backends[2]!.key));
  // From one fifth to two sixths.
  assertLess(Math.abs(moved.length - CLIENTS.length * (2 / 6 - 1 / 5)), 200);
});

Deno.test("source-hash loads a thousand backends evenly", () => {
  const backends = Array.from(
    { length: 1_000 },
    (_, i) => new TestBackend(`10.1.${i >> 8}.${i & 255}:80`),
  );
  const counts = countBy(mapClients(backends));
  let chiSquare = 0;
  for (const backend of backends) chiSquare += ((counts.get(backend.key) ?? 0) - 10) ** 2 / 10;
  // 999 ± 45 by chance; five standard deviations.
  assertLess(Math.abs(chiSquare - 999), 225);
});

Deno.test("source-hash returns nothing when all are away, and throws on an empty set", () => {
  const balancer = new SourceHash<TestBackend>();
  assertThrows(() => balancer.pick({ source: "192.0.2.1" }), EmptySetError);
  const backends = backendsOf(1, 1, 0);
  balancer.update(backends);
  assertEquals(picks(balancer, 1, { source: "192.0.2.1", exclude: backends }), "-");
  for (const backend of backends) backend.up = false;
  assertEquals(picks(balancer, 1, { source: "192.0.2.1" }), "-");
});
