import { assert, assertEquals } from "@std/assert";
import { TimerWheel } from "../../../src/core/timer_wheel.ts";
import { BufferPool } from "../../../src/net/buffers.ts";
import { IdleConnections } from "../../../src/upstream/pool/idle_connections.ts";
import { type ConnectionPoolOptions, withPoolDefaults } from "../../../src/upstream/pool/options.ts";
import { FakeClock } from "../../core/fake_clock.ts";
import { memoryPair } from "../../support/memory_connection.ts";
import { ScriptedDialler } from "../../support/scripted_dialler.ts";
import { settle } from "../../support/settle.ts";

/** Idle connections in fake time, and in place of their pool one that never fills up again by itself. */
class Fixture {
  readonly clock = new FakeClock();
  readonly wheel = new TimerWheel({ clock: this.clock });
  readonly buffers = new BufferPool();
  readonly dialler = new ScriptedDialler();
  readonly idle: IdleConnections;
  /** What the pool has been told of. */
  readonly told: string[] = [];
  /** How many more the pool may have. */
  room: () => number = () => Infinity;

  constructor(options: Partial<ConnectionPoolOptions> = {}) {
    this.idle = new IdleConnections({
      ...withPoolDefaults({
        dial: (signal) => this.dialler.dial({ kind: "tcp", host: "backend", port: 1 }, signal),
        wheel: this.wheel,
        buffers: this.buffers,
        ...options,
      }),
      room: () => this.room(),
      reserve: () => this.room() > 0,
      onConnection: (connection) => {
        this.told.push("connection");
        this.idle.keep(connection);
      },
      onFreed: () => void this.told.push(`freed at ${this.idle.size}`),
    });
  }

  /** Hands in a connection; returns its two ends. */
  keep() {
    const [near, far] = memoryPair();
    assert(this.idle.keep(near));
    return { near, far };
  }

  /** Closes them, after which nothing of them must be left. */
  async end(): Promise<void> {
    await this.idle.close(new Error("over"));
    assertEquals([this.idle.size, this.idle.dialling, this.dialler.unclosed], [0, 0, 0]);
    assertEquals([this.wheel.size, this.buffers.inUse.small], [0, 0]);
  }
}

Deno.test("a connection that is one too many, or comes at rest, is left alone", async () => {
  const fixture = new Fixture({ maxIdle: 1 });
  const [, near] = memoryPair();
  fixture.keep();
  assertEquals([fixture.idle.keep(near), near.closed, fixture.idle.size], [false, false, 1]);
  fixture.idle.rest(true);
  assertEquals([fixture.idle.keep(near), near.closed, fixture.idle.size], [false, false, 0]);
  fixture.idle.rest(false);
  assertEquals([fixture.idle.keep(near), fixture.idle.size], [true, 1]);
  await fixture.end();
});

Deno.test("the youngest is taken first, and neither its age nor its end is of any concern here then", async () => {
  const fixture = new Fixture({ idleTimeoutMs: 5000 });
  const old = fixture.keep();
  const young = fixture.keep();
  const taken = fixture.idle.take()!;
  assertEquals([taken.connection === young.near, fixture.idle.size, fixture.wheel.size], [true, 1, 1]);
  young.far.close();
  await settle();
  assertEquals([taken.ahead.ended, young.near.closed, fixture.told], [true, false, []]);
  old.far.close();
  await settle();
  assertEquals([fixture.idle.take(), fixture.told], [undefined, ["freed at 0"]]);
  fixture.idle.lost(taken);
  assertEquals(young.near.closed, true);
  await fixture.end();
});

Deno.test("new bounds end the oldest, until no more are kept than allowed and nothing is too many", async () => {
  const fixture = new Fixture();
  const bounds = { maxIdle: 8, minIdle: 0, maxOpen: 0, idleTimeoutMs: 0 };
  const kept = Array.from({ length: 4 }, () => fixture.keep());
  const closed = () => kept.map(({ near }) => near.closed);
  fixture.idle.configure({ ...bounds, maxIdle: 3 });
  assertEquals([closed(), fixture.told], [[true, false, false, false], ["freed at 3"]]);
  fixture.room = () => 1 - fixture.idle.size;
  fixture.idle.configure(bounds);
  assertEquals([closed(), fixture.told.at(-1)], [[true, true, true, false], "freed at 1"]);
  await fixture.end();
});

