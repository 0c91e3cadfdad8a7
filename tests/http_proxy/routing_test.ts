import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { HttpRoute } from "../../src/http_proxy/options.ts";
import { answering, OK, ProxyFixture, type RawConnection, RawOrigin } from "./proxy_fixture.ts";

const ROUTES: HttpRoute[] = [
  { match: {}, upstream: "app" },
  {
    match: { path: "/api" },
    upstream: "app",
    rewrite: "/v2",
    rewriteCookies: true,
    hostHeader: "backend",
    headers: {
      request: { set: { "X-Info": "{path} {client.ip} {host}" }, remove: ["X-Debug"] },
      response: { set: { "X-Frame-Options": "DENY" }, remove: ["Server"] },
    },
  },
  { match: { path: "/read", methods: ["GET", "HEAD"] }, upstream: "app" },
  { match: { path: "/old" }, redirect: { to: "{scheme}://{host}/new{query}", status: 301 } },
  { match: { path: "/named" }, upstream: "app", hostHeader: "other.example:81" },
  {
    match: { path: "/ping" },
    respond: { status: 200, headers: { "Content-Type": "text/plain" }, body: "pong" },
  },
];

/** Sends a request with these lines on `client`, and returns the answer, whose body has this length. */
async function exchange(client: RawConnection, lines: string, bodyEnd: string | RegExp): Promise<string> {
  const before = client.received.length;
  await client.send(`${lines}\r\n\r\n`);
  await client.until(() => {
    const came = client.received.slice(before);
    return typeof bodyEnd === "string" ? came.endsWith(bodyEnd) : bodyEnd.test(came);
  });
  return client.received.slice(before);
}

Deno.test("a route rewrites the path and fields, and maps back where the backend sends the client", async () => {
  await using origin = new RawOrigin();
  origin.serve = answering(
    `HTTP/1.1 302 Found\r\nLocation: http://${origin.address}/v2/login?x\r\nContent-Location: /v2/y\r\n` +
      "Set-Cookie: a=b; Path=/v2/z\r\nSet-Cookie: c=d; Path=/\r\nServer: secret\r\nX-Frame-Options: ALLOW\r\n" +
      "Content-Length: 2\r\n\r\nok",
  );
  await using fixture = new ProxyFixture([origin], { routes: ROUTES });
  const answer = await fixture.ask(
    "GET /api//%61?q=%2e HTTP/1.1\r\nHost: example.org:8080\r\nX-Debug: 1\r\nx_info: evil\r\nX-Info: evil\r\n" +
      "X-Forwarded-For: 9.9.9.9\r\nClient_Cert: evil\r\nX-Client-Identity: root\r\n\r\n",
  );
  const { received } = origin;
  assertStringIncludes(received, "GET /v2//a?q=%2e HTTP/1.1\r\n");
  assertStringIncludes(received, `\r\nHost: ${origin.address}\r\n`);
  assertStringIncludes(received, "\r\nX-Info: /api//a 127.0.0.1 example.org:8080\r\n");
  assertStringIncludes(received, "\r\nX-Forwarded-For: 127.0.0.1\r\n");
  assertStringIncludes(received, "\r\nX-Forwarded-Host: example.org:8080\r\n");
  for (const gone of ["evil", "X-Debug", "9.9.9.9", "root"]) assert(!received.includes(gone), gone);
  assertStringIncludes(answer, "\r\nLocation: http://example.org:8080/api/login?x\r\n");
  assertStringIncludes(answer, "\r\nContent-Location: /api/y\r\n");
  assertStringIncludes(answer, "\r\nSet-Cookie: a=b; Path=/api/z\r\n");
  assertStringIncludes(answer, "\r\nSet-Cookie: c=d; Path=/\r\n");
  assertStringIncludes(answer, "\r\nX-Frame-Options: DENY\r\n");
  for (const gone of ["secret", "ALLOW"]) assert(!answer.includes(gone), gone);
});

Deno.test("answers without a backend keep the connection, and those without a route too", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([origin], { routes: ROUTES.slice(1) });
  const client = await fixture.client();
  const host = "Host: example.org:8080";
  const redirect = await exchange(client, `GET /old/x?y=1 HTTP/1.1\r\n${host}`, /\r\n\r\n301 [^]*\n$/);
  assertStringIncludes(redirect, "\r\nLocation: http://example.org:8080/new?y=1\r\n");
  const ping = await exchange(client, `GET /ping HTTP/1.1\r\n${host}`, "pong");
  assertStringIncludes(ping, "\r\nContent-Type: text/plain\r\n");
  const missing = await exchange(
    client,
    `GET /none HTTP/1.1\r\n${host}\r\nAccept: application/json`,
    /\}\n$/,
  );
  assertMatch(missing, /^HTTP\/1\.1 404 Not Found\r\n/);
  const method = await exchange(client, `DELETE /read/x HTTP/1.1\r\n${host}`, /\r\n\r\n405 [^]*\n$/);
  assertStringIncludes(method, "\r\nAllow: GET, HEAD\r\n");
  for (const answer of [redirect, ping, missing, method]) assert(!/\r\nConnection:/i.test(answer), answer);
  await exchange(client, `GET /named HTTP/1.1\r\n${host}`, "ok");
  assertStringIncludes(origin.received, "\r\nHost: other.example:81\r\n");
  assertEquals(origin.connections.length, 1);
  assertEquals(fixture.records[1]!.bytesDown, "pong".length);
  assertEquals(fixture.records.map(({ reason, status }) => [reason, status]), [
    ["redirect", 301],
    ["respond", 200],
    ["no-route", 404],
    ["no-method", 405],
    ["ok", 200],
  ]);
});

Deno.test("a request with a body that has not come gets its 404, and the connection ends", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([origin], { routes: ROUTES.slice(1) });
  const client = await fixture.client("POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
  await client.receive("Connection: close");
  assertMatch(client.received, /^HTTP\/1\.1 404 /);
});

Deno.test("a path with an encoded slash beside a route is refused, and its connection closed", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([origin], { routes: ROUTES, encodedSlashes: "keep" });
  const answer = await fixture.ask("GET /api%2fx HTTP/1.1\r\nHost: a\r\n\r\n");
  assertMatch(answer, /^HTTP\/1\.1 400 [^]*\r\nConnection: close\r\n/);
  assertMatch(await fixture.ask("GET /api/x%2fy HTTP/1.1\r\nHost: a\r\n\r\n"), /^HTTP\/1\.1 200 /);
  assertStringIncludes(origin.received, "GET /v2/x%2Fy HTTP/1.1\r\n");
  assertEquals(origin.connections.length, 1);
});
