import { assert, assertEquals } from "@std/assert";
import { TimerWheel } from "../../src/core/timer_wheel.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import type { Connection } from "../../src/net/connection.ts";
import { ReadAhead } from "../../src/net/read_ahead.ts";
import { connectionFromStreams } from "../../src/net/stream_connection.ts";
import { Tunnel, type TunnelOptions } from "../../src/net/tunnel.ts";
import { FakeClock } from "../core/fake_clock.ts";
import { hashAll, readText, seededBytes, sha256, writeAll } from "../support/bytes.ts";
import { type MemoryConnection, memoryPair } from "../support/memory_connection.ts";
import { within } from "../support/wait.ts";

function setUp(
  options: Partial<TunnelOptions> & { capacity?: number } = {},
  over: (backend: MemoryConnection) => Connection = (backend) => backend,
) {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock });
  const buffers = new BufferPool();
  const pair = options.capacity === undefined ? {} : { capacity: options.capacity };
  const [caller, client] = memoryPair(pair);
  const [server, backend] = memoryPair(pair);
  const tunnel = new Tunnel<"cut">(client, over(backend), { wheel, buffers, ...options });
  const run = tunnel.run();
  return { clock, wheel, buffers, caller, client, server, backend, tunnel, run };
}

/** Lets everything that is ready happen. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("bytes go both ways, and each side's end ends the other side's reading only", async () => {
  const { caller, server, run, tunnel, client, backend, clock } = setUp({ idleMs: 1000, halfCloseMs: 1000 });
  await caller.send("question");
  assertEquals(await server.receive(), "question");
  await caller.closeWrite();
  assertEquals(await server.receive(), null);
  await server.send("a late answer");
  assertEquals(await caller.receive(), "a late answer");
  await server.closeWrite();
  assertEquals(await caller.receive(), null);
  assertEquals(await run, "client-closed");
  assertEquals([tunnel.bytesUp, tunnel.bytesDown], [8, 13]);
  assert(client.closed && backend.closed);
  assertEquals(clock.pending, 0);
});

Deno.test("the backend may finish first, and the client go on", async () => {
  const { caller, server, run } = setUp();
  await server.send("greeting");
  await server.closeWrite();
  assertEquals(await readText(caller), "greeting");
  await caller.send("late");
  assertEquals(await server.receive(), "late");
  await caller.closeWrite();
  assertEquals(await run, "backend-closed");
});

Deno.test("a reset of either side ends the other at once, with a reason of its own", async () => {
  for (const side of ["client", "backend"] as const) {
    const { caller, server, client, backend, run } = setUp({ idleMs: 1000 });
    (side === "client" ? caller : server).reset();
    assertEquals(await run, `${side}-reset`);
    assert(client.closed && backend.closed);
  }
});

Deno.test("what a backend sent before it broke the connection still reaches the client", async () => {
  const { caller, server, run } = setUp({ halfCloseMs: 1000 });
  await server.send("413 too large");
  server.reset();
  await caller.send("a body that is not read");
  assertEquals(await caller.receive(), "413 too large");
  assertEquals(await run, "backend-reset");
});

Deno.test("sizes from one byte to many buffers arrive unchanged, both ways at once", async () => {
  const { caller, server, run } = setUp({ capacity: 300_000 });
  const sizes = [1, 4095, 4096, 4097, 8192, 262_143, 262_144, 262_145, 1_000_003];
  const up = seededBytes(sizes.reduce((sum, size) => sum + size), 1);
  const down = seededBytes(2_500_000, 2);
  const send = async () => {
    let at = 0;
    for (const size of sizes) {
      await writeAll(caller, up.subarray(at, at += size));
      await settle();
    }
    await caller.closeWrite();
  };
  const answer = writeAll(server, down).then(() => server.closeWrite());
  const [, , gotUp, gotDown] = await Promise.all([send(), answer, hashAll(server), hashAll(caller)]);
  assertEquals(gotUp, { length: up.length, sha256: sha256(up) });
  assertEquals(gotDown, { length: down.length, sha256: sha256(down) });
  await run;
});

Deno.test("a peer that does not read stops the sender: no more than the pipes and one buffer are taken", async () => {
  const { caller, tunnel, run } = setUp({ capacity: 10_000 });
  const flood = writeAll(caller, new Uint8Array(5_000_000)).catch(() => "stopped");
  await settle();
  await settle();
  assert(caller.accepted < 10_000 + 10_000 + 262_144, `took ${caller.accepted}`);
  tunnel.destroy("cut");
  assertEquals(await run, "cut");
  assertEquals(await flood, "stopped");
});

Deno.test("large buffers are used while data flows and given back when the flow ebbs", async () => {
  const { caller, server, buffers, run } = setUp({ capacity: 1_000_000 });
  let most = 0;
  const write = server.write.bind(server);
  server.write = write;
  for (let round = 0; round < 5; round++) {
    await caller.send(new Uint8Array(900_000));
    const buffer = new Uint8Array(100_000);
    for (let left = 900_000; left > 0;) {
      left -= (await server.read(buffer))!;
      most = Math.max(most, buffers.inUse.large);
    }
    await settle();
    assertEquals(buffers.inUse.large, 0);
  }
  assert(most > 0, "no large buffer was ever used");
  await caller.closeWrite();
  await server.closeWrite();
  await run;
});

Deno.test("idle: a connection without a byte ends after idleMs, one with traffic does not", async () => {
  const { caller, server, clock, run } = setUp({ idleMs: 1000 });
  for (let i = 0; i < 5; i++) {
    clock.advance(900);
    await caller.send("x");
    assertEquals(await server.receive(), "x");
    clock.advance(100); // the tick that dates the byte
  }
  clock.advance(800);
  await settle();
  let ended = false;
  run.then(() => ended = true);
  await settle();
  assertEquals(ended, false);
  clock.advance(400);
  assertEquals(await run, "idle");
  assertEquals(clock.pending, 0);
});

Deno.test("idle: bytes in one direction keep the whole connection", async () => {
  const { server, caller, clock, run } = setUp({ idleMs: 1000 });
  for (let i = 0; i < 20; i++) {
    clock.advance(500);
    await server.send("x");
    assertEquals(await caller.receive(), "x");
  }
  await caller.closeWrite();
  await server.closeWrite();
  assertEquals(await run, "client-closed");
});

Deno.test("halfClose: the side that goes on after the other has finished is bounded", async () => {
  const { caller, server, clock, run } = setUp({ halfCloseMs: 2000, idleMs: 60_000 });
  await caller.closeWrite();
  assertEquals(await server.receive(), null);
  for (let i = 0; i < 3; i++) {
    clock.advance(600);
    await server.send("still talking");
    await caller.receive();
  }
  clock.advance(300);
  assertEquals(await run, "half-close");
});

Deno.test("halfClose counts from the first end, however long the connection was at rest before", async () => {
  const { caller, server, clock, run } = setUp({ halfCloseMs: 2000 });
  clock.advance(1_000_000);
  await caller.closeWrite();
  assertEquals(await server.receive(), null);
  clock.advance(1900);
  await server.send("in time");
  assertEquals(await caller.receive(), "in time");
  clock.advance(200);
  assertEquals(await run, "half-close");
});

Deno.test("lifetime: a busy connection ends too", async () => {
  const { caller, server, clock, run } = setUp({ lifetimeMs: 5000, idleMs: 1000 });
  for (let i = 0; i < 9; i++) {
    clock.advance(500);
    await caller.send("x");
    await server.receive();
  }
  clock.advance(500);
  assertEquals(await run, "lifetime");
});

Deno.test("timers that are switched off never end anything and leave no timer behind", async () => {
  const { caller, server, clock, run } = setUp({ idleMs: 0, halfCloseMs: 0, lifetimeMs: 0 });
  clock.advance(10_000_000);
  assertEquals(clock.pending, 0);
  await caller.send("x");
  assertEquals(await server.receive(), "x");
  await caller.closeWrite();
  clock.advance(10_000_000);
  await server.send("y");
  assertEquals(await caller.receive(), "y");
  await server.closeWrite();
  await run;
});

Deno.test("destroy ends everything with the reason given, and only the first one counts", async () => {
  const { tunnel, run, client, backend } = setUp({ idleMs: 1000 });
  tunnel.destroy("cut");
  tunnel.destroy("idle");
  assertEquals(await run, "cut");
  assert(client.closed && backend.closed);
});

/** The sides that a tunnel has closed without an end of stream. */
function watchAborts(ends: Pick<ReturnType<typeof setUp>, "client" | "backend">): string[] {
  const aborted: string[] = [];
  for (const name of ["client", "backend"] as const) {
    const connection: Connection = ends[name];
    connection.abort = () => {
      aborted.push(name);
      connection.close();
    };
  }
  return aborted;
}

