import { assert, assertEquals } from "@std/assert";
import { microtasks, settle } from "../../support/settle.ts";
import { PoolFixture } from "./pool_fixture.ts";

/** Answers every dial in this way for `ms` of fake time; returns how many there were. */
async function dialsWithin(
  fixture: PoolFixture,
  ms: number,
  answer: "refuse" | "end at once",
): Promise<number> {
  const before = fixture.dialler.calls.length;
  for (let passed = 0; passed < ms; passed += 100) {
    fixture.clock.advance(100);
    await microtasks(20);
    for (const call of fixture.dialler.open) {
      if (answer === "refuse") call.refuse();
      else call.accept().close();
    }
    await microtasks(20);
  }
  return fixture.dialler.calls.length - before;
}

Deno.test("minIdle connections are dialled ahead, and a new client waits for no dial", async () => {
  const fixture = new PoolFixture({ minIdle: 2 });
  (await fixture.nextDial()).accept();
  (await fixture.nextDial()).accept();
  await settle();
  assertEquals(fixture.counts, "2 0 0");
  const lease = await fixture.acquire();
  await settle();
  assertEquals([fixture.counts, fixture.dialler.open.length], ["1 1 0", 1]);
  lease.discard();
  await fixture.end();
  assertEquals([fixture.dialler.unclosed, fixture.dialler.open.length, fixture.wheel.size], [0, 0, 0]);
});

Deno.test("an idle one that has ended or grown too old is replaced", async () => {
  const fixture = new PoolFixture({ minIdle: 1, idleTimeoutMs: 5000 });
  const far = (await fixture.nextDial()).accept();
  await fixture.clock.advanceAsync(2000);
  far.close();
  await settle();
  (await fixture.nextDial()).accept();
  await settle();
  assertEquals(fixture.counts, "1 0 0");
  await fixture.clock.advanceAsync(5200);
  (await fixture.nextDial()).accept();
  await settle();
  assertEquals([fixture.counts, fixture.dialler.unclosed], ["1 0 0", 1]);
  await fixture.end();
});

Deno.test("after a failure it is tried again, later each time, and logged at debug", async () => {
  const fixture = new PoolFixture({ minIdle: 1 });
  const counts = [];
  for (let i = 0; i < 6; i++) counts.push(await dialsWithin(fixture, 10_000, "refuse"));
  assert(counts[0]! >= 5 && counts[0]! <= 9, `${counts} dials in each ten seconds`);
  assert(counts.slice(1).every((count) => count >= 1 && count <= 3), `${counts} dials in each ten seconds`);
  const [line] = fixture.log.lines;
  assertEquals([line!.level, line!.message, line!.fields.backend], ["debug", "cannot dial ahead", "backend"]);
  await fixture.end();
  assertEquals(fixture.clock.pending, 0);
});

Deno.test("many that fail together are one failure: the next try comes as soon as after one", async () => {
  const fixture = new PoolFixture({ minIdle: 8 });
  assertEquals(await dialsWithin(fixture, 400, "refuse"), 8); // Besides the eight at the start.
  await fixture.end();
});

Deno.test("a backend that takes connections and ends them at once is not dialled on and on", async () => {
  const fixture = new PoolFixture({ minIdle: 2 });
  for (let i = 0; i < 2; i++) (await fixture.nextDial()).accept().close();
  const dials = await dialsWithin(fixture, 60_000, "end at once");
  assert(dials >= 8 && dials <= 50, `${dials} dials in a minute`);
  await fixture.end();
  assertEquals(fixture.dialler.unclosed, 0);
});

Deno.test("after a connection has been of use, the next failure is the first one again", async () => {
  const fixture = new PoolFixture({ minIdle: 1 });
  await dialsWithin(fixture, 60_000, "refuse");
  const before = fixture.dialler.calls.length;
  while (fixture.dialler.calls.length === before) await fixture.clock.advanceAsync(1000);
  const far = fixture.dialler.calls[before]!.accept();
  await fixture.clock.advanceAsync(2000);
  far.close();
  await settle();
  assertEquals(fixture.dialler.open.length, 1);
  assertEquals(await dialsWithin(fixture, 500, "refuse"), 1);
  await fixture.end();
});

Deno.test("after an idle one has been handed out, too", async () => {
  const fixture = new PoolFixture({ minIdle: 1 });
  await dialsWithin(fixture, 60_000, "refuse");
  const before = fixture.dialler.calls.length;
  while (fixture.dialler.calls.length === before) await fixture.clock.advanceAsync(1000);
  fixture.dialler.calls[before]!.accept();
  await settle();
  const lease = await fixture.acquire();
  await settle();
  assertEquals(fixture.dialler.open.length, 1); // In its place.
  assertEquals(await dialsWithin(fixture, 500, "refuse"), 1);
  lease.discard();
  await fixture.end();
});

