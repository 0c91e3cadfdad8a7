/** GetNextPeer, algorithms, bounds and counts of the table. */
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { CulvertError, HttpPool, type PoolBackend } from "../../../src/mod.ts";
import { A, B, C, picks } from "./pool_fixture.ts";

Deno.test("GetNextPeer, GetNextProxy: next counts nothing, lease does; never one that is down, full or drained", () => {
  const pool = new HttpPool({ maxConnections: 1 });
  pool.add(A);
  pool.add(B, { maxConnections: 2 });
  pool.add(C, { weight: 0 });
  assertEquals([pool.next()!.active, pool.next()!.active], [0, 0]);
  {
    using one = pool.lease();
    using two = pool.lease();
    using three = pool.lease();
    assertEquals([one, two, three].map((lease) => lease!.backend.url).sort(), [A, B, B]);
    assertEquals([pool.lease(), pool.next()], [undefined, undefined]);
  }
  assertEquals([pool.get(A)!.active, pool.get(B)!.active], [0, 0]);
  pool.mark(B, "down");
  assertEquals(picks(pool, 2), [A, A]);
  pool.mark(A, "down");
  assertEquals([pool.next(), pool.lease()], [undefined, undefined]);
  assertEquals(new HttpPool().next(), undefined);
});

Deno.test("GetNextPeer: a request is told its source and URL, and a Request is one", () => {
  const pool = new HttpPool({ balance: "source-hash" });
  for (const url of [A, B, C]) pool.add(url, { route: { path: url === C ? "/c" : "/" } });
  const bySource = Array.from({ length: 40 }, (_, i) => picks(pool, 2, { source: `10.1.0.${i}` }));
  assert(bySource.every(([one, two]) => one === two));
  assertEquals(new Set(bySource.flat()).size, 3);
  assertEquals(pool.next(new Request("http://app/c/x"))?.url, C);
  assert([A, B].includes(pool.next(new Request("http://app/cx"))!.url));
  pool.mark(C, "down");
  assertEquals(pool.lease(new Request("http://app/c")), undefined);
});

Deno.test("GetAlgorithm, SetAlgorithm; GetCurrentIndex, SetCurrentIndex: balance takes names and balancers; turn", () => {
  const pool = new HttpPool();
  for (const url of [A, B, C]) pool.add(url);
  assertEquals([pool.balance, pool.turn, ...picks(pool, 4), pool.turn], ["round-robin", 0, A, B, C, A, 1]);
  pool.turn = 2;
  assertEquals([pool.turn, ...picks(pool, 3)], [2, C, A, B]);
  for (const bad of [3, -1, 0.5]) assertThrows(() => pool.turn = bad, CulvertError, "turn");
  for (const name of ["least-connections", "random-two-choices", "source-hash", "first"] as const) {
    pool.balance = name;
    assertEquals(pool.balance, name);
    assert(pool.next() !== undefined);
  }
  let set: readonly PoolBackend[] = [];
  const last = {
    update: (backends: readonly PoolBackend[]) => void (set = backends),
    pick: () => set.at(-1),
  };
  pool.balance = last;
  assertStrictEquals(pool.balance, last);
  assertEquals(pool.next()!.url, C);
  pool.mark(C, "down");
  assertEquals(pool.next(), undefined, "what a balancer picks must be available, too");
  pool.replace([{ url: A, weight: 5 }, B, C]);
  pool.mark(C, "up");
  pool.balance = "round-robin";
  pool.turn = 0;
  assertEquals(picks(pool, 7), [A, A, B, A, C, A, A]);
});

Deno.test("GetMaxConnections, SetMaxConnections: the bound per backend; live requests over it stay", () => {
  const pool = new HttpPool({ maxConnections: 2 });
  const a = pool.add(A);
  const b = pool.add(B, { maxConnections: 1 });
  assertEquals([pool.maxConnections, a.maxConnections, b.maxConnections], [2, 2, 1]);
  assertEquals([a.tryAcquire(), a.tryAcquire(), a.tryAcquire()], [true, true, false]);
  pool.maxConnections = 1;
  assertEquals([a.active, a.available, a.maxConnections, b.maxConnections], [2, false, 1, 1]);
  a.release();
  assert(!a.available);
  a.release();
  assert(a.available);
  pool.maxConnections = 0;
  assert(a.tryAcquire() && a.tryAcquire());
  assertThrows(() => pool.maxConnections = -1, CulvertError);
  assertEquals(pool.maxConnections, 0);
});

Deno.test("Backend: GetURL, GetWeight, CurrentWeight, counts: never under 0, never over the bound", () => {
  const pool = new HttpPool();
  const backend = pool.add(A, { weight: 3, maxConnections: 2 });
  assertEquals([backend.url, backend.weight, backend.currentWeight, backend.active], [A, 3, 0, 0]);
  backend.release();
  assertEquals(backend.active, 0);
  assertEquals([backend.tryAcquire(), backend.tryAcquire(), backend.tryAcquire()], [true, true, false]);
  assertEquals(backend.active, 2);
  backend.release();
  backend.release();
  backend.release();
  assertEquals(backend.active, 0);
  backend.currentWeight = -3;
  pool.add(B);
  assertEquals(picks(pool, 1), [B]);
  assertEquals([backend.succeeded, backend.failed], [0, 0]);
});