Deno.test("both sides are told an end when both directions have come to theirs", async () => {
  const ends = setUp();
  const aborted = watchAborts(ends);
  await ends.caller.closeWrite();
  await ends.server.closeWrite();
  assertEquals([await ends.run, aborted], ["client-closed", []]);
  assert(ends.client.closed && ends.backend.closed);
});

Deno.test("no side gets an end of stream that was not sent", async () => {
  for (const side of ["client", "backend"] as const) {
    const ends = setUp();
    const aborted = watchAborts(ends);
    (side === "client" ? ends.caller : ends.server).reset();
    assertEquals([await ends.run, aborted], [`${side}-reset`, ["client", "backend"]]);
  }
  const { tunnel, run, ...ends } = setUp();
  const aborted = watchAborts(ends);
  tunnel.destroy("cut");
  assertEquals([await run, aborted], ["cut", ["client", "backend"]]);
});

Deno.test("timers leave without a goodbye, unless that side was told the other's end before", async () => {
  for (const reason of ["idle", "lifetime"] as const) {
    const ends = setUp({ [`${reason}Ms`]: 1000 });
    const aborted = watchAborts(ends);
    ends.clock.advance(1300);
    assertEquals([await ends.run, aborted], [reason, ["client", "backend"]]);
  }
  const ends = setUp({ halfCloseMs: 1000 });
  const aborted = watchAborts(ends);
  await ends.caller.closeWrite();
  assertEquals(await ends.server.receive(), null);
  ends.clock.advance(1300);
  assertEquals([await ends.run, aborted], ["half-close", ["client"]]);
});

