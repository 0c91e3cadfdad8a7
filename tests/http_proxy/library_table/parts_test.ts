/** The other lines of the table: failures, rewriting, TLS, connections, buffers, attempts, fields of responses. */
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { CulvertError, HttpProxy, type LogFields, ProxyError, silentLog } from "../../../src/mod.ts";
import { answering, RawOrigin } from "../proxy_fixture.ts";
import { PoolFixture } from "./pool_fixture.ts";

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
