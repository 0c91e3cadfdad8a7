/** The other lines of the table: failures, rewriting, TLS, connections, buffers, attempts, fields of responses. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  BufferPool,
  createAuthority,
  CulvertError,
  HttpConnections,
  HttpProxy,
  type LogFields,
  ProxyError,
  silentLog,
  TlsGate,
  UrlRewriter,
} from "../../../src/mod.ts";
import { memoryPair } from "../../support/memory_connection.ts";
import { until } from "../../support/wait.ts";
import { answering, OK, RawOrigin } from "../proxy_fixture.ts";
import { fieldsOf, PoolFixture } from "./pool_fixture.ts";

/** An address at which nothing listens. */
function closedPort(): string {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return `http://127.0.0.1:${listener.addr.port}`;
}

Deno.test("ProxyError: op, code, cause, status and attempt, for each way to fail; the client gets the status", async () => {
  const garbage = (connection: Parameters<RawOrigin["serve"]>[0]) =>
    connection.receive("\r\n\r\n").then(() => connection.send("HTTP/1.1 nonsense\r\n\r\n"));
  await using bad = new RawOrigin(garbage);
  await using silent = new RawOrigin();
  const errors: ProxyError[] = [];
  await using fixture = new PoolFixture([], {
    timeouts: { responseMs: 50 },
    onError: (error) => void errors.push(error),
  });
  const ask = async (url: string | undefined, status: number) => {
    fixture.pool.replace(url === undefined ? [] : [url]);
    const response = await fixture.handle("/", { method: "POST", headers: { Accept: "application/json" } });
    assertEquals([response.status, response.headers.get("content-type")], [status, "application/json"]);
    await response.body!.cancel();
    const { op, code, cause, attempt } = errors.at(-1)!;
    assertInstanceOf(errors.at(-1), ProxyError);
    assertEquals(errors.at(-1)!.status, status);
    return { op, code, cause: (cause as Error | undefined)?.name, attempt, response };
  };
  const none = await ask(undefined, 503);
  assertEquals(none.response.headers.get("retry-after"), "1");
  assertEquals([none.op, none.code, none.cause, none.attempt], [
    "connect",
    "no-backend",
    "NoBackendError",
    0,
  ]);
  const refused = await ask(closedPort(), 502);
  assertEquals([refused.op, refused.code, refused.cause], [
    "connect",
    "connect-failed",
    "ConnectFailedError",
  ]);
  assert(refused.attempt >= 1);
  const response = await ask(`http://${bad.address}`, 502);
  assertEquals([response.op, response.code, response.cause, response.attempt], [
    ...["receive", "bad-response", "HttpError", 1],
  ]);
  const late = await ask(`http://${silent.address}`, 504);
  assertEquals([late.op, late.code, late.attempt], ["receive", "response-timeout", 1]);
  fixture.pool.mark(`http://${silent.address}`, "down");
  assertEquals((await fixture.handle("/")).status, 503);
  assertEquals(errors.at(-1)!.code, "backends-down");
});

Deno.test("ProxyError: onError may answer by itself, or make handle reject", async () => {
  await using fixture = new PoolFixture([], {
    onError(error, { method, path }) {
      if (path === "/throw") throw error;
      return path === "/own" ? new Response(`${method} ${error.code}`, { status: 299 }) : undefined;
    },
  });
  const own = await fixture.handle("/own");
  assertEquals([own.status, await own.text()], [299, "GET no-backend"]);
  assertEquals((await assertRejects(() => fixture.handle("/throw"), ProxyError)).status, 503);
  assertEquals((await fixture.handle("/")).status, 503);
});

