import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { PoolBusyError, PoolClosedError } from "../../../src/upstream/pool/errors.ts";
import type { Lease } from "../../../src/upstream/pool/lease.ts";
import { ConnectionPool } from "../../../src/upstream/pool/pool.ts";
import { microtasks, settle } from "../../support/settle.ts";
import { PoolFixture } from "./pool_fixture.ts";

Deno.test("a connection that is released is used again, instead of another being dialled", async () => {
  const fixture = new PoolFixture();
  const { lease, far } = await fixture.open();
  assertEquals(fixture.counts, "0 1 0");
  lease.release();
  assertEquals(fixture.counts, "1 0 0");
  const again = await fixture.acquire();
  assertEquals(fixture.counts, "0 1 0");
  await again.connection.write(new TextEncoder().encode("question"));
  assertEquals(await far.receive(), "question");
  assertEquals(fixture.dialler.calls.length, 1);
  again.discard();
  await fixture.end();
});

Deno.test("a connection that is discarded is closed and never handed out again", async () => {
  const fixture = new PoolFixture();
  const { lease } = await fixture.open();
  lease.discard();
  assertEquals([fixture.counts, fixture.dialler.unclosed], ["0 0 0", 0]);
  const { lease: other } = await fixture.open();
  assertEquals(fixture.dialler.dialled.length, 2);
  other.discard();
  await fixture.end();
});

Deno.test("a lease ends once: what comes later changes nothing", async () => {
  const fixture = new PoolFixture();
  const { lease } = await fixture.open();
  lease.discard();
  lease.release();
  lease.discard();
  lease.closed();
  assertEquals(fixture.counts, "0 0 0");
  await fixture.end();
});

Deno.test("a connection that its holder has closed may be discarded, and makes room", async () => {
  const fixture = new PoolFixture({ maxOpen: 1 });
  const { lease } = await fixture.open();
  const waiting = fixture.acquire();
  lease.connection.close();
  lease.discard();
  (await fixture.nextDial()).accept();
  (await waiting).discard();
  assertEquals(fixture.counts, "0 0 0");
  await fixture.end();
});

Deno.test("maxOpen bounds idle ones and those in use together; the next one waits and is counted", async () => {
  const fixture = new PoolFixture({ maxOpen: 3, minIdle: 2 });
  for (let i = 0; i < 2; i++) (await fixture.nextDial()).accept();
  await settle();
  const leases = [await fixture.acquire(), await fixture.acquire()];
  (await fixture.nextDial()).accept();
  await settle();
  assertEquals([fixture.counts, fixture.dialler.calls.length], ["1 2 0", 3]);
  leases.push(await fixture.acquire());
  const fourth = fixture.acquire();
  await settle();
  assertEquals([fixture.counts, fixture.pool.stats.waits, fixture.dialler.calls.length], ["0 3 1", 1, 3]);
  leases[0]!.discard();
  (await fixture.nextDial()).accept();
  leases.push(await fourth);
  assertEquals([fixture.counts, fixture.pool.stats.waits], ["0 3 0", 1]);
  await fixture.pool.close();
  for (const lease of leases) lease.discard();
  await fixture.end();
});

Deno.test("waiting callers are served in order, by released and freed connections", async () => {
  const fixture = new PoolFixture({ maxOpen: 1 });
  const { lease } = await fixture.open();
  const order: number[] = [];
  const served: PromiseWithResolvers<Lease>[] = [];
  for (let i = 0; i < 4; i++) {
    served.push(Promise.withResolvers());
    void fixture.acquire().then((lease) => {
      order.push(i);
      served[i]!.resolve(lease);
    });
  }
  lease.release();
  (await served[0]!.promise).discard();
  (await fixture.nextDial()).accept();
  (await served[1]!.promise).release();
  (await served[2]!.promise).discard();
  (await fixture.nextDial()).accept();
  (await served[3]!.promise).discard();
  assertEquals([order, fixture.dialler.calls.length], [[0, 1, 2, 3], 3]);
  await fixture.end();
});

Deno.test("a new caller does not overtake waiting ones", async () => {
  const fixture = new PoolFixture({ maxOpen: 1 });
  const { lease } = await fixture.open();
  const first = fixture.acquire();
  lease.release();
  const second = fixture.acquire();
  assertEquals(fixture.counts, "0 1 1");
  (await first).release();
  (await second).discard();
  await fixture.end();
});

