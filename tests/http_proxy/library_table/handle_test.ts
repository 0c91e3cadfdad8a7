/** NewReverseProxy, ServeHTTP of the table: `pool.handle`, with all rules for what is forwarded. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ProxyError } from "../../../src/mod.ts";
import { until } from "../../support/wait.ts";
import { answering, OK, RawOrigin } from "../proxy_fixture.ts";
import { fieldsOf, PoolFixture } from "./pool_fixture.ts";

Deno.test("ServeHTTP: bodies are streamed both ways, through a server of the runtime", async () => {
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("one");
    await connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    await connection.receive("two");
    await connection.send("4\r\nlast\r\n0\r\n\r\n");
  });
  await using fixture = new PoolFixture([origin]);
  const head =
    "POST /up HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
  const client = await fixture.client(`${head}3\r\none\r\n`);
  await client.receive("first");
  assert(!client.received.includes("last"));
  await client.send("3\r\ntwo\r\n0\r\n\r\n");
  assertMatch(await client.rest(), /^HTTP\/1.1 200 OK\r\n[^]*first[^]*last[^]*\r\n0\r\n\r\n$/);
  assertMatch(origin.received, /^POST \/up HTTP\/1.1\r\n[^]*one\r\n[^]*two\r\n0\r\n\r\n$/);
  await until(() => fixture.records.length === 1, { what: "for the record" });
  assertEquals(fixture.records.map(({ reason, bytesUp }) => [reason, bytesUp > 6]), [["ok", true]]);
});

Deno.test("ServeHTTP: fields of one connection stay there, and those about the client are the pool's", async () => {
  const answer =
    "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nSet-Cookie: a=1\r\n" +
    "Set-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok";
  await using origin = new RawOrigin(answering(answer));
  await using fixture = new PoolFixture([origin], { via: "pool", requestId: true });
  const response = await fixture.handle("/x?q=1&'", {
    url: "https://app.example:8443",
    client: "192.0.2.7",
    headers: {
      "Connection": "X-Secret, close",
      "X-Secret": "1",
      "TE": "gzip",
      "Upgrade": "websocket",
      "Expect": "100-continue",
      "X-Forwarded-For": "10.9.9.9",
      "X_Forwarded_For": "10.9.9.9",
      "X-Real-IP": "10.9.9.9",
      "Client-Cert": ":eA==:",
      "X-Kept": "caf\xe9",
    },
  });
  assertEquals([response.status, await response.text()], [200, "ok"]);
  assertEquals(response.headers.getSetCookie(), ["a=1", "b=2"]);
  for (const name of ["connection", "x-hop", "keep-alive"]) assertEquals(response.headers.get(name), null);
  assertMatch(response.headers.get("via")!, /^1.1 pool$/);
  assert(origin.received.startsWith("GET /x?q=1&%27 HTTP/1.1\r\n"), origin.received);
  const fields = fieldsOf(origin.received);
  assertEquals(fields.get("host"), "app.example:8443");
  assertEquals(fields.get("x-forwarded-for"), "192.0.2.7");
  assertEquals(fields.get("x-forwarded-host"), "app.example:8443");
  assertEquals(fields.get("x-forwarded-proto"), "https");
  assertEquals(fields.get("x-forwarded-port"), "8443");
  assertEquals(fields.get("x-real-ip"), "192.0.2.7");
  assertEquals(fields.get("x-kept"), "caf\xe9");
  assertEquals(fields.get("x-request-id"), response.headers.get("x-request-id"));
  for (
    const gone of [
      "x-secret",
      "te",
      "upgrade",
      "expect",
      "client-cert",
      "x_forwarded_for",
      "transfer-encoding",
    ]
  ) assert(!fields.has(gone), gone);
});

Deno.test("ServeHTTP: what a trusted proxy says of the client is believed; hostHeader backend names the backend", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new PoolFixture([origin], { trusted: ["10.0.0.0/8"], hostHeader: "backend" });
  const headers = { "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https" };
  await (await fixture.handle("/", { client: "10.1.1.1", headers })).body?.cancel();
  const fields = fieldsOf(origin.received);
  assertEquals(fields.get("x-forwarded-for"), "192.0.2.1, 10.1.1.1");
  assertEquals(fields.get("x-forwarded-proto"), "https");
  assertEquals(fields.get("host"), origin.address);
  await until(() => fixture.records.length === 1, { what: "for the record" });
  assertEquals(fixture.records[0]!.client, "192.0.2.1");
  await assertRejects(() => fixture.handle("/", { client: "nonsense" }), Error, "expected an IP address");
});

Deno.test("ServeHTTP: a request is framed as it came, and one without a body has none", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new PoolFixture([origin]);
  const framingOf = async (method: string, rest = "\r\n") => {
    const before = origin.received.length;
    const client = await fixture.client(`${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${rest}`);
    assertMatch(await client.rest(), /^HTTP\/1.1 200 /);
    const [, body] = origin.received.slice(before).split("\r\n\r\n");
    const fields = fieldsOf(origin.received.slice(before));
    return [fields.get("content-length"), fields.get("transfer-encoding"), body];
  };
  for (const method of ["GET", "HEAD", "DELETE", "OPTIONS", "BREW"]) {
    assertEquals(await framingOf(method), [undefined, undefined, ""], method);
  }
  for (const method of ["POST", "PUT", "PATCH"]) {
    assertEquals(await framingOf(method), ["0", undefined, ""], method);
  }
  // A Request has no body for GET, so its length must not be announced.
  assertEquals(await framingOf("GET", "Content-Length: 3\r\n\r\nabc"), [undefined, undefined, ""]);
});

Deno.test("ServeHTTP: the body of a request keeps its length, or goes out in chunks", async () => {
  await using origin = new RawOrigin(async (connection) => {
    await connection.until(() => /\r\n\r\n(?:hello|5\r\nhello\r\n0\r\n\r\n)$/.test(connection.received));
    await connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    connection.close();
  });
  await using fixture = new PoolFixture([origin]);
  const last = () => origin.connections.at(-1)!.received;
  const init = { method: "DELETE", body: "hello" };
  assertEquals((await fixture.handle("/", init)).status, 200);
  assertMatch(last(), /Transfer-Encoding: chunked/);
  assertEquals((await fixture.handle("/", { ...init, headers: { "Content-Length": "5" } })).status, 200);
  assertMatch(last(), /Content-Length: 5\r\n/i);
});

Deno.test("ServeHTTP: a body that is not as long as it says reaches no backend as another request", async () => {
  await using origin = new RawOrigin();
  await using fixture = new PoolFixture([origin]);
  const hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const length of ["3", "999", "+3", "0x3", "3, 3"]) {
    const headers = { "Content-Length": length };
    const outcome = await fixture.handle("/", { method: "POST", body: `abc${hidden}`, headers })
      .then(({ status }) => status, (error) => error.code);
    assertEquals(outcome, /^\d+$/.test(length) ? "client-reset" : 400, length);
  }
  for (const url of ["http://a/\ud83d\ude00", "http://a/?\r\nX: 1"]) {
    const odd = { url, method: "GET", headers: new Headers(), body: null, bodyUsed: false } as Request;
    assertEquals((await fixture.pool.handle(odd)).status, 400);
  }
  assert(!origin.received.includes("GET"), origin.received);
});

Deno.test("ServeHTTP: answers to HEAD, 204, 205 and 304 have no body, and keep what they say of one", async () => {
  await using origin = new RawOrigin(answering((request) => {
    const status = /^\w+ \/(\d+)/.exec(request)![1]!;
    const length = status === "204"
      ? ""
      : status === "205"
      ? "Content-Length: 0\r\n"
      : "Content-Length: 7\r\n";
    return `HTTP/1.1 ${status} x\r\n${length}\r\n`;
  }));
  await using fixture = new PoolFixture([origin]);
  const of = async (method: string, status: number) => {
    const response = await fixture.handle(`/${status}`, { method });
    return [response.status, response.body, response.headers.get("content-length")];
  };
  assertEquals(await of("HEAD", 200), [200, null, "7"]);
  assertEquals(await of("GET", 204), [204, null, null]);
  assertEquals(await of("GET", 205), [205, null, null]);
  assertEquals(await of("GET", 304), [304, null, "7"]);
  assertEquals(origin.connections.length, 1);
  const client = await fixture.client("HEAD /200 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  assertMatch(await client.rest(), /^HTTP\/1.1 200 OK\r\n[^]*content-length: 7\r\n[^]*\r\n\r\n$/);
});

Deno.test("ServeHTTP: interim responses and trailers are left out, and the response is whole", async () => {
  await using origin = new RawOrigin(answering(
    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 Fine\r\nTrailer: ETag\r\n" +
      "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nETag: 1\r\n\r\n",
  ));
  await using fixture = new PoolFixture([origin]);
  const response = await fixture.handle("/");
  assertEquals([response.status, response.statusText, await response.text()], [200, "Fine", "ok"]);
  for (const name of ["trailer", "etag", "link"]) assertEquals(response.headers.get(name), null);
});

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