Deno.test("a client is told the end of an answer whose backend takes nothing more", async () => {
  const ends = setUp();
  const aborted = watchAborts(ends);
  ends.backend.write = () => Promise.reject(new Deno.errors.BrokenPipe("by the test"));
  await ends.caller.send("a body that is not read");
  await ends.server.send("413 too large");
  await ends.server.closeWrite();
  assertEquals(await readText(ends.caller), "413 too large");
  assertEquals([await ends.run, aborted], ["backend-reset", ["backend"]]);
});

Deno.test("a tunnel over web streams ends when its time is up, though a sink never finishes closing", async () => {
  const { clock, run, caller } = setUp({ halfCloseMs: 1000 }, (backend) => {
    const readable = new ReadableStream<Uint8Array>({ cancel: () => backend.close() });
    const writable = new WritableStream<Uint8Array>({ close: () => new Promise(() => {}) });
    return connectionFromStreams({ readable, writable });
  });
  await caller.closeWrite();
  await settle();
  clock.advance(1300);
  assertEquals(await within(run, { what: "the tunnel to end" }), "half-close");
});

Deno.test("what was taken of a piece counts, though the rest of it fails", async () => {
  const { caller, server, backend, tunnel, run } = setUp();
  const write = backend.write.bind(backend);
  backend.write = (bytes) => {
    backend.write = () => Promise.reject(new Deno.errors.ConnectionReset("by the test"));
    return write(bytes.subarray(0, 4));
  };
  await caller.send("question");
  assertEquals(await server.receive(), "ques");
  await server.closeWrite();
  assertEquals([await run, tunnel.bytesUp], ["backend-reset", 4]);
});

Deno.test("what was read before there was a tunnel goes first, in order", async () => {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock });
  const buffers = new BufferPool();
  const [caller, client] = memoryPair();
  const [server, backend] = memoryPair();
  const clientAhead = new ReadAhead(client, { buffer: buffers.take(), onChange() {} });
  const backendAhead = new ReadAhead(backend, { buffer: buffers.take(), onChange() {} });
  await caller.send("first ");
  await server.send("greeting");
  await settle();
  const run = new Tunnel(client, backend, { wheel, buffers, clientAhead, backendAhead }).run();
  assertEquals(await server.receive(), "first ");
  assertEquals(await caller.receive(), "greeting");
  await caller.send("second");
  assertEquals(await server.receive(), "second");
  await server.send("more");
  assertEquals(await caller.receive(), "more");
  await caller.closeWrite();
  await server.closeWrite();
  assertEquals(await run, "client-closed");
});

Deno.test("an end that came before there was a tunnel is passed on like any other", async () => {
  const wheel = new TimerWheel({ clock: new FakeClock() });
  const buffers = new BufferPool();
  const [caller, client] = memoryPair();
  const [server, backend] = memoryPair();
  const clientAhead = new ReadAhead(client, { buffer: buffers.take(), onChange() {} });
  await caller.send("all that I have to say");
  await caller.closeWrite();
  await settle();
  const run = new Tunnel(client, backend, { wheel, buffers, clientAhead }).run();
  assertEquals(await readText(server), "all that I have to say");
  await server.send("answer");
  await server.closeWrite();
  assertEquals(await readText(caller), "answer");
  assertEquals(await run, "client-closed");
});

Deno.test("a pair of web streams is a connection like any other", async () => {
  const wheel = new TimerWheel({ clock: new FakeClock() });
  const toTunnel = new TransformStream<Uint8Array, Uint8Array>();
  const fromTunnel = new TransformStream<Uint8Array, Uint8Array>();
  const client = connectionFromStreams({ readable: toTunnel.readable, writable: fromTunnel.writable });
  const caller = connectionFromStreams({ readable: fromTunnel.readable, writable: toTunnel.writable });
  const [server, backend] = memoryPair();
  const run = new Tunnel(client, backend, { wheel, buffers: new BufferPool() }).run();
  const data = seededBytes(1_000_000, 3);
  const sent = writeAll(caller, data).then(() => caller.closeWrite());
  const echo = (async () => {
    const buffer = new Uint8Array(10_000);
    for (let n = await server.read(buffer); n !== null; n = await server.read(buffer)) {
      await writeAll(server, buffer.subarray(0, n));
    }
    await server.closeWrite();
  })();
  assertEquals(await hashAll(caller), { length: data.length, sha256: sha256(data) });
  await Promise.all([sent, echo]);
  assertEquals(await run, "client-closed");
});