Deno.test("waiting ends with the signal and its reason, and the next in line keeps its turn", async () => {
  const fixture = new PoolFixture({ maxOpen: 1 });
  const { lease } = await fixture.open();
  const controller = new AbortController();
  const first = fixture.acquire(controller.signal);
  const second = fixture.acquire();
  const why = new Error("the client has left");
  controller.abort(why);
  const error = await assertRejects(() => first, PoolBusyError);
  assertStrictEquals(error.cause, why);
  assertEquals(fixture.counts, "0 1 1");
  lease.release();
  (await second).discard();
  await fixture.end();
});

Deno.test("nothing is lost when the signal fires in the very moment of being served", async () => {
  for (const way of ["release", "discard"] as const) {
    for (let gap = 0; gap < 12; gap++) {
      const fixture = new PoolFixture({ maxOpen: 1 });
      const { lease } = await fixture.open();
      const controller = new AbortController();
      const waiting = fixture.acquire(controller.signal).then((lease) => lease.discard(), () => {});
      lease[way]();
      await microtasks(gap);
      controller.abort(new Error("the client has left"));
      if (way === "discard" && fixture.dialler.open.length > 0) fixture.dialler.calls[1]!.accept();
      await waiting;
      assertEquals(fixture.pool.stats.active, 0, `${way}, ${gap} steps between`);
      await fixture.end();
      assertEquals(fixture.dialler.unclosed, 0);
    }
  }
});

Deno.test("a failed dial rejects with its error and frees its place for the next caller", async () => {
  const fixture = new PoolFixture({ maxOpen: 1 });
  const first = fixture.acquire();
  const second = fixture.acquire();
  (await fixture.nextDial()).refuse();
  await assertRejects(() => first, Deno.errors.ConnectionRefused);
  (await fixture.nextDial()).accept();
  (await second).discard();
  assertEquals(fixture.counts, "0 0 0");
  await fixture.end();
});

Deno.test("the signal gives up dialling, and one that has fired already begins nothing", async () => {
  const fixture = new PoolFixture();
  const controller = new AbortController();
  const dialling = fixture.acquire(controller.signal);
  await fixture.nextDial();
  const why = new Error("the client has left");
  controller.abort(why);
  assertStrictEquals(await dialling.catch((error) => error), why);
  assertStrictEquals(await fixture.acquire(controller.signal).catch((error) => error), why);
  assertEquals([fixture.counts, fixture.dialler.calls.length, fixture.dialler.open.length], ["0 0 0", 1, 0]);
  await fixture.end();
});

Deno.test("without a limit no caller waits; the default limit is 64", async () => {
  for (const [options, opened] of [[{ maxOpen: 0 }, 100], [{}, 64]] as const) {
    const fixture = new PoolFixture(options);
    const acquired = Array.from({ length: 100 }, () => fixture.acquire().catch(() => undefined));
    await settle();
    assertEquals([fixture.dialler.open.length, fixture.pool.stats.waiting], [opened, 100 - opened]);
    for (const call of fixture.dialler.calls) call.accept();
    await settle();
    await fixture.pool.close();
    for (const lease of await Promise.all(acquired)) lease?.discard();
    await fixture.end();
  }
});

Deno.test("close ends idle connections, rejects waiting callers, and closes returned connections", async () => {
  const fixture = new PoolFixture({ maxOpen: 2 });
  const { lease: used } = await fixture.open();
  const { lease: idle } = await fixture.open();
  idle.release();
  const dialling = fixture.acquire(); // In the place of the idle one, once that has ended.
  fixture.dialler.dialled[1]!.reset();
  const waiting = fixture.acquire();
  (await fixture.nextDial()).accept();
  const kept = await dialling;
  const closed = fixture.pool.close();
  const message = 'Cannot acquire a connection to "backend": the pool is closed';
  await assertRejects(() => waiting, PoolClosedError, message);
  await assertRejects(() => fixture.acquire(), PoolClosedError, message);
  await closed;
  assertEquals([fixture.counts, fixture.dialler.unclosed], ["0 2 0", 2]);
  used.release();
  kept.discard();
  await fixture.end();
});

Deno.test("close ends idle connections at once", async () => {
  const fixture = new PoolFixture();
  const { lease, far } = await fixture.open();
  lease.release();
  await fixture.end();
  assertEquals([await far.receive(), fixture.dialler.unclosed, fixture.wheel.size], [null, 0, 0]);
});

Deno.test("a pool works with nothing but a dialler", async () => {
  const backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const pool = new ConnectionPool({
    dial: (signal) => Deno.connect({ ...backend.addr, transport: "tcp", signal }),
  });
  const lease = await pool.acquire({ signal: new AbortController().signal });
  const accepted = await backend.accept();
  lease.release();
  assertEquals(pool.stats, { idle: 1, active: 0, waiting: 0, waits: 0 });
  await pool.close();
  assert(await accepted.read(new Uint8Array(1)) === null);
  accepted.close();
  backend.close();
});
