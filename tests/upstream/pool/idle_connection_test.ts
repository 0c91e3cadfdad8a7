import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { TimerWheel } from "../../../src/core/timer_wheel.ts";
import { BufferPool } from "../../../src/net/buffers.ts";
import { IdleConnection } from "../../../src/upstream/pool/idle_connection.ts";
import { FakeClock } from "../../core/fake_clock.ts";
import { memoryPair } from "../../support/memory_connection.ts";
import { settle } from "../../support/settle.ts";

function setUp(idleTimeoutMs = 1000) {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock });
  const buffers = new BufferPool();
  const [far, connection] = memoryPair();
  let unusable = 0;
  const onUnusable = () => void unusable++;
  const idle = new IdleConnection(connection, { wheel, buffers, idleTimeoutMs, onUnusable });
  return { clock, wheel, buffers, far, connection, idle, unusable: () => unusable };
}

Deno.test("an end or break by the peer is reported once, whatever was received before", async () => {
  for (const end of ["closeWrite", "reset"] as const) {
    const { far, idle, unusable } = setUp();
    await far.send("bye");
    await settle();
    assertEquals(unusable(), 0);
    await far[end]();
    await settle();
    assertEquals([unusable(), idle.ahead.filled], [1, 3]);
    await idle.close();
  }
});

Deno.test("the idle timeout is reported, but not once the connection was taken", async () => {
  const { clock, idle, unusable } = setUp();
  clock.advance(1100);
  assertEquals(unusable(), 1);
  await idle.close();
  const taken = setUp();
  taken.idle.take();
  assertEquals(taken.wheel.size, 0);
  taken.clock.advance(10_000);
  assertEquals(taken.unusable(), 0);
  await taken.idle.close();
});

Deno.test("closing stops the timer, and gives the buffer back when nothing reads into it any more", async () => {
  const { wheel, buffers, connection, idle, unusable } = setUp();
  const closed = idle.close();
  assert(connection.closed);
  assertNotEquals(idle.ahead.pending, undefined);
  assertEquals(buffers.inUse.small, 1);
  await closed;
  assertEquals([buffers.inUse.small, wheel.size, unusable()], [0, 0, 0]);
});

Deno.test("a connection that is closed already can be closed", async () => {
  const { connection, idle } = setUp();
  connection.close();
  await idle.close();
  assertEquals(idle.ahead.pending, undefined);
});
