import { assert, assertEquals, assertNotEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { BufferPool } from "../../src/net/buffers.ts";
import type { Connection } from "../../src/net/connection.ts";
import { dial } from "../../src/net/dial.ts";
import { readProxyHeader } from "../../src/net/proxy_protocol/read.ts";
import { TcpProxy } from "../../src/tcp/proxy.ts";
import { acceptTls } from "../../src/tls/accept.ts";
import { TlsHandshakeError } from "../../src/tls/session/handshake_errors.ts";
import type { TlsSession } from "../../src/tls/session/handshake.ts";
import { tlsConnector, type TlsDialOptions } from "../../src/tls/dial.ts";
import { ConnectFailedError } from "../../src/upstream/errors.ts";
import { ConnectTimeoutError } from "../../src/upstream/pool/errors.ts";
import type { UpstreamOptions } from "../../src/upstream/options.ts";
import { type MemoryConnection, memoryPair } from "../support/memory_connection.ts";
import { microtasks, settle } from "../support/settle.ts";
import { until } from "../support/wait.ts";
import { greetAndEcho, makePki, pki, readPiece, serverContext } from "../tls/tls_fixture.ts";
import { spec, specs } from "../upstream/upstream_fixture.ts";
import { type Caller, ServiceFixture, type ServiceFixtureOptions } from "./service_fixture.ts";

const NEVER = new AbortController().signal;
const ENDPOINTS = {
  source: { ip: "10.0.0.1", port: 4711 },
  destination: { ip: "127.0.0.1", port: 5432 },
};
const CLIENT_HELLO = [22, 3, 1];

/** TLS as an upstream speaks it with the server of this CA's. */
async function connector(fixture: ServiceFixture, options: Partial<TlsDialOptions> = {}) {
  const { ca, client } = await pki();
  const own = { ca: ca.certPem, cert: client.chainPem, key: client.keyPem, serverName: "server.test" };
  return tlsConnector({ ...own, dial: fixture.dial, buffers: fixture.buffers, ...options });
}

/** A service that tells its backends of its clients, in this way, before it speaks TLS with them. */
async function telling(
  proxyProtocol: UpstreamOptions["proxyProtocol"],
  { upstream = {}, ...options }: ServiceFixtureOptions = {},
): Promise<ServiceFixture> {
  const { pool, ...rest } = upstream;
  const fixture = new ServiceFixture({ ...options, upstream: { ...rest, proxyProtocol } });
  const connectTls = await connector(fixture);
  const now = fixture.upstream.options;
  fixture.upstream.update(pool ? { ...now, pool } : now, { dial: fixture.dial, connectTls });
  return fixture;
}

/** What a backend hears: the header, the first bytes after that, and, once TLS is spoken, clear text. */
async function hear(server: MemoryConnection) {
  const { header, rest } = await readProxyHeader(server);
  const ahead = rest.length > 0 ? rest.slice() : await piece(server);
  const [context, buffers] = [serverContext(await pki()), new BufferPool()];
  const session = await acceptTls(server, { context, buffers, signal: NEVER, ahead });
  return { header, first: [...ahead.subarray(0, 3)], session };
}

async function piece(connection: Connection): Promise<Uint8Array> {
  const buffer = new Uint8Array(65_536);
  return buffer.subarray(0, await connection.read(buffer) ?? 0);
}

/** Ends a connection from both sides, the client first. */
async function finish({ end, served }: Caller, { connection }: TlsSession): Promise<void> {
  await end.closeWrite();
  assertEquals(await readPiece(connection), null);
  await connection.closeWrite();
  await served;
  connection.close();
  await settle();
}

for (const version of ["v1", "v2"] as const) {
  Deno.test(`${version}: the header comes first and in the clear, then a ClientHello`, async () => {
    const fixture = await telling(version);
    const ids: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      const caller = fixture.call();
      await caller.end.send("question");
      const { header, first, session } = await hear(await fixture.answer());
      const { uniqueId, ...tlvs } = header.tlvs;
      assertEquals([header.endpoints, first, tlvs], [ENDPOINTS, CLIENT_HELLO, {}]);
      assertEquals(session.peer!.chain.length > 0, true); // Our certificate was shown.
      assertEquals(await readPiece(session.connection), "question");
      await session.connection.write(new TextEncoder().encode("answer"));
      assertEquals(await caller.end.receive(), "answer");
      await finish(caller, session);
      const { unique_id, bytes_up, bytes_down, tries } = fixture.lines[i]!.fields;
      assertEquals([bytes_up, bytes_down, tries], [8, 6, 1]);
      assertEquals(unique_id, uniqueId && new TextDecoder().decode(uniqueId));
      ids.push(unique_id);
    }
    if (version === "v2") assertNotEquals(ids[0], ids[1]);
    else assertEquals(ids, [undefined, undefined]);
    await fixture.end();
  });
}