Deno.test("no more is dialled ahead than is wanted, counting those that are idle, and than there is room for", async () => {
  const fixture = new Fixture({ minIdle: 3 });
  fixture.keep();
  assertEquals(fixture.idle.dialling, 0);
  fixture.room = () => 1 - fixture.idle.dialling;
  fixture.idle.fill();
  assertEquals(fixture.idle.dialling, 1);
  fixture.room = () => Infinity;
  fixture.idle.fill();
  assertEquals(fixture.idle.dialling, 2);
  for (const call of fixture.dialler.open) call.accept();
  await settle();
  fixture.idle.fill();
  assertEquals([fixture.idle.size, fixture.idle.dialling], [3, 0]);
  assertEquals(fixture.told, ["connection", "connection"]);
  await fixture.end();
});

Deno.test("one that ends within a second is a failure: nothing is dialled for a while; a later end is none", async () => {
  for (const [ageMs, dialling] of [[900, 0], [1100, 1]] as const) {
    for (const taken of [false, true]) {
      const fixture = new Fixture({ minIdle: 1 });
      const { far } = fixture.keep();
      await fixture.clock.advanceAsync(ageMs);
      const idle = taken ? fixture.idle.take() : undefined;
      far.close();
      await settle();
      if (idle !== undefined) fixture.idle.lost(idle);
      fixture.idle.fill();
      assertEquals([fixture.idle.size, fixture.idle.dialling], [0, dialling], `${ageMs} ms, taken: ${taken}`);
      await fixture.clock.advanceAsync(300);
      assertEquals(fixture.idle.dialling, 1);
      await fixture.end();
    }
  }
});

Deno.test("one that is too old within a second is no failure", async () => {
  const fixture = new Fixture({ minIdle: 1, idleTimeoutMs: 500 });
  const { near } = fixture.keep();
  await fixture.clock.advanceAsync(600);
  assertEquals([near.closed, fixture.told], [true, ["freed at 0"]]);
  fixture.idle.fill();
  assertEquals(fixture.idle.dialling, 1);
  await fixture.end();
});

Deno.test("after one has been of use, the next failure is the first one again", async () => {
  const fixture = new Fixture({ minIdle: 1 });
  fixture.idle.fill();
  for (let failures = 0; failures < 6; failures++) {
    (await fixture.dialler.call(failures)).refuse();
    await fixture.clock.advanceAsync(10_100);
  }
  (await fixture.dialler.call(6)).accept();
  await settle();
  const idle = fixture.idle.take()!;
  fixture.idle.succeeded();
  fixture.idle.fill();
  (await fixture.dialler.call(7)).refuse();
  await fixture.clock.advanceAsync(300);
  assertEquals(fixture.idle.dialling, 1);
  fixture.idle.lost(idle);
  await fixture.end();
});

Deno.test("those that are dropped, or made in an old way, end at once, and the pool may fill their places", async () => {
  for (const end of ["drop", "renew"] as const) {
    const fixture = new Fixture();
    const kept = [fixture.keep(), fixture.keep()];
    fixture.idle[end]();
    assertEquals([kept.map(({ near }) => near.closed), fixture.told], [[true, true], ["freed at 0"]], end);
    await fixture.end();
  }
});

Deno.test("a buffer is given back once nothing is read into it, and closing waits for that", async () => {
  const fixture = new Fixture();
  const { near } = fixture.keep();
  const { ahead } = fixture.idle.take()!;
  ahead.detach();
  fixture.idle.recycle(ahead);
  await settle();
  assertEquals(fixture.buffers.inUse.small, 1);
  let over = false;
  const closed = fixture.idle.close(new Error("over")).then(() => over = true);
  await settle();
  assertEquals(over, false);
  near.close();
  await closed;
  assertEquals(fixture.buffers.inUse.small, 0);
});
