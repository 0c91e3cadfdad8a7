import { assert, assertEquals } from "@std/assert";
import { BufferPool } from "../../src/net/buffers.ts";
import { parseAddressSet } from "../../src/net/address_set.ts";
import { TcpService } from "../../src/tcp/service.ts";
import { spec, specs, UpstreamFixture } from "../upstream/upstream_fixture.ts";
import { memoryPair } from "../support/memory_connection.ts";
import { settle } from "../support/settle.ts";
import { type Caller, said, ServiceFixture } from "./service_fixture.ts";

/** Ends a connection from both sides, the client first. */
async function finish({ end, server, served }: Caller & { server: Caller["end"] }): Promise<void> {
  await end.closeWrite();
  await server.closeWrite();
  await served;
}

Deno.test("bytes are counted while a connection lives and after, once", async () => {
  const fixture = new ServiceFixture();
  const { bytesUp, bytesDown } = fixture.service.counters;
  assertEquals([bytesUp, bytesDown], [0, 0]);
  const connection = await fixture.connect();
  const counts = () => {
    const { durationSeconds: _, connectSeconds: __, ...counts } = fixture.service.counters;
    return counts;
  };
  const expected = {
    active: 1,
    handshakes: 0,
    total: 1,
    rejected: 0,
    acceptFailures: { reset: 0, descriptors: 0, other: 0 },
    ended: {},
    bytesUp: 8,
    bytesDown: 6,
  };
  await settle();
  assertEquals(counts(), expected);
  await finish(connection);
  assertEquals(counts(), { ...expected, active: 0, ended: { "client-closed": 1 } });
  await fixture.end();
});

Deno.test("how long a backend took is counted once it is there, and how long a connection lived at its end", async () => {
  const fixture = new ServiceFixture();
  const seen = () => {
    const { durationSeconds, connectSeconds } = fixture.service.counters;
    return [durationSeconds, connectSeconds].map(({ count, sum }) => [count, sum]);
  };
  const caller = fixture.call();
  await fixture.dialler.call(0);
  fixture.clock.advance(30);
  const server = await fixture.answer();
  await settle();
  fixture.clock.advance(4000);
  assertEquals(seen(), [[0, 0], [1, 0.03]]);
  await finish({ ...caller, server });
  assertEquals(seen(), [[1, 4.03], [1, 0.03]]);
  const { durationSeconds: { bounds, counts } } = fixture.service.counters;
  assertEquals(counts, bounds.map((bound) => bound < 4.03 ? 0 : 1));
  await fixture.end();
});

Deno.test("a connection that got no backend has lived, and has not connected", async () => {
  const fixture = new ServiceFixture({ backends: [] });
  await fixture.call().served;
  const { durationSeconds, connectSeconds, ended } = fixture.service.counters;
  assertEquals([durationSeconds.count, connectSeconds.count, ended], [1, 0, { "no-backend": 1 }]);
  await fixture.end();
});

Deno.test("each end is counted under its reason", async () => {
  const fixture = new ServiceFixture();
  for (let i = 0; i < 2; i++) await finish(await fixture.connect());
  const { end, served } = await fixture.connect();
  end.reset();
  await served;
  const { ended, total } = fixture.service.counters;
  assertEquals([ended, total], [{ "client-closed": 2, "client-reset": 1 }, 3]);
  await fixture.end();
});

Deno.test("the access line has client, backend, bytes, duration and reason", async () => {
  const fixture = new ServiceFixture();
  const { end, served } = fixture.call("2001:db8::7");
  (await fixture.dialler.call(0)).refuse();
  await fixture.clock.advanceAsync(150);
  const server = (await fixture.dialler.call(1)).accept();
  await end.send("question");
  await server.receive();
  await fixture.clock.advanceAsync(1000);
  await finish({ end, server, served });
  assertEquals(fixture.lines.map(({ level, message }) => [level, message]), [["info", "connection closed"]]);
  assertEquals(said(fixture.lines[0]!), {
    service: "postgres",
    listener: "127.0.0.1:5432",
    client: "[2001:db8::7]:4711",
    backend: "b:1",
    tries: 2,
    bytes_up: 8,
    bytes_down: 0,
    duration_ms: 1150,
    connect_ms: 150,
    reason: "client-closed",
  });
  await fixture.end();
});