Deno.test("a backend that breaks at the header, or is not trusted, has failed, and the next one gets the same header", async () => {
  const fixture = await telling("v2", { backends: specs("a b c") });
  const other = serverContext(await makePki());
  const caller = fixture.call();
  (await fixture.dialler.call(0)).accept().reset();
  const second = (await fixture.dialler.call(1)).accept();
  const told = await readProxyHeader(second);
  const ahead = told.rest.length > 0 ? told.rest.slice() : undefined;
  await assertRejects(() =>
    acceptTls(second, { context: other, buffers: new BufferPool(), signal: NEVER, ahead })
  );
  const { header, session } = await hear((await fixture.dialler.call(2)).accept());
  assertEquals([header.endpoints, header.tlvs], [ENDPOINTS, told.header.tlvs]);
  await finish(caller, session);
  const { tries, backend } = fixture.lines[0]!.fields;
  assertEquals([tries, backend], [3, "c:1"]);
  const { backends } = fixture.upstream;
  assertEquals(fixture.counts, ["a 0 active 1 failed", "b 0 active 1 failed", "c 0 active 0 failed"]);
  assert(backends[0]!.lastFailure!.includes("reset by the test"), backends[0]!.lastFailure);
  assert(backends[1]!.lastFailure!.includes("issuer"), backends[1]!.lastFailure);
  await fixture.end();
});

Deno.test("header and handshake have timeouts.connect together, whatever the backend waits with", async () => {
  const fixture = await telling("v2", { backends: specs("a b"), timeouts: { connectMs: 3000 } });
  const run = fixture.upstream.search({ connectMs: 3000, client: ENDPOINTS }).run();
  const failed = assertRejects(() => run, ConnectFailedError);
  stuck(fixture, 0);
  await fixture.clock.advanceAsync(3200);
  assertEquals(fixture.upstream.backends[0]!.lastFailure, new ConnectTimeoutError("a:1", 3000).message);
  const mute = fixture.dialler.calls[1]!.accept();
  await readProxyHeader(mute);
  await fixture.clock.advanceAsync(3200);
  const { cause } = await failed;
  assert(cause instanceof TlsHandshakeError);
  assertEquals(cause.reason, "timeout");
  await settle();
  await fixture.end();
});

Deno.test("an abort while the header is being written gives up at once", async () => {
  const fixture = await telling("v2");
  const search = fixture.upstream.search({ connectMs: 10_000, client: ENDPOINTS });
  const run = search.run();
  const far = stuck(fixture, 0);
  assertEquals((await far.receive())!.length, 10);
  const left = new Error("the client has left");
  search.abort(left);
  assertStrictEquals(await run.catch((error) => error), left);
  assertEquals(fixture.counts[0], "a 0 active 0 failed");
  await fixture.end();
});

Deno.test("an abort at any moment leaves nothing behind, also of a connection dialled ahead", async () => {
  for (const minIdle of [0, 1]) {
    for (let gap = 0; gap < 24; gap++) {
      const fixture = await telling("v1", { backends: specs("a"), upstream: { pool: pool(minIdle) } });
      const server = minIdle > 0 ? (await fixture.dialler.call(0)).accept() : undefined;
      if (minIdle > 0) await settle();
      const search = fixture.upstream.search({ connectMs: 10_000, client: ENDPOINTS });
      const run = search.run().then((found) => found.discard(), () => {});
      const heard = hear(server ?? (await fixture.dialler.call(0)).accept()).catch(() => undefined);
      if (gap < 12) await microtasks(gap);
      else for (let i = 12; i < gap; i++) await settle();
      search.abort(new Error("the client has left"));
      await run;
      (await heard)?.session.connection.close();
      await settle();
      assertEquals(fixture.counts[0], "a 0 active 0 failed", `after ${gap} steps`);
      await fixture.end();
    }
  }
});

Deno.test("a connection dialled ahead waits in plain, for the header of its client and for TLS", async () => {
  const fixture = await telling("v2", { backends: [spec("a")], upstream: { pool: pool(1) } });
  const ahead = (await fixture.dialler.call(0)).accept();
  await settle();
  assertEquals(fixture.upstream.backends[0]!.pool.stats.idle, 1);
  const caller = fixture.call();
  const { header, first, session } = await hear(ahead);
  assertEquals([header.endpoints, first], [ENDPOINTS, CLIENT_HELLO]);
  await session.connection.write(new TextEncoder().encode("welcome"));
  assertEquals(await caller.end.receive(), "welcome");
  await caller.end.send("question");
  assertEquals(await readPiece(session.connection), "question");
  await finish(caller, session);
  await fixture.end();
});

