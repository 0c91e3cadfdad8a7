import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { EmptySetError } from "../../../src/upstream/balance/balancer.ts";
import { SmoothWeightedRoundRobin } from "../../../src/upstream/balance/smooth_weighted_round_robin.ts";
import { seededRandom } from "../../core/seeded_random.ts";
import { backendsOf, picks, TestBackend } from "./fixtures.ts";

function balancerOf(backends: readonly TestBackend[]): SmoothWeightedRoundRobin<TestBackend> {
  const balancer = new SmoothWeightedRoundRobin<TestBackend>();
  balancer.update(backends);
  return balancer;
}

const SEQUENCES: readonly [weights: number[], sequence: string][] = [
  [[1], "a a a"],
  [[7], "a a a"],
  [[1, 1, 1], "a b c a b c"],
  [[5, 1, 1], "a a b a c a a a a b a c a a"],
  [[1, 2], "b a b b a b"],
  [[2, 1], "a b a a b a"],
  [[4, 2, 1], "a b a c a b a"],
  [[3, 3, 2], "a b c a b c a b"],
  [[0, 2, 1], "b c b b c b"],
];

for (const [weights, sequence] of SEQUENCES) {
  Deno.test(`round-robin with weights ${weights} picks ${sequence}`, () => {
    assertEquals(picks(balancerOf(backendsOf(...weights)), sequence.split(" ").length), sequence);
  });
}

Deno.test("round-robin gives each backend exactly its weight in every full round", () => {
  for (const weights of [[5, 1, 1], [1, 2, 3, 4], [10, 7, 3, 3, 1], [100, 1], [65_535, 1_000, 1], [13]]) {
    const backends = backendsOf(...weights);
    const balancer = balancerOf(backends);
    const round = weights.reduce((sum, weight) => sum + weight);
    for (let n = 0; n < 3; n++) {
      const counts = new Map(backends.map((backend) => [backend, 0]));
      for (let i = 0; i < round; i++) {
        const backend = balancer.pick()!;
        counts.set(backend, counts.get(backend)! + 1);
      }
      assertEquals([...counts.values()], weights);
    }
  }
});

Deno.test("round-robin never lets a backend fall a whole connection behind or ahead of its share", () => {
  const backends = backendsOf(8, 5, 2, 1, 1);
  const balancer = balancerOf(backends);
  const counts = new Map(backends.map((backend) => [backend, 0]));
  for (let n = 1; n <= 17; n++) {
    const picked = balancer.pick()!;
    counts.set(picked, counts.get(picked)! + 1);
    for (const [backend, count] of counts) assertLess(Math.abs(count - n * backend.weight / 17), 1);
  }
});

Deno.test("round-robin throws on an empty set, before and after it had a backend", () => {
  const balancer = new SmoothWeightedRoundRobin<TestBackend>();
  const error = assertThrows(() => balancer.pick(), EmptySetError);
  assertEquals(error.code, "empty_set");
  balancer.update(backendsOf(1));
  assertEquals(picks(balancer, 1), "a");
  balancer.update([]);
  assertThrows(() => balancer.pick(), EmptySetError);
});

Deno.test("round-robin returns nothing when every backend is unavailable, excluded or without weight", () => {
  const backends = backendsOf(1, 1, 0);
  const [a, b] = backends as [TestBackend, TestBackend];
  const balancer = balancerOf(backends);
  a.up = false;
  assertEquals(balancer.pick({ exclude: [b] }), undefined);
  b.up = false;
  assertEquals(balancer.pick(), undefined);
  a.up = true;
  assertEquals(picks(balancer, 2), "a a");
  assertEquals(balancer.pick({ exclude: [a] }), undefined);
});

Deno.test("round-robin continues without a burst for a backend that was unavailable", () => {
  const backends = backendsOf(1, 1, 1);
  const balancer = balancerOf(backends);
  assertEquals(picks(balancer, 1), "a");
  backends[1]!.up = false;
  assertEquals(picks(balancer, 5), "c c a c a");
  backends[1]!.up = true;
  assertEquals(picks(balancer, 6), "b c a b c a");
});

