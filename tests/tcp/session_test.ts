import { assertEquals } from "@std/assert";
import { spec, specs } from "../upstream/upstream_fixture.ts";
import { settle } from "../support/settle.ts";
import { ServiceFixture } from "./service_fixture.ts";

Deno.test("the side that finishes first gives the reason", async () => {
  for (const first of ["client", "backend"] as const) {
    const fixture = new ServiceFixture();
    const { end, server, served } = await fixture.connect();
    const [one, other] = first === "client" ? [end, server] : [server, end];
    await one.closeWrite();
    assertEquals(await other.receive(), null);
    await other.closeWrite();
    await served;
    assertEquals(fixture.reasons, [`${first}-closed`]);
    await fixture.end();
  }
});

Deno.test("the side that breaks gives the reason, at the level of all others", async () => {
  for (const side of ["client", "backend"] as const) {
    const fixture = new ServiceFixture();
    const { end, server, served } = await fixture.connect();
    (side === "client" ? end : server).reset();
    await served;
    assertEquals([fixture.reasons, fixture.lines[0]!.level], [[`${side}-reset`], "info"]);
    await fixture.end();
  }
});

Deno.test("idle: without a byte for timeouts.idle", async () => {
  const fixture = new ServiceFixture({ timeouts: { idleMs: 5000 } });
  const { end, served } = await fixture.connect();
  await fixture.clock.advanceAsync(4900);
  assertEquals(fixture.reasons, []);
  await fixture.clock.advanceAsync(400);
  await served;
  assertEquals([fixture.reasons, await end.receive()], [["idle"], null]);
  await fixture.end();
});

Deno.test("half-close: the other side has not finished within timeouts.halfClose", async () => {
  const fixture = new ServiceFixture({ timeouts: { halfCloseMs: 5000 } });
  const { end, server, served } = await fixture.connect();
  await end.closeWrite();
  await fixture.clock.advanceAsync(4900);
  await server.send("still there");
  assertEquals([await end.receive(), fixture.reasons], ["still there", []]);
  await fixture.clock.advanceAsync(300);
  await served;
  assertEquals(fixture.reasons, ["half-close"]);
  await fixture.end();
});

Deno.test("lifetime: it has lived for timeouts.lifetime, however busy", async () => {
  const fixture = new ServiceFixture({ timeouts: { lifetimeMs: 5000 } });
  const { end, server, served } = await fixture.connect();
  for (let i = 0; i < 4; i++) {
    await fixture.clock.advanceAsync(1000);
    await end.send("more");
    await server.receive();
  }
  assertEquals(fixture.reasons, []);
  await fixture.clock.advanceAsync(1100);
  await served;
  assertEquals(fixture.reasons, ["lifetime"]);
  await fixture.end();
});

Deno.test("no-backend: none may take it, and the client is closed at once", async () => {
  const fixture = new ServiceFixture({ backends: [spec("a", { weight: 0 })] });
  const { end, served } = fixture.call();
  await served;
  assertEquals([fixture.reasons, await end.receive(), fixture.asked], [["no-backend"], null, ""]);
  assertEquals([fixture.lines[0]!.fields.tries, fixture.lines[0]!.fields.backend], [0, undefined]);
  await fixture.end();
});

Deno.test("connect-failed: all attempts failed, and the line has the last backend and error", async () => {
  const fixture = new ServiceFixture();
  const { end, served } = fixture.call();
  (await fixture.dialler.call(0)).refuse();
  (await fixture.dialler.call(1)).refuse();
  await served;
  assertEquals([fixture.reasons, await end.receive(), fixture.asked], [["connect-failed"], null, "a b"]);
  const { tries, backend, error, connect_ms } = fixture.lines[0]!.fields;
  assertEquals([tries, backend, connect_ms], [2, "b:1", undefined]);
  const said = 'Cannot connect to upstream "db": 2 attempts failed, the last with: refused by the test';
  assertEquals(error, said);
  await fixture.end();
});

Deno.test("connect: a backend that hangs is given up after timeouts.connect for the next one", async () => {
  const fixture = new ServiceFixture({ timeouts: { connectMs: 2000 } });
  const { end, served } = fixture.call();
  await end.send("early");
  await fixture.clock.advanceAsync(1900);
  assertEquals(fixture.asked, "a");
  await fixture.clock.advanceAsync(200);
  assertEquals(fixture.asked, "a b");
  const server = fixture.dialler.calls[1]!.accept();
  assertEquals(await server.receive(), "early");
  await end.closeWrite();
  assertEquals(await server.receive(), null);
  await server.closeWrite();
  await served;
  const { tries, backend, connect_ms } = fixture.lines[0]!.fields;
  assertEquals([fixture.reasons, tries, backend, connect_ms], [["client-closed"], 2, "b:1", 2100]);
  await fixture.end();
});

Deno.test("backend-removed: its backend has left the set, with onRemove: close", async () => {
  const fixture = new ServiceFixture();
  const { end, served } = await fixture.connect();
  const [a] = fixture.upstream.backends;
  fixture.upstream.updateBackends(specs("b"));
  await served;
  assertEquals([fixture.reasons, await end.receive()], [["backend-removed"], null]);
  assertEquals([a!.active, a!.live.size, fixture.clock.now()], [0, 0, 0]);
  await fixture.end();
});

Deno.test("onRemove: drain lets it finish within timeouts.drain, and cuts it then", async () => {
  for (const finishes of [true, false]) {
    const fixture = new ServiceFixture({ upstream: { onRemove: "drain" }, timeouts: { drainMs: 5000 } });
    const { end, server, served } = await fixture.connect();
    fixture.upstream.updateBackends(specs("b"));
    await fixture.clock.advanceAsync(4800);
    await end.send("more");
    assertEquals([await server.receive(), fixture.reasons], ["more", []]);
    if (finishes) {
      await end.closeWrite();
      await server.closeWrite();
    } else await fixture.clock.advanceAsync(300);
    await served;
    assertEquals(fixture.reasons, [finishes ? "drained" : "cut"]);
    await fixture.end();
  }
});

Deno.test("the greeting of a connection that was dialled ahead reaches the client without a dial", async () => {
  const pool = { maxIdle: 8, minIdle: 1, maxOpen: 0, idleTimeoutMs: 0 };
  const fixture = new ServiceFixture({ backends: specs("a"), upstream: { pool } });
  const server = await fixture.answer();
  await server.send("220 ready");
  await settle();
  const { end, served } = fixture.call();
  assertEquals(await end.receive(), "220 ready");
  await end.send("HELO");
  assertEquals(await server.receive(), "HELO");
  await end.closeWrite();
  await server.closeWrite();
  await served;
  assertEquals([fixture.lines[0]!.fields.connect_ms, fixture.dialler.dialled.length], [0, 1]);
  await fixture.end();
});

Deno.test("a connection that has carried a tunnel is never used again", async () => {
  const fixture = new ServiceFixture({ backends: specs("a") });
  for (let i = 0; i < 2; i++) {
    const { end, server, served } = await fixture.connect();
    await end.closeWrite();
    await server.closeWrite();
    await served;
  }
  assertEquals([fixture.asked, fixture.upstream.backends[0]!.pool.stats.idle], ["a a", 0]);
  await fixture.end();
});