Deno.test("plaintext before TLS breaks the handshake, and is not delivered", async () => {
  const fixture = await telling("v2", { backends: [spec("a")], upstream: { pool: pool(1), retries: 0 } });
  const ahead = (await fixture.dialler.call(0)).accept();
  await ahead.send("220 in the clear\r\n");
  await settle();
  const caller = fixture.call();
  assertEquals(await caller.end.receive(), null);
  await caller.served;
  assertEquals(fixture.reasons, ["connect-failed"]);
  await settle();
  await fixture.end();
});

Deno.test("other material during a handshake: it is done again with that, and counts as no try", async () => {
  const fixture = await telling("v1", { backends: [spec("a")], upstream: { retries: 0 } });
  const caller = fixture.call();
  const first = await fixture.answer();
  const { rest } = await readProxyHeader(first);
  const hello = rest.length > 0 ? rest.slice() : await piece(first);
  fixture.upstream.update(fixture.upstream.options, {
    dial: fixture.dial,
    connectTls: await connector(fixture),
  });
  const [context, buffers] = [serverContext(await pki()), new BufferPool()];
  const old = await acceptTls(first, { context, buffers, signal: NEVER, ahead: hello });
  const { session } = await hear(await fixture.answer());
  assertEquals(await readPiece(old.connection), null);
  old.connection.close();
  await finish(caller, session);
  assertEquals([fixture.lines[0]!.fields.tries, fixture.counts], [1, ["a 0 active 0 failed"]]);
  await fixture.end();
});

Deno.test("when telling begins and ends by reload, no connection of the other way is used", async () => {
  const fixture = await telling("none", { backends: [spec("a")], upstream: { pool: pool(1) } });
  const tell = (proxyProtocol: UpstreamOptions["proxyProtocol"]) =>
    fixture.upstream.update({ ...fixture.upstream.options, proxyProtocol });
  const dialled = async (index: number) => (await fixture.dialler.call(index)).accept();
  const early = await secured(fixture, await dialled(0));
  tell("v2");
  assertEquals(await readPiece(early.connection), null);
  early.connection.close();
  const bare = await dialled(1);
  await settle();
  tell("v1"); // Told by another header, it is still bare.
  await settle();
  assertEquals(fixture.dialler.calls.length, 2);
  tell("none");
  assertEquals(await bare.receive(), null); // Nothing was ever said over it.
  const late = await secured(fixture, await dialled(2));
  const caller = fixture.call();
  await caller.end.send("question");
  assertEquals(await readPiece(late.connection), "question");
  (await fixture.dialler.call(3)).refuse();
  await finish(caller, late);
  await fixture.end();
});

/** Speaks TLS as a backend that is told nothing, until the upstream has the connection. */
async function secured(fixture: ServiceFixture, server: MemoryConnection): Promise<TlsSession> {
  const [context, buffers] = [serverContext(await pki()), new BufferPool()];
  const session = await acceptTls(server, { context, buffers, signal: NEVER });
  const [backend] = fixture.upstream.backends;
  await until(() => backend!.pool.stats.idle === 1, { what: "the connection to be ready" });
  return session;
}

Deno.test("a proxy of the library tells its backends, and speaks TLS behind that, with checks too", async () => {
  const { ca, client } = await pki();
  const own = { ca: ca.certPem, cert: client.chainPem, key: client.keyPem, serverName: "server.test" };
  const backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [context, buffers] = [serverContext(await pki()), new BufferPool()];
  const kinds: string[] = [];
  const serving = (async () => {
    for await (const accepted of backend) {
      const { header, rest } = await readProxyHeader(accepted);
      kinds.push(header.kind);
      const signal = AbortSignal.timeout(20_000);
      const { connection } = await acceptTls(accepted, { context, buffers, signal, ahead: rest.slice() });
      await greetAndEcho({ connection } as TlsSession).catch(() => {});
      connection.close();
    }
  })();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const proxy = new TcpProxy(listener, {
    backends: [`127.0.0.1:${backend.addr.port}`],
    proxyProtocol: "v2",
    connectTls: tlsConnector({ ...own, dial, buffers }),
    health: { type: "tls" },
  });
  await until(() => proxy.stats.backends[0]!.state === "up", { what: "the first check" });
  assertEquals(kinds, ["local"]);
  {
    using caller = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    assertEquals(await readPiece(caller), "hello\n");
    await caller.write(new TextEncoder().encode("question"));
    assertEquals(await readPiece(caller), "question");
    assertEquals(await readPiece(caller), null);
  }
  assertEquals(kinds, ["local", "proxy"]);
  await proxy.close();
  backend.close();
  await serving;
});

function pool(minIdle: number) {
  return { maxIdle: 8, minIdle, maxOpen: 0, idleTimeoutMs: 0 };
}

/** Answers a dial with a connection that takes ten bytes and no more; its far end. */
function stuck(fixture: ServiceFixture, index: number): MemoryConnection {
  const [near, far] = memoryPair({ capacity: 10 });
  const call = fixture.dialler.calls[index]!;
  call.over = true;
  call.result.resolve(near);
  return far;
}