Deno.test("round-robin lets excluded backends gain, up to one round", () => {
  const backends = backendsOf(5, 1, 1);
  const balancer = balancerOf(backends);
  // a 5 b 1 c 1 > b -6; a 7 b -5 c 2 > c -5; a 7 b -4 c -4 > b -11; a 7 b -10 c -3 > c -10
  assertEquals(picks(balancer, 4, { exclude: [backends[0]!] }), "b c b c");
  // It has gained one round, not the twenty that its share of four picks would make.
  assertEquals(picks(balancer, 7), "a a a a a a a");
});

Deno.test("round-robin does not let those gather in its rotation that are tried in vain", () => {
  const random = seededRandom(3);
  const backends = Array.from({ length: 200 }, (_, i) => new TestBackend(`k${i}`, 1 + i % 4));
  const dead = new Set(backends.filter(() => random() < 0.2));
  const balancer = balancerOf(backends);
  for (let client = 0; client < 5000; client++) {
    const tried: TestBackend[] = [];
    do tried.push(balancer.pick({ exclude: tried })!); while (dead.has(tried.at(-1)!));
    assert(tried.length <= 4, `client ${client} has tried ${tried.length}`);
  }
});

Deno.test("round-robin keeps the turn of those that stay when the set changes", () => {
  const [a, b, c] = backendsOf(5, 1, 1) as [TestBackend, TestBackend, TestBackend];
  const balancer = balancerOf([a, b, c]);
  assertEquals(picks(balancer, 3), "a a b"); // a 1, b -4, c 3
  balancer.update([a, b, c]);
  assertEquals(picks(balancer, 4), "a c a a");

  assertEquals(picks(balancer, 3), "a a b"); // a 1, b -4, c 3 again
  const d = new TestBackend("d", 2);
  balancer.update([d, c, a]); // d 0, c 3, a 1
  // d 2 c 4 a 6 > a -2; d 4 c 5 a 3 > c -3; d 6 c -2 a 8 > a 0; d 8 c -1 a 5 > d 0
  assertEquals(picks(balancer, 4), "a c a d");
});

Deno.test("round-robin knows a backend by its key when another object stands for it", () => {
  const balancer = balancerOf(backendsOf(1, 1));
  assertEquals(picks(balancer, 1), "a");
  const again = backendsOf(1, 1);
  balancer.update(again);
  assert(balancer.pick() === again[1]);
});

Deno.test("round-robin honours a weight from the update on that brings it", () => {
  const backends = backendsOf(1, 1);
  const balancer = balancerOf(backends);
  assertEquals(picks(balancer, 2), "a b");
  backends[0]!.weight = 3;
  assertEquals(picks(balancer, 2), "a b");
  balancer.update(backends);
  assertEquals(picks(balancer, 8), "a a b a a a b a");
});

Deno.test("round-robin does not starve a backend whose weight has become much smaller", () => {
  const backends = backendsOf(60_000, 60_000, 1);
  const balancer = balancerOf(backends);
  picks(balancer, 1); // a is down to -60,001
  for (const backend of backends) backend.weight = 1;
  balancer.update(backends);
  // At most one round of arrears: within two rounds each has had its turn.
  for (const key of "abc") assert(picks(balancer, 6).includes(key), key);
});

Deno.test("round-robin equals the plain algorithm for random weights and unavailable backends", () => {
  const random = seededRandom(7);
  for (let run = 0; run < 50; run++) {
    const backends = Array.from(
      { length: 1 + Math.floor(random() * 8) },
      (_, i) => new TestBackend(`k${i}`, Math.floor(random() * 10)),
    );
    const balancer = balancerOf(backends);
    const currents = new Map(backends.map((backend) => [backend, 0]));
    for (let step = 0; step < 200; step++) {
      for (const backend of backends) if (random() < 0.1) backend.up = !backend.up;
      assert(balancer.pick() === plainPick(currents));
    }
  }
});

/** The algorithm as its author describes it, in as few words as possible. */
function plainPick(currents: Map<TestBackend, number>): TestBackend | undefined {
  const here = [...currents.keys()].filter((backend) => backend.available);
  for (const backend of here) currents.set(backend, currents.get(backend)! + backend.weight);
  const most = Math.max(...here.map((backend) => currents.get(backend)!));
  const best = here.find((backend) => currents.get(backend) === most);
  if (best !== undefined) currents.set(best, most - here.reduce((sum, backend) => sum + backend.weight, 0));
  return best;
}