Deno.test("WithLogger: the log is told of failed requests, with the attempt", async () => {
  const lines: [string, LogFields | undefined][] = [];
  const log = { ...silentLog, debug: (text: string, fields?: LogFields) => void lines.push([text, fields]) };
  await using fixture = new PoolFixture([], { log, name: "front" });
  fixture.pool.add(closedPort());
  await (await fixture.handle("/", { method: "POST" })).body!.cancel();
  const failed = lines.find(([text]) => text === "request failed")![1]!;
  assertEquals([failed.pool, failed.reason, failed.status], ["front", "connect-failed", 502]);
  assert(Number(failed.attempt) >= 1);
});

Deno.test("RouteConfig Path, RewriteURL: the prefix is taken off, rewritten, and mapped back", async () => {
  await using origin = new RawOrigin(answering((request) => {
    const host = fieldsOf(request).get("host");
    const location = request.includes("/own") ? `http://${host}/v2/next?a=1` : "http://elsewhere/v2/next";
    return `HTTP/1.1 302 x\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`;
  }));
  for (const hostHeader of ["keep", "backend"]) {
    await using fixture = new PoolFixture([origin], {
      hostHeader,
      backend: { route: { path: "/api", rewrite: "/v2" } },
    });
    const own = await fixture.handle("/api/own?x='%27&y");
    assertEquals(own.headers.get("location"), "http://app.example/api/next?a=1");
    const other = await fixture.handle("/api");
    assertEquals(other.headers.get("location"), "http://elsewhere/v2/next");
    assertEquals((await fixture.handle("/apix")).status, 404);
    assertEquals((await fixture.handle("/")).status, 404);
  }
  const targets = [...origin.received.matchAll(/^GET (\S+) /gm)].map(([, target]) => target);
  assertEquals(targets.slice(0, 2), ["/v2/own?x=%27%27&y", "/v2"]);
});

Deno.test("RouteConfig Path: the longest path wins; a path in the backend's URL goes in front, unless it is the same", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new PoolFixture([]);
  const url = `http://${origin.address}`;
  fixture.pool.replace([
    url,
    { url: `${url}/base`, route: { path: "/in" } },
    { url: `${url}/same`, route: { path: "/same/" } },
  ]);
  for (const path of ["/x/..//y", "/in/a", "/in", "/same/a", "/inside"]) {
    assertEquals((await fixture.handle(path)).status, 200, path);
  }
  const targets = [...origin.received.matchAll(/^GET (\S+) /gm)].map(([, target]) => target);
  assertEquals(targets.sort(), ["//y", "/base", "/base/a", "/inside", "/same/a"]);
});

Deno.test("RouteConfig Redirect: a request for the path itself is sent elsewhere", async () => {
  await using origin = new RawOrigin(answering(OK));
  const route = { path: "/docs", redirect: "https://{host}/manual{query}" };
  await using fixture = new PoolFixture([origin], { backend: { route } });
  const response = await fixture.handle("/docs/?a=1");
  assertEquals([response.status, response.headers.get("location")], [308, "https://app.example/manual?a=1"]);
  assertEquals((await fixture.handle("/docs/a")).status, 200);
  assertMatch(origin.received, /^GET \/a HTTP/);
  assertEquals(fixture.pool.snapshot().backends[0]!.succeeded, 1);
});

Deno.test("WithURLRewriter: a program may map URLs itself", async () => {
  await using origin = new RawOrigin(
    answering("HTTP/1.1 200 OK\r\nLocation: there\r\nContent-Length: 0\r\n\r\n"),
  );
  await using fixture = new PoolFixture([origin], {
    rewriter: ({ backend }) => ({
      redirect: (url) => url.endsWith("/away") ? "http://away.example/" : undefined,
      toBackend: (url) => url.endsWith("/none") ? undefined : new URL("/mapped?by=me", backend),
      toClient: (location, { client, host }) => `${location}?${new URL(client).pathname}?${host}`,
    }),
  });
  assertEquals((await fixture.handle("/away")).headers.get("location"), "http://away.example/");
  assertEquals((await fixture.handle("/none")).status, 404);
  assertEquals((await fixture.handle("/x")).headers.get("location"), "there?/x?app.example");
  assertMatch(origin.received, /^GET \/mapped\?by=me HTTP/);
});

