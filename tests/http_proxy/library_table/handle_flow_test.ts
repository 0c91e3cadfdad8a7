/** NewReverseProxy, ServeHTTP of the table: how requests of `pool.handle` go on and end. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ProxyError } from "../../../src/mod.ts";
import { until } from "../../support/wait.ts";
import { answering, OK, RawOrigin } from "../proxy_fixture.ts";
import { PoolFixture } from "./pool_fixture.ts";

Deno.test("ServeHTTP: only what may be repeated is sent twice, and attempts are counted", async () => {
  const breaking = (connection: Parameters<RawOrigin["serve"]>[0]) =>
    connection.receive("\r\n\r\n").then(() => connection.close());
  await using broken = new RawOrigin(breaking);
  await using whole = new RawOrigin(answering(OK));
  const attempts: unknown[] = [];
  await using fixture = new PoolFixture([broken, whole], {
    onAttempt: ({ attempt, backend }) => void attempts.push([attempt, backend]),
  });
  assertEquals((await fixture.handle("/")).status, 200);
  assertEquals(attempts, [[1, broken.address], [2, whole.address]]);
  fixture.pool.turn = 0;
  assertEquals((await fixture.handle("/", { method: "POST", body: "x" })).status, 502);
  assertEquals(attempts.length, 3);
  assertEquals(whole.received.includes("POST"), false);
  const { failed, succeeded } = fixture.pool.get(`http://${broken.address}`)!;
  assertEquals([failed, succeeded, fixture.pool.get(`http://${whole.address}`)!.succeeded], [2, 0, 1]);
  await until(() => fixture.records.length === 2, { what: "for the record" });
  assertEquals(fixture.records.map(({ tries, reason }) => [tries, reason]), [[2, "ok"], [
    1,
    "backend-closed",
  ]]);
});

Deno.test("ServeHTTP: a backend that is full is waited for in turn, or the answer is 503", async () => {
  const gate = Promise.withResolvers<void>();
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n\r\n");
    await gate.promise;
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  await using fixture = new PoolFixture([origin], { maxConnections: 1, queue: { max: 1 } });
  const first = fixture.handle("/1");
  await until(() => origin.connections.length === 1, { what: "for the first request" });
  const second = fixture.handle("/2");
  await until(async () => (await fixture.handle("/3")).status === 503, { what: "for the queue to be full" });
  gate.resolve();
  assertEquals([(await first).status, (await second).status], [200, 200]);
  assertEquals(fixture.pool.snapshot().backends[0]!.succeeded, 2);
});

Deno.test("ServeHTTP: a response that is cut short is an error of its body, and no clean end for the client", async () => {
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n\r\n");
    await connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n");
    await connection.receive("end");
    connection.close();
  });
  await using fixture = new PoolFixture([origin]);
  const cut = () => origin.connections.at(-1)!.end().then(() => origin.connections.at(-1)!.close());
  const response = await fixture.handle("/");
  const text = response.text();
  await cut();
  const error = await assertRejects(() => text, ProxyError);
  assertEquals([error.code, error.op], ["backend-closed", "receive"]);
  const client = await fixture.client("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  await client.receive("part");
  await cut();
  assert(!(await client.rest()).endsWith("0\r\n\r\n"));
});

Deno.test("ServeHTTP: the request to the backend is aborted with the signal, and when the body is cancelled", async () => {
  const served: Promise<void>[] = [];
  await using origin = new RawOrigin(async (connection) => {
    served.push(connection.done);
    await connection.receive("\r\n\r\n");
    if (connection.received.startsWith("GET /body")) {
      await connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n");
    }
  });
  await using fixture = new PoolFixture([origin]);
  const abort = new AbortController();
  const reason = new Error("not wanted");
  const waiting = fixture.handle("/", { signal: abort.signal });
  await until(() => origin.received.includes("\r\n\r\n"), { what: "for the request" });
  abort.abort(reason);
  const error = await assertRejects(() => waiting, ProxyError);
  assertEquals([error.status, error.cause, error.attempt], [0, reason, 1]);
  await served[0];

  const response = await fixture.handle("/body");
  await response.body!.cancel();
  await served[1];

  const during = new AbortController();
  const text = (await fixture.handle("/body", { signal: during.signal })).text();
  during.abort(reason);
  await assertRejects(() => text);
  await served[2];

  const uploading = new AbortController();
  const body = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(5)) });
  const upload = fixture.handle("/", { method: "PUT", body, signal: uploading.signal });
  await until(() => origin.connections.length === 4, { what: "for the upload" });
  uploading.abort(reason);
  assertEquals((await assertRejects(() => upload, ProxyError)).cause, reason);
  await served[3];

  // A client that leaves, through the server of the runtime.
  const client = await fixture.client("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await until(() => origin.connections.length === 5, { what: "for the request" });
  client.close();
  await served[4];
  await until(() => fixture.pool.snapshot().backends[0]!.active === 0, { what: "for all to end" });
});

Deno.test("ServeHTTP: a request whose body does not begin is given up with its signal, and by destroy", async () => {
  await using origin = new RawOrigin();
  await using fixture = new PoolFixture([origin]);
  const abort = new AbortController();
  const reason = new Error("not wanted");
  const init = () => ({ method: "POST", body: new ReadableStream() });
  const waiting = fixture.handle("/", { ...init(), signal: abort.signal });
  abort.abort(reason);
  assertEquals((await assertRejects(() => waiting, ProxyError)).cause, reason);
  const other = fixture.handle("/", init());
  await fixture.pool.destroy();
  assertEquals((await assertRejects(() => other, ProxyError)).status, 0);
  assertEquals(origin.connections.length, 0);
});

Deno.test("ServeHTTP: a slow reader stops the backend", async () => {
  const chunk = new Uint8Array(256 * 1024).fill(0x78);
  const total = 64 * 1024 * 1024;
  let sent = 0;
  const stuck = Promise.withResolvers<void>();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(4096));
    await connection.write(new TextEncoder().encode(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`));
    while (sent < total) {
      const written = connection.write(chunk.subarray(0, Math.min(chunk.length, total - sent)));
      const timer = setTimeout(() => stuck.resolve(), 200);
      sent += await written;
      clearTimeout(timer);
    }
  })();
  await using fixture = new PoolFixture([]);
  fixture.pool.add(`http://127.0.0.1:${listener.addr.port}`);
  const response = await fixture.handle("/");
  await Promise.race([stuck.promise, serving]);
  assert(sent < total / 2, `${sent} bytes were taken of a response that is not read`);
  let received = 0;
  for await (const piece of response.body!) received += piece.length;
  await serving;
  assertEquals(received, total);
});

Deno.test("ServeHTTP: a response whose body is neither read nor cancelled ends after timeouts.idleMs", async () => {
  await using origin = new RawOrigin(
    answering(`HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n${"x".repeat(4e5)}`),
  );
  await using fixture = new PoolFixture([origin], { timeouts: { idleMs: 200 } });
  const response = await fixture.handle("/");
  await until(() => fixture.records.length === 1, { what: "for the request to end" });
  assertEquals([fixture.records[0]!.reason, fixture.pool.snapshot().backends[0]!.active], ["idle", 0]);
  assertEquals((await assertRejects(() => response.text(), ProxyError)).code, "idle");
});

Deno.test("ServeHTTP: an early answer to an upload is delivered, and the rest of the upload not asked for", async () => {
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n\r\n");
    await connection.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
  });
  await using fixture = new PoolFixture([origin]);
  const cancelled = Promise.withResolvers<void>();
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(new Uint8Array(10)),
    cancel: () => cancelled.resolve(),
  });
  const response = await fixture.handle("/", { method: "POST", body });
  assertEquals([response.status, await response.text()], [413, "no"]);
  await cancelled.promise;
});

Deno.test("ServeHTTP: close lets requests finish and takes no more; destroy cuts them", async () => {
  const gate = Promise.withResolvers<void>();
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n\r\n");
    await gate.promise;
    await connection.send(OK);
  });
  await using fixture = new PoolFixture([origin]);
  const first = fixture.handle("/");
  await until(() => origin.connections.length === 1, { what: "for the request" });
  const closed = fixture.pool.close();
  await assertRejects(() => fixture.handle("/"), Error, "is closed");
  gate.resolve();
  assertEquals([await (await first).text(), await closed], ["ok", 0]);

  await using silent = new RawOrigin();
  await using other = new PoolFixture([silent]);
  const cut = other.handle("/");
  await until(() => silent.connections.length === 1, { what: "for the request" });
  await other.pool.destroy();
  assertEquals((await assertRejects(() => cut, ProxyError)).code, "cut");
});
