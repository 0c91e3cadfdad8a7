import { assertEquals, assertThrows } from "@std/assert";
import { EmptySetError } from "../../../src/upstream/balance/balancer.ts";
import { First } from "../../../src/upstream/balance/first.ts";
import { backendsOf, picks, type TestBackend } from "./fixtures.ts";

Deno.test("first fills each backend up before the next gets any", () => {
  const backends = backendsOf(1, 1, 1);
  backends[0]!.maxConnections = 2;
  backends[1]!.maxConnections = 1;
  const balancer = new First<TestBackend>();
  balancer.update(backends);
  const keep = () => {
    const backend = balancer.pick()!;
    backend.active++;
    return backend.key;
  };
  assertEquals([keep(), keep(), keep(), keep(), keep()], ["a", "a", "b", "c", "c"]);
  backends[0]!.active--;
  assertEquals([keep(), keep()], ["a", "c"]);
});

Deno.test("first goes by the order of the set, not by weights", () => {
  const [a, b, c] = backendsOf(1, 9, 0) as [TestBackend, TestBackend, TestBackend];
  const balancer = new First<TestBackend>();
  balancer.update([a, b, c]);
  assertEquals(picks(balancer, 2), "a a");
  assertEquals(picks(balancer, 2, { exclude: [a] }), "b b");
  balancer.update([c, b, a]);
  assertEquals(picks(balancer, 2), "b b");
  b.up = false;
  assertEquals(picks(balancer, 2), "a a");
  a.up = false;
  assertEquals(picks(balancer, 1), "-");
});

Deno.test("first throws on an empty set", () => {
  assertThrows(() => new First<TestBackend>().pick(), EmptySetError);
});
