/** NewReverseProxy, ServeHTTP of the table: `pool.handle`, with all rules for what is forwarded. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
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

Deno.test("ServeHTTP: what the server of the runtime takes is refused where HttpProxy refuses it", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new PoolFixture([origin]);
  const cases: readonly [string, string, number][] = [
    ["CONNECT a:443", "Host: a:443", 405],
    ["OPTIONS *", "Host: a", 200],
    ["GET http://b/x", "Host: a", 200],
    ["GET http://u:p@b/", "Host: b", 400],
    ["GET ftp://b/", "Host: b", 400],
    ["GET /", "Host: a b", 400],
    ["GET /", "Host: a/api", 400],
    ["GET /", "Host: a?x", 400],
    ["GET /", "Host: u@a", 400],
    ["GET /a\\b", "Host: a", 400],
    ["GET /\xc3\xa9", "Host: a", 400],
    ["GET /%2e%2e/x", "Host: a", 400],
    ["GET /a%2fb", "Host: a", 400],
    ["GET /?a={b}", "Host: a", 400],
    ["GET /", "Host: a\r\nExpect: the-unexpected", 417],
  ];
  for (const [line, fields, status] of cases) {
    const client = await fixture.client(`${line} HTTP/1.1\r\n${fields}\r\nConnection: close\r\n\r\n`);
    assertEquals((await client.rest()).slice(0, 12), `HTTP/1.1 ${status}`, `${line} ${fields}`);
  }
  assertEquals(
    [...origin.received.matchAll(/^\w+ (\S+) .*\r\nHost: (\S+)/gm)].map(([, path, host]) => [path, host]),
    [
      ["/*", "a"],
      ["/x", "b"],
    ],
  );
});

Deno.test("ServeHTTP: through a unix socket of the server", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new PoolFixture([origin]);
  const folder = await Deno.makeTempDir();
  const path = `${folder}/pool.sock`;
  const server = Deno.serve(
    { path, onListen() {} },
    (request, { remoteAddr }) => fixture.pool.handle(request, { client: remoteAddr }),
  );
  for (
    const [text, host] of [["GET / HTTP/1.1\r\nHost: app\r\n", "app"], ["GET / HTTP/1.0\r\n", "localhost"]]
  ) {
    const before = origin.received.length;
    const client = await Deno.connect({ transport: "unix", path });
    await client.write(new TextEncoder().encode(`${text}Connection: close\r\n\r\n`));
    assertMatch(await new Response(client.readable).text(), /^HTTP\/1.\d 200 [^]*ok$/);
    const fields = fieldsOf(origin.received.slice(before));
    assertEquals([fields.get("host"), fields.get("x-forwarded-for")], [host, undefined]);
  }
  await server.shutdown();
  await Deno.remove(folder, { recursive: true });
});