Deno.test("a refused client is closed at once, counted by reason, and reaches no backend", async () => {
  const deny = parseAddressSet(["10.0.0.9"]);
  const allow = parseAddressSet(["10.0.0.0/8"]);
  const rate = { connections: 1, perMs: 1000, burst: 2 };
  const fixture = new ServiceFixture({ admission: { deny, allow, rate, maxConnections: 1 } });
  const live = await fixture.connect();
  const refused = [fixture.call("10.0.0.9"), fixture.call("192.0.2.1"), fixture.call("10.0.0.2")];
  for (const { served, end } of refused) {
    await served;
    assertEquals(await end.receive(), null);
  }
  await finish(live);
  await finish(await fixture.connect());
  await fixture.call("10.0.0.1").served;
  const reasons = ["refused-by-deny", "refused-by-allow", "refused-by-limit", "refused-by-rate"];
  const { ended, rejected, total } = fixture.service.counters;
  assertEquals(ended, { "client-closed": 2, ...Object.fromEntries(reasons.map((reason) => [reason, 1])) });
  assertEquals([rejected, total, fixture.asked], [4, 2, "a a"]);
  const lines = fixture.lines.filter(({ message }) => message === "connection refused");
  assertEquals(lines.map(({ fields }) => fields.reason), reasons);
  assertEquals(lines[0]!.fields, {
    service: "postgres",
    listener: "127.0.0.1:5432",
    client: "10.0.0.9:4711",
    reason: "refused-by-deny",
  });
  await fixture.end();
});

Deno.test("without an access log only refused connections are logged", async () => {
  const fixture = new ServiceFixture({ access: false, admission: { maxConnections: 1 } });
  const live = await fixture.connect();
  await fixture.call().served;
  await finish(live);
  assertEquals([fixture.log.messages, fixture.service.counters.rejected], [["connection refused"], 1]);
  await fixture.end();
});

Deno.test("without an access log handshakes that time out are logged", async () => {
  const fixture = new ServiceFixture({ access: false, names: { "a.example": "db" } });
  const { served } = fixture.call();
  await fixture.clock.advanceAsync(11_000);
  await served;
  assertEquals([fixture.log.messages, fixture.reasons], [["connection closed"], ["handshake"]]);
  await fixture.end();
});

Deno.test("a client that had gone before it was refused, or served, does no harm", async () => {
  for (const maxConnections of [1, 0]) {
    const fixture = new ServiceFixture({ admission: { maxConnections } });
    const live = await fixture.connect();
    const [, connection] = memoryPair();
    connection.close();
    const address = { ip: "10.0.0.1", port: 1 };
    const served = fixture.service.serve({ connection, address, listener: "" });
    await fixture.clock.advanceAsync(300); // It takes long to reach a backend: now the client is looked at.
    await served;
    assertEquals(fixture.reasons, [maxConnections === 1 ? "refused-by-limit" : "client-reset"]);
    await finish(live);
    await fixture.end();
  }
});

Deno.test("new options apply to later connections; open ones keep theirs", async () => {
  const fixture = new ServiceFixture({ timeouts: { idleMs: 5000 } });
  const other = new UpstreamFixture(specs("z"));
  const live = await fixture.connect();
  const options = fixture.serviceOptions({ timeouts: { idleMs: 2000 }, admission: { maxConnections: 2 } });
  fixture.service.update(options, { route: { upstream: other.upstream }, access: true });
  const caller = fixture.call();
  (await other.dialler.call(0)).accept();
  await fixture.call().served;
  assertEquals(fixture.reasons, ["refused-by-limit"]);
  await fixture.clock.advanceAsync(2500);
  await caller.served;
  assertEquals(fixture.reasons, ["refused-by-limit", "idle"]);
  await fixture.clock.advanceAsync(3000);
  await live.served;
  assertEquals(fixture.reasons, ["refused-by-limit", "idle", "idle"]);
  await other.upstream.close();
  await fixture.end();
});

Deno.test("a hundred connections at once, each ended in another way, leave nothing behind", async () => {
  const fixture = new ServiceFixture({ backends: [spec("a", { maxConnections: 60 }), spec("b")] });
  const callers = Array.from({ length: 100 }, () => fixture.call());
  await settle();
  assertEquals(fixture.counts, ["a 60 active 0 failed", "b 40 active 0 failed"]);
  const servers = fixture.dialler.calls.map((call) => call.accept());
  for (const [i, { end }] of callers.entries()) {
    if (i % 4 === 0) end.reset();
    else if (i % 4 === 1) servers[i]!.reset();
    else if (i % 4 === 2) void Promise.all([end.closeWrite(), servers[i]!.closeWrite()]);
  }
  await settle();
  fixture.clock.advance(91_000);
  await Promise.all(callers.map(({ served }) => served));
  const { ended, total } = fixture.service.counters;
  assertEquals([ended["client-reset"], ended["backend-reset"], ended.idle, total], [25, 25, 25, 100]);
  await fixture.end();
});

Deno.test("a service works with nothing but an upstream", async () => {
  const { upstream, dialler } = new UpstreamFixture(specs("a"));
  const options = new ServiceFixture().serviceOptions();
  const service = new TcpService(options, { route: { upstream } });
  const [end, connection] = memoryPair();
  const served = service.serve({ connection, address: { ip: "10.0.0.1", port: 1 }, listener: "" });
  const server = (await dialler.call(0)).accept();
  await end.send("question");
  assertEquals(await server.receive(), "question");
  await finish({ end, server, served });
  assert(new BufferPool().inUse.large === 0 && service.counters.active === 0);
  await upstream.close();
});