Deno.test("a dial ahead that hangs is given up after connectMs and tried again", async () => {
  const fixture = new PoolFixture({ minIdle: 1, connectMs: 3000 });
  const first = await fixture.nextDial();
  await fixture.clock.advanceAsync(2900);
  assertEquals(first.signal.aborted, false);
  await fixture.clock.advanceAsync(200);
  assertEquals(first.signal.aborted, true);
  await fixture.clock.advanceAsync(400);
  assertEquals([fixture.dialler.calls.length, fixture.dialler.open.length], [2, 1]);
  const error = fixture.log.lines[0]!.fields.error;
  assertEquals(error, 'Cannot dial "backend": timed out after 3000ms');
  await fixture.end();
});

Deno.test("a dialler that throws at once has failed like any other", async () => {
  let dials = 0;
  const dial = () => {
    dials++;
    throw new Deno.errors.NotCapable("not allowed");
  };
  const fixture = new PoolFixture({ minIdle: 1, maxOpen: 1, dial });
  await fixture.clock.advanceAsync(1000);
  assert(dials >= 2 && dials <= 4, `${dials} dials`);
  await fixture.acquire().catch(() => {});
  assertEquals(fixture.counts, "0 0 0");
  await fixture.end();
});

Deno.test("no more is dialled ahead than maxOpen and maxIdle allow", async () => {
  for (const bounds of [{ maxOpen: 2 }, { maxIdle: 2 }, { maxIdle: 0 }]) {
    const fixture = new PoolFixture({ minIdle: 5, ...bounds });
    for (let i = 0; i < 10; i++) {
      for (const call of fixture.dialler.open) call.accept();
      await settle();
    }
    const most = bounds.maxIdle === 0 ? 0 : 2;
    assertEquals([fixture.dialler.calls.length, fixture.pool.stats.idle], [most, most]);
    await fixture.end();
  }
});

Deno.test("a caller at the limit gets a connection that was dialled ahead, or its place if that fails", async () => {
  for (const outcome of ["accept", "refuse"] as const) {
    const fixture = new PoolFixture({ minIdle: 1, maxOpen: 1 });
    const waiting = fixture.acquire();
    assertEquals(fixture.counts, "0 0 1");
    (await fixture.nextDial())[outcome]();
    if (outcome === "refuse") (await fixture.nextDial()).accept();
    (await waiting).discard();
    assertEquals(fixture.pool.stats.active, 0);
    await fixture.end();
  }
});

Deno.test("new bounds hold from now on", async () => {
  const fixture = new PoolFixture({ maxOpen: 1 });
  const bounds = { maxIdle: 8, minIdle: 0, maxOpen: 1, idleTimeoutMs: 0 };
  const { lease: first } = await fixture.open();
  const acquired = [fixture.acquire(), fixture.acquire()];
  fixture.pool.configure({ ...bounds, maxOpen: 3 });
  for (let i = 0; i < 2; i++) (await fixture.nextDial()).accept();
  const [second, third] = await Promise.all(acquired);
  fixture.pool.configure({ ...bounds, maxOpen: 1 });
  first.release();
  second!.release();
  assertEquals([fixture.counts, fixture.dialler.unclosed], ["0 1 0", 1]);
  third!.release();
  assertEquals([fixture.counts, fixture.dialler.unclosed], ["1 0 0", 1]);
  fixture.pool.configure({ ...bounds, minIdle: 2, maxOpen: 2 });
  (await fixture.nextDial()).accept();
  await settle();
  assertEquals(fixture.counts, "2 0 0");
  fixture.pool.configure({ ...bounds, maxOpen: 1 });
  assertEquals(fixture.pool.stats.idle, 1);
  fixture.pool.configure({ ...bounds, maxIdle: 0 });
  assertEquals(fixture.pool.stats.idle, 0);
  await fixture.end();
  assertEquals(fixture.dialler.unclosed, 0);
});

Deno.test("while resting nothing is kept or dialled ahead, but acquire works", async () => {
  const fixture = new PoolFixture({ minIdle: 2, resting: true });
  await settle();
  assertEquals(fixture.dialler.calls.length, 0);
  const { lease } = await fixture.open();
  lease.release();
  assertEquals([fixture.counts, fixture.dialler.unclosed], ["0 0 0", 0]);
  fixture.pool.rest(false);
  for (let i = 0; i < 2; i++) (await fixture.nextDial()).accept();
  await settle();
  assertEquals(fixture.counts, "2 0 0");
  fixture.pool.rest(true);
  await settle();
  assertEquals([fixture.counts, fixture.dialler.unclosed, fixture.dialler.open.length], ["0 0 0", 0, 0]);
  await fixture.end();
});