Deno.test("URLRewriter: redirect, toBackend, toClient", () => {
  const rewriter = new UrlRewriter({ path: "/api", backend: "http://10.0.0.1:8080", redirect: "/docs" });
  assertEquals(rewriter.redirect("http://a/api"), "/docs");
  assertEquals(rewriter.redirect("http://a/api/x"), undefined);
  assertEquals(rewriter.toBackend("http://a/api/x?y=1")!.href, "http://10.0.0.1:8080/x?y=1");
  assertEquals(rewriter.toBackend("http://a/apix"), undefined);
  const same = new UrlRewriter({ path: "/api", backend: "http://10.0.0.1:8080/api" });
  assertEquals(same.toBackend("http://a/api/x")!.href, "http://10.0.0.1:8080/api/x");
  const rewritten = new UrlRewriter({ path: "/api", rewrite: "/v2", backend: "http://10.0.0.1:8080" });
  assertEquals(rewritten.toBackend("http://a/api/x")!.pathname, "/v2/x");
  const client = "https://a/api/x";
  assertEquals(rewritten.toClient("http://10.0.0.1:8080/v2/y", { client }), "https://a/api/y");
  assertEquals(
    rewritten.toClient("http://a.internal/v2/y", { client, host: "a.internal" }),
    "https://a/api/y",
  );
  assertEquals(rewritten.toClient("http://10.0.0.2:8080/v2/y", { client }), "http://10.0.0.2:8080/v2/y");
});

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

Deno.test("BufferPool: Get, Put: buffers are lent and come back", () => {
  const buffers = new BufferPool();
  const first = buffers.take();
  buffers.give(first);
  assert(buffers.take() === first);
});

Deno.test("Server, X-Powered-By removed, X-Proxy-By set: responseHeaders, off by default", async () => {
  await using origin = new RawOrigin(
    answering("HTTP/1.1 200 OK\r\nServer: x\r\nX-Powered-By: y\r\nContent-Length: 0\r\n\r\n"),
  );
  const of = async (responseHeaders?: boolean) => {
    await using fixture = new PoolFixture([origin], responseHeaders === undefined ? {} : { responseHeaders });
    const { headers } = await fixture.handle("/");
    return ["server", "x-powered-by", "x-proxy-by"].map((name) => headers.get(name));
  };
  assertEquals(await of(), ["x", "y", null]);
  assertEquals(await of(true), [null, null, "culvert"]);
});

Deno.test("GetRetryFromContext, RetryKey: attempt in hooks, records and errors of HttpProxy too", async () => {
  const attempts: number[] = [];
  const errors: number[] = [];
  const tries: number[] = [];
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using broken = new RawOrigin((connection) =>
    connection.receive("\r\n\r\n").then(() => connection.close())
  );
  const proxy = new HttpProxy(listener, {
    upstreams: { app: { backends: [broken.address] } },
    onAttempt: ({ attempt }) => void attempts.push(attempt),
    onError: ({ attempt }) => void errors.push(attempt),
    onAccess: (record) => void tries.push(record.tries),
  });
  const response = await fetch(`http://127.0.0.1:${listener.addr.port}/`);
  await response.body?.cancel();
  await proxy.destroy();
  assertEquals([response.status, attempts, errors, tries], [502, [1, 2, 3], [3], [3]]);
});

Deno.test("a pool that is used wrongly says so", async () => {
  await using fixture = new PoolFixture([]);
  assertThrows(() => fixture.pool.mark("nonsense", "up"), CulvertError, "expected a URL");
  const request = new Request("http://a/", { method: "POST", body: "x" });
  await request.text();
  await assertRejects(() => fixture.pool.handle(request), TypeError, "has been used");
  await fixture.pool.close();
  assertThrows(() => fixture.pool.add("http://a"), CulvertError, "is closed");
});
