import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { EmptySetError } from "../../../src/upstream/balance/balancer.ts";
import { RandomTwoChoices } from "../../../src/upstream/balance/random_two_choices.ts";
import { seededRandom } from "../../core/seeded_random.ts";
import { backendsOf, picks, TestBackend } from "./fixtures.ts";

/** A balancer whose random numbers are these, and which fails when they have run out. */
function scripted(backends: readonly TestBackend[], numbers: number[]): RandomTwoChoices<TestBackend> {
  const balancer = new RandomTwoChoices<TestBackend>({
    random() {
      const number = numbers.shift();
      assert(number !== undefined, "no further random number was expected");
      return number;
    },
  });
  balancer.update(backends);
  return balancer;
}

Deno.test("random-two-choices picks the less loaded of the two it draws, the first when they are level", () => {
  const backends = backendsOf(1, 1, 1, 1);
  const [a, b, c, d] = backends as [TestBackend, TestBackend, TestBackend, TestBackend];
  [a.active, b.active, c.active, d.active] = [0, 5, 3, 3];
  // The second number draws among the three that the first has left.
  const draws: [first: number, second: number, picked: string][] = [
    [0.25, 0.34, "c"], // b, then c
    [0.25, 0.0, "a"], // b, then a
    [0.0, 0.99, "a"], // a, then d
    [0.5, 0.99, "c"], // c, then d
    [0.99, 0.67, "d"], // d, then c
    [0.99, 0.34, "d"], // d, then b
  ];
  const balancer = scripted(backends, draws.flatMap(([first, second]) => [first, second]));
  for (const [, , picked] of draws) assertEquals(balancer.pick()?.key, picked);
});

Deno.test("random-two-choices never draws the same backend twice", () => {
  const backends = backendsOf(1, 1);
  const [a, b] = backends as [TestBackend, TestBackend];
  b.active = 1;
  for (const first of [0, 0.49, 0.5, 0.99]) {
    for (const second of [0, 0.5, 0.999]) assert(scripted(backends, [first, second]).pick() === a);
  }
});

Deno.test("random-two-choices weighs loads", () => {
  const backends = backendsOf(3, 1);
  const [a, b] = backends as [TestBackend, TestBackend];
  [a.active, b.active] = [5, 2];
  assertEquals(picks(scripted(backends, [0, 0]), 1), "a");
  a.active = 7;
  assertEquals(picks(scripted(backends, [0, 0]), 1), "b");
});

Deno.test("random-two-choices draws among the available backends if one of the two is not available", () => {
  const backends = backendsOf(1, 1, 1, 1);
  const [a, b, , d] = backends as [TestBackend, TestBackend, TestBackend, TestBackend];
  a.up = false;
  // a and b, and then b (the first of b, c, d) and d (the last of c, d)
  assertEquals(picks(scripted(backends, [0, 0, 0, 0.99]), 1), "b");
  b.active = 1;
  assertEquals(picks(scripted(backends, [0, 0, 0, 0.99]), 1), "d");
  assertEquals(picks(scripted(backends, [0, 0, 0, 0.99]), 1, { exclude: [d] }), "c");
});

Deno.test("random-two-choices finds the only one that is left among many", () => {
  const backends = Array.from({ length: 1_000 }, (_, i) => new TestBackend(`k${i}`));
  for (const backend of backends) backend.up = false;
  const balancer = new RandomTwoChoices<TestBackend>({ random: seededRandom(1) });
  balancer.update(backends);
  assertEquals(balancer.pick(), undefined);
  backends[617]!.up = true;
  for (let i = 0; i < 100; i++) assertEquals(balancer.pick()?.key, "k617");
  assertEquals(balancer.pick({ exclude: [backends[617]!] }), undefined);
});

Deno.test("random-two-choices draws in proportion to the weights without load", () => {
  const weights = [1, 2, 3, 4];
  const balancer = new RandomTwoChoices<TestBackend>({ random: seededRandom(2) });
  const backends = backendsOf(...weights);
  balancer.update(backends);
  const counts = new Map(backends.map((backend) => [backend, 0]));
  for (let i = 0; i < 100_000; i++) {
    const backend = balancer.pick()!;
    counts.set(backend, counts.get(backend)! + 1);
  }
  // Level, so the first drawn wins, and that one is drawn by weight alone.
  for (const backend of backends) {
    assertLess(Math.abs(counts.get(backend)! - 10_000 * backend.weight), 500, backend.key);
  }
});

Deno.test("random-two-choices keeps loads far closer together than one choice would", () => {
  const backends = Array.from({ length: 100 }, (_, i) => new TestBackend(`k${i}`));
  const balancer = new RandomTwoChoices<TestBackend>({ random: seededRandom(3) });
  balancer.update(backends);
  for (let i = 0; i < 10_000; i++) balancer.pick()!.active++;
  const loads = backends.map((backend) => backend.active);
  // One choice would spread by about 100 ± 30.
  assertLess(Math.max(...loads), 105);
  assertLess(95, Math.min(...loads) + 3);
});

Deno.test("random-two-choices throws on an empty set and takes a new set at once", () => {
  const balancer = new RandomTwoChoices<TestBackend>();
  assertThrows(() => balancer.pick(), EmptySetError);
  balancer.update(backendsOf(1));
  assertEquals(picks(balancer, 2), "a a");
  balancer.update([new TestBackend("z")]);
  assertEquals(picks(balancer, 2), "z z");
  balancer.update(backendsOf(0, 0));
  assertEquals(picks(balancer, 1), "-");
});
