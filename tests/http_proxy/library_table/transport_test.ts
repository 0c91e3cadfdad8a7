/** Transport, ConnectionPool, BufferPool of the table, and checks: connections to backends, with TLS and without. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  BufferPool,
  createAuthority,
  HttpConnections,
  HttpProxy,
  silentLog,
  TlsGate,
} from "../../../src/mod.ts";
import { memoryPair } from "../../support/memory_connection.ts";
import { until } from "../../support/wait.ts";
import { answering, OK, RawOrigin } from "../proxy_fixture.ts";
import { fieldsOf, PoolFixture } from "./pool_fixture.ts";

Deno.test("Transport, SkipTLSVerify: tls of a backend; without verification it is warned of", async () => {
  const authority = await createAuthority();
  const { chainPem: cert, keyPem: key } = await authority.issueServer({ names: ["backend.example"] });
  const mine = await authority.issueClient({ cn: "pool" });
  const buffers = new BufferPool();
  const gate = new TlsGate({
    cert,
    key,
    ca: authority.certPem,
    clientAuth: "require",
    allow: [{ cn: "pool" }],
  });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      try {
        const { session } = await gate.enter(connection, { signal: AbortSignal.timeout(30_000), buffers });
        await session.connection.read(new Uint8Array(4096));
        await session.connection.write(
          new TextEncoder().encode(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")),
        );
        session.connection.close();
      } catch {
        // Refused.
      }
    }
  })();
  const warnings: string[] = [];
  await using fixture = new PoolFixture([], {
    log: { ...silentLog, warn: (text: string) => void warnings.push(text) },
  });
  const url = `https://127.0.0.1:${listener.addr.port}`;
  const credentials = { cert: mine.chainPem, key: mine.keyPem };
  const status = async (tls: NonNullable<Parameters<typeof fixture.pool.add>[1]>["tls"]) => {
    fixture.pool.replace(tls === undefined ? [url] : [{ url, tls }]);
    const response = await fixture.handle("/");
    await response.body?.cancel();
    return response.status;
  };
  const ca = authority.certPem;
  assertEquals(await status({ ca, serverName: "backend.example", ...credentials }), 200);
  assertEquals(await status({ ca, serverName: "other.example", ...credentials }), 502);
  assertEquals(await status({ ca, serverName: "backend.example" }), 502, "without a client certificate");
  assertEquals(await status(undefined), 502, "the runtime's roots do not know the CA");
  assertEquals(warnings, []);
  assertEquals(await status({ verify: false, ...credentials }), 200);
  assertEquals(warnings, ["the certificate of a backend is not verified"]);
  await fixture.pool.close();
  listener.close();
  await serving;
});

Deno.test("AddBackend with a check: a backend whose checks fail gets no requests, by the existing checkers", async () => {
  let healthy = true;
  await using origin = new RawOrigin(
    answering((request) => request.startsWith("GET /healthz") && !healthy ? OK.replace("200", "500") : OK),
  );
  const health = { type: "http", intervalMs: 100, fall: 1, rise: 1, http: { path: "/healthz" } } as const;
  await using fixture = new PoolFixture([origin], { backend: { health } });
  const backend = fixture.pool.get(`http://${origin.address}`)!;
  await until(() => backend.state === "up", { what: "for a check" });
  assertEquals((await fixture.handle("/")).status, 200);
  healthy = false;
  await until(() => backend.state === "down", { what: "for a failed check" });
  assertEquals((await fixture.handle("/")).status, 503);
  fixture.pool.replace([`http://${origin.address}`]);
  assertEquals(
    [backend.state, (await fixture.handle("/")).status],
    ["up", 200],
    "it is not checked any more",
  );
});

Deno.test("ConnectionPool: Get, Put: acquire and release wait at the bound, first come, first served", async () => {
  let dialled = 0;
  const connections = new HttpConnections({
    ...{ maxIdle: 1, maxOpen: 2, idleMs: 60_000 },
    dial: () => {
      dialled++;
      return Promise.resolve(memoryPair()[0]);
    },
  });
  const signal = AbortSignal.timeout(30_000);
  const one = await connections.acquire({ signal });
  const two = await connections.acquire({ signal });
  const order: number[] = [];
  const waiting = [1, 2, 3].map(async (number) => {
    const connection = await connections.acquire({ signal });
    order.push(number);
    connections.release(connection);
  });
  await until(() => connections.stats.waiting === 3, { what: "for three callers" });
  assertEquals([order, dialled], [[], 2]);
  connections.release(one);
  await Promise.all(waiting);
  assertEquals(order, [1, 2, 3]);
  connections.release(two);
  assertEquals(connections.stats.active, 0);
  const before = dialled;
  connections.release(await connections.acquire({ signal }));
  assertEquals([dialled, connections.stats.idle], [before, connections.stats.idle]);
  await connections.close();
  await assertRejects(() => connections.acquire({ signal }), Error, "closed");
});

Deno.test("ConnectionPool: an idle connection is closed after idleMs", async () => {
  const connections = new HttpConnections({ idleMs: 100, dial: () => Promise.resolve(memoryPair()[0]) });
  const signal = AbortSignal.timeout(30_000);
  connections.release(await connections.acquire({ signal }));
  assertEquals(connections.stats.idle, 1);
  await until(() => connections.stats.idle === 0, { what: "for the connection to be closed" });
  await connections.close();
});

Deno.test("BufferPool: Get, Put: buffers are lent and come back", () => {
  const buffers = new BufferPool();
  const first = buffers.take();
  buffers.give(first);
  assert(buffers.take() === first);
});

Deno.test("HttpProxy over a listener of the runtime that speaks TLS tells backends so", async () => {
  const authority = await createAuthority();
  const { chainPem: cert, keyPem: key } = await authority.issueServer({ names: ["localhost"] });
  await using origin = new RawOrigin(answering(OK));
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key });
  const proxy = new HttpProxy(listener, { upstreams: { app: { backends: [origin.address] } } });
  using client = Deno.createHttpClient({ caCerts: [authority.certPem] });
  const response = await fetch(`https://localhost:${listener.addr.port}/`, { client });
  assertEquals(await response.text(), "ok");
  assertEquals(fieldsOf(origin.received).get("x-forwarded-proto"), "https");
  await proxy.destroy();
});
