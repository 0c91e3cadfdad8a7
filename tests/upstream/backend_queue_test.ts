import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  BackendsDownError,
  NoBackendError,
  QueueFullError,
  QueueTimeoutError,
} from "../../src/upstream/errors.ts";
import { settle } from "../support/settle.ts";
import { spec, UpstreamFixture } from "./upstream_fixture.ts";

const WITHIN = { connectMs: 10_000 };
const ONE = [spec("a", { maxConnections: 1 })];
const QUEUE = { max: 2, timeoutMs: 3000 };

/** An upstream with one backend for one connection, which is in use, and room for two that wait. */
async function full() {
  const fixture = new UpstreamFixture(ONE, { queue: QUEUE });
  let dialled = 0;
  const find = () => fixture.upstream.search(WITHIN).run();
  const accept = async () => (await fixture.dialler.call(dialled++)).accept();
  const first = find();
  await accept();
  const found = await first;
  const end = async () => {
    await fixture.upstream.close();
    assertEquals([fixture.wheel.size, fixture.clock.pending, fixture.upstream.queue.waiting], [0, 0, 0]);
  };
  return { fixture, find, accept, found, end };
}

Deno.test("connections wait for a full backend, first come, first served, and one too many is refused", async () => {
  const { fixture, find, accept, found, end } = await full();
  const order: string[] = [];
  const [second, third] = ["second", "third"].map(async (name) => {
    const got = await find();
    order.push(name);
    return got;
  });
  await settle();
  assertEquals(fixture.upstream.queue, { waiting: 2, queued: 2, full: 0, timedOut: 0 });
  const error = await assertRejects(find, QueueFullError);
  assertEquals(
    error.message,
    'Cannot connect to upstream "db": every backend is full, and 2 connections are waiting',
  );

  found.discard();
  assertEquals(fixture.upstream.backends[0]!.active, 1); // The place is the second one's already.
  const late = find(); // Does not overtake the one that waits.
  await accept();
  (await second)!.discard();
  await accept();
  (await third)!.discard();
  await accept();
  (await late).discard();
  assertEquals(order, ["second", "third"]);
  assertEquals(fixture.upstream.queue, { waiting: 0, queued: 3, full: 1, timedOut: 0 });
  await end();
});

Deno.test("a connection waits for queue.timeout at the most", async () => {
  const { fixture, find, found, end } = await full();
  const failed = assertRejects(find, QueueTimeoutError, "none became free in 3000ms");
  await fixture.clock.advanceAsync(3200);
  await failed;
  assertEquals(fixture.upstream.queue, { waiting: 0, queued: 1, full: 0, timedOut: 1 });
  found.discard();
  await end();
});

Deno.test("one that leaves is removed, and takes no place", async () => {
  const { fixture, find, accept, found, end } = await full();
  const leaving = fixture.upstream.search(WITHIN);
  let slow = false;
  leaving.observer = { onSlowSearch: () => slow = true };
  const left = assertRejects(() => leaving.run(), Error, "gone");
  const next = find();
  await settle();
  assert(slow, "its client is looked at");
  leaving.abort(new Error("gone"));
  await left;
  assertEquals(fixture.upstream.queue.waiting, 1);
  found.discard();
  await accept();
  (await next).discard();
  await end();
});

Deno.test("one that leaves in the moment in which it gets a place gives it back", async () => {
  const { fixture, found, end } = await full();
  const leaving = fixture.upstream.search(WITHIN);
  const left = assertRejects(() => leaving.run(), Error, "gone");
  await settle();
  found.discard();
  leaving.abort(new Error("gone"));
  await left;
  assertEquals(fixture.upstream.backends[0]!.active, 0);
  await end();
});

Deno.test("a new backend, or a larger bound, serves those that wait", async () => {
  const { fixture, find, accept, found, end } = await full();
  const waiting = [find(), find()];
  await settle();
  fixture.upstream.updateBackends([...ONE, spec("b", { maxConnections: 1 })]);
  await accept();
  assertEquals((await waiting[0]!).backend.key, "b:1");
  fixture.upstream.updateBackends([spec("a", { maxConnections: 2 }), spec("b", { maxConnections: 1 })]);
  await accept();
  assertEquals((await waiting[1]!).backend.key, "a:1");
  for (const one of [found, await waiting[0]!, await waiting[1]!]) one.discard();
  await end();
});

Deno.test("waiting connections are rejected when no backend can become available", async () => {
  for (
    const [change, error] of [
      [(upstream: UpstreamFixture["upstream"]) => upstream.updateBackends([]), NoBackendError],
      [(upstream: UpstreamFixture["upstream"]) => upstream.backends[0]!.disabled = true, NoBackendError],
      [(upstream: UpstreamFixture["upstream"]) => upstream.backends[0]!.ejected = true, BackendsDownError],
    ] as const
  ) {
    const { fixture, find, found, end } = await full();
    const failed = assertRejects(find, error);
    await settle();
    change(fixture.upstream);
    await failed;
    found.discard();
    await end();
  }
});

Deno.test("without a queue a full backend refuses, once what has ended already is known", async () => {
  const fixture = new UpstreamFixture(ONE);
  const first = fixture.upstream.search(WITHIN).run();
  (await fixture.dialler.call(0)).accept();
  const found = await first;
  await assertRejects(() => fixture.upstream.search(WITHIN).run(), NoBackendError);
  const late = fixture.upstream.search(WITHIN).run();
  setTimeout(() => found.discard(), 1); // As by news that the event loop has yet to fetch.
  (await fixture.dialler.call(1)).accept();
  (await late).discard();
  await fixture.upstream.close();
});
