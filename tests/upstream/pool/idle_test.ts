import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Tunnel } from "../../../src/net/tunnel.ts";
import { PoolClosedError } from "../../../src/upstream/pool/errors.ts";
import type { Lease } from "../../../src/upstream/pool/lease.ts";
import { memoryPair } from "../../support/memory_connection.ts";
import { settle } from "../../support/settle.ts";
import { PoolFixture } from "./pool_fixture.ts";

/** Reads once, as text. */
async function receive({ connection }: Lease): Promise<string | null> {
  const buffer = new Uint8Array(1000);
  const count = await connection.read(buffer);
  return count === null ? null : new TextDecoder().decode(buffer.subarray(0, count));
}

/** A pool with so many idle connections, and their far ends. */
async function idlePool(count: number, options: ConstructorParameters<typeof PoolFixture>[0] = {}) {
  const fixture = new PoolFixture(options);
  const opened = [];
  for (let i = 0; i < count; i++) opened.push(await fixture.open());
  for (const { lease } of opened) lease.release();
  await settle();
  assertEquals(fixture.counts, `${count} 0 0`);
  return { fixture, fars: opened.map(({ far }) => far) };
}

Deno.test("a connection that has been idle for idleTimeout is closed", async () => {
  const { fixture, fars } = await idlePool(1, { idleTimeoutMs: 5000 });
  fixture.clock.advance(4900);
  assertEquals(fixture.counts, "1 0 0");
  fixture.clock.advance(200);
  assertEquals([fixture.counts, await fars[0]!.receive()], ["0 0 0", null]);
  await fixture.end();
  assertEquals(fixture.clock.pending, 0);
});

Deno.test("idleTimeout counts from the last use, and 0 switches it off", async () => {
  const { fixture, fars } = await idlePool(1, { idleTimeoutMs: 5000 });
  for (let i = 0; i < 5; i++) {
    fixture.clock.advance(4000);
    const lease = await fixture.acquire();
    await fars[0]!.send("answer");
    assertEquals(await receive(lease), "answer");
    fixture.clock.advance(20_000);
    lease.release();
  }
  assertEquals([fixture.counts, fixture.dialler.calls.length], ["1 0 0", 1]);
  await fixture.end();
  const { fixture: without } = await idlePool(1, { idleTimeoutMs: 0 });
  without.clock.advance(1e9);
  assertEquals(without.counts, "1 0 0");
  await without.end();
});

Deno.test("the one used last is used first, so that the others can grow old and go", async () => {
  const { fixture, fars } = await idlePool(3);
  const lease = await fixture.acquire();
  await lease.connection.write(new TextEncoder().encode("which?"));
  assertEquals(await fars[2]!.receive(), "which?");
  lease.discard();
  await fixture.end();
});

Deno.test("no more than maxIdle are kept", async () => {
  const fixture = new PoolFixture({ maxIdle: 2 });
  const opened = [await fixture.open(), await fixture.open(), await fixture.open()];
  for (const { lease } of opened) lease.release();
  assertEquals([fixture.counts, fixture.dialler.unclosed], ["2 0 0", 2]);
  await fixture.end();
});

Deno.test("a connection that its peer has ended or broken while idle leaves the pool", async () => {
  const { fixture, fars } = await idlePool(2);
  await fars[0]!.closeWrite();
  fars[1]!.reset();
  await settle();
  assertEquals([fixture.counts, fixture.dialler.unclosed], ["0 0 0", 0]);
  const { lease } = await fixture.open();
  lease.discard();
  await fixture.end();
});

Deno.test("one that ends in the very moment of being asked for is not handed out", async () => {
  for (const end of ["closeWrite", "close", "reset"] as const) {
    const { fixture, fars } = await idlePool(2);
    for (const far of fars) await far[end]();
    const acquired = fixture.acquire();
    const far = (await fixture.nextDial()).accept();
    await far.send("hello");
    const lease = await acquired;
    assertEquals([await receive(lease), fixture.counts], ["hello", "0 1 0"]);
    lease.discard();
    await fixture.end();
    assertEquals(fixture.dialler.unclosed, 0);
  }
});

Deno.test("a caller that gets a dead connection does not lose its turn", async () => {
  const { fixture, fars } = await idlePool(1, { maxOpen: 1 });
  fars[0]!.reset();
  const order: string[] = [];
  const first = fixture.acquire().then((lease) => (order.push("first"), lease.discard()));
  const second = fixture.acquire().then((lease) => (order.push("second"), lease.discard()));
  (await fixture.nextDial()).accept();
  (await fixture.nextDial()).accept();
  await Promise.all([first, second]);
  assertEquals(order, ["first", "second"]);
  await fixture.end();
});

Deno.test("places of dead connections go to waiting callers", async () => {
  const { fixture, fars } = await idlePool(2, { maxOpen: 2 });
  fars[1]!.reset();
  const first = fixture.acquire();
  const second = fixture.acquire();
  const third = fixture.acquire();
  fars[0]!.reset();
  for (let i = 0; i < 2; i++) (await fixture.nextDial()).accept();
  (await first).discard();
  (await fixture.nextDial()).accept();
  for (const lease of await Promise.all([second, third])) lease.discard();
  assertEquals(fixture.counts, "0 0 0");
  await fixture.end();
});

Deno.test("a greeting that was received while idle reaches the next user of the connection", async () => {
  const { fixture, fars } = await idlePool(1);
  await fars[0]!.send("220 ready\r\n");
  await settle();
  const lease = await fixture.acquire();
  assertEquals(await receive(lease), "220 ready\r\n");
  await fars[0]!.send("more");
  assertEquals(await receive(lease), "more");
  lease.release();
  assertEquals(fixture.counts, "1 0 0");
  await fixture.end();
});

Deno.test("a greeting that came while idle reaches the client through the tunnel", async () => {
  const { fixture, fars } = await idlePool(1);
  await fars[0]!.send("220 ready\r\n");
  await settle();
  const lease = await fixture.acquire();
  const [caller, client] = memoryPair();
  const { wheel, buffers } = fixture;
  const run = new Tunnel(client, lease.ahead!.connection, { wheel, buffers, backendAhead: lease.ahead })
    .run();
  assertEquals(await caller.receive(), "220 ready\r\n");
  await caller.send("HELO");
  assertEquals(await fars[0]!.receive(), "HELO");
  await caller.closeWrite();
  await fars[0]!.closeWrite();
  await run;
  lease.closed();
  await fixture.end();
  assertEquals([fixture.counts, fixture.dialler.unclosed], ["0 0 0", 0]);
});

Deno.test("a connection with unread bytes for its last user is not reused", async () => {
  const { fixture, fars } = await idlePool(1);
  await fars[0]!.send("for the first one");
  await settle();
  (await fixture.acquire()).release();
  assertEquals([fixture.counts, fixture.dialler.unclosed], ["0 0 0", 0]);
  await fixture.end();
});

Deno.test("a signal that fires while an idle one is looked at leaves nothing in use", async () => {
  const { fixture } = await idlePool(1);
  const controller = new AbortController();
  const acquired = fixture.acquire(controller.signal);
  const why = new Error("the client has left");
  controller.abort(why);
  assertStrictEquals(await acquired.catch((error) => error), why);
  assertEquals(fixture.pool.stats.active, 0);
  await fixture.end();
  assertEquals(fixture.dialler.unclosed, 0);
});

Deno.test("a pool that closes while an idle one is looked at hands out nothing", async () => {
  const { fixture } = await idlePool(2);
  const acquired = assertRejects(() => fixture.acquire(), PoolClosedError);
  await fixture.pool.close();
  await acquired;
  await fixture.end();
});
