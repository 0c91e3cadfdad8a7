import { assertEquals, assertThrows } from "@std/assert";
import { EmptySetError } from "../../../src/upstream/balance/balancer.ts";
import { LeastConnections } from "../../../src/upstream/balance/least_connections.ts";
import { backendsOf, picks, TestBackend } from "./fixtures.ts";

function balancerOf(backends: readonly TestBackend[]): LeastConnections<TestBackend> {
  const balancer = new LeastConnections<TestBackend>();
  balancer.update(backends);
  return balancer;
}

/** Picks so often, and keeps each connection. */
function keep(balancer: LeastConnections<TestBackend>, count: number): string {
  return Array.from({ length: count }, () => {
    const backend = balancer.pick()!;
    backend.active++;
    return backend.key;
  }).join(" ");
}

Deno.test("least-connections picks the one with the fewest connections", () => {
  const backends = backendsOf(1, 1, 1);
  const balancer = balancerOf(backends);
  backends.forEach((backend, i) => backend.active = [3, 1, 2][i]!);
  assertEquals(picks(balancer, 2), "b b");
  // b alone; b and c tie at 2 and b has the first turn; c alone; at 3 all tie, and c is owed a turn; a and b.
  assertEquals(keep(balancer, 6), "b b c c a b");
});

Deno.test("least-connections counts connections for each unit of weight", () => {
  const backends = backendsOf(3, 1);
  const balancer = balancerOf(backends);
  backends[0]!.active = 5; // 5/3 is less than 2/1
  backends[1]!.active = 2;
  assertEquals(picks(balancer, 1), "a");
  backends[0]!.active = 7; // 7/3 is more
  assertEquals(picks(balancer, 1), "b");
});

Deno.test("least-connections fills an idle set in proportion to the weights", () => {
  const backends = backendsOf(5, 3, 2);
  keep(balancerOf(backends), 100);
  assertEquals(backends.map((backend) => backend.active), [50, 30, 20]);
});

Deno.test("least-connections lets those that tie take turns by weight", () => {
  assertEquals(picks(balancerOf(backendsOf(1, 1, 1)), 6), "a b c a b c");
  assertEquals(picks(balancerOf(backendsOf(5, 1, 1)), 7), "a a b a c a a");
  const backends = backendsOf(1, 1, 1);
  backends[1]!.active = 1; // out of the tie
  assertEquals(picks(balancerOf(backends), 4), "a c a c");
});

Deno.test("least-connections compares exactly where a division would round", () => {
  const backends = backendsOf(65_535, 65_534);
  backends[0]!.active = 65_535 * 3 + 1;
  backends[1]!.active = 65_534 * 3 + 1; // a little more for its weight
  assertEquals(picks(balancerOf(backends), 1), "a");
});

Deno.test("least-connections keeps the turns of those that stay when the set changes", () => {
  const [a, b, c] = backendsOf(1, 1, 1) as [TestBackend, TestBackend, TestBackend];
  const balancer = balancerOf([a, b, c]);
  assertEquals(picks(balancer, 2), "a b"); // a -1, b -1, c 2
  balancer.update([new TestBackend("d"), a, b, c]);
  assertEquals(picks(balancer, 4), "c d a b");
});

Deno.test("least-connections skips backends that are unavailable, excluded or without weight", () => {
  const backends = backendsOf(1, 1, 1, 0);
  const [a, b, c] = backends as [TestBackend, TestBackend, TestBackend];
  const balancer = balancerOf(backends);
  b.active = 4;
  c.active = 9;
  a.up = false;
  assertEquals(picks(balancer, 2), "b b");
  assertEquals(picks(balancer, 2, { exclude: [b] }), "c c");
  assertEquals(picks(balancer, 1, { exclude: [b, c] }), "-");
  b.up = c.up = false;
  assertEquals(picks(balancer, 1), "-");
});

Deno.test("least-connections throws on an empty set", () => {
  assertThrows(() => new LeastConnections<TestBackend>().pick(), EmptySetError);
});
