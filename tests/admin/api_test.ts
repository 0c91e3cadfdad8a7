import { assert, assertEquals, assertRejects } from "@std/assert";
import { AdminError, STATUS_OF } from "../../src/admin/admin_error.ts";
import { AllowedHosts } from "../../src/admin/allowed_hosts.ts";
import { AdminApi } from "../../src/admin/api.ts";
import { jsonResponse } from "../../src/admin/admin_response.ts";
import type { AdminCaller, AdminRequest } from "../../src/admin/admin_session.ts";
import { LiveFeed } from "../../src/admin/live/live_feed.ts";
import { ConfigError, type Problem } from "../../src/config/problem/problem.ts";
import { CulvertError } from "../../src/core/errors.ts";
import { backendStatus, FakeTarget, SMALL_STATUS } from "./fake_target.ts";

const hosts = new AllowedHosts({ address: { kind: "tcp", host: "127.0.0.1", port: 9901 }, tls: false });

const CALLER: AdminCaller = { client: "127.0.0.1:4711" };

interface Sent {
  readonly body?: string | Uint8Array;
  readonly headers?: Record<string, string>;
}

function request(line: string, { body = "", headers = {} }: Sent = {}): AdminRequest {
  const [method = "", target = ""] = line.split(" ");
  const [path = "", query = ""] = target.split("?");
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const all = new Map(Object.entries({ host: "127.0.0.1:9901", ...headers }));
  if (bytes.length > 0) all.set("content-length", String(bytes.length));
  return {
    method,
    path,
    query,
    version: "1.1",
    headers: all,
    ...(bytes.length > 0 ? { contentLength: bytes.length } : {}),
    keepAlive: true,
    expectsContinue: false,
    body: bytes,
  };
}

/** An API over a program, and what it answers: the status, and the body as JSON. */
function setUp() {
  const target = new FakeTarget();
  const api = new AdminApi({ target, hosts, feed: new LiveFeed({ target }) });
  const ask = async (line: string, sent: Sent = {}) => {
    const { status, body, headers } = await api.handle(request(line, sent), CALLER);
    assertEquals(headers?.["Content-Type"], "application/json");
    return { status, json: JSON.parse(String(body)), headers };
  };
  const code = async (line: string, sent: Sent = {}) => {
    const { status, json } = await ask(line, sent);
    assertEquals([Object.keys(json), typeof json.error.message], [["error"], "string"]);
    return `${status} ${json.error.code}`;
  };
  return { target, api, ask, code };
}

const REPLACE = "PUT /api/upstreams/db/backends";

Deno.test("healthz answers ok, and readyz has the reasons", async () => {
  const { target, ask } = setUp();
  assertEquals((await ask("GET /healthz")).json, { status: "ok" });
  assertEquals(await ask("GET /readyz").then(({ status, json }) => [status, json]), [
    200,
    { ready: true, reasons: [] },
  ]);
  const reasons = ['upstream "db": no available backend', "draining"];
  target.readiness = { ready: false, reasons };
  const { status, json } = await ask("GET /readyz");
  assertEquals([status, json], [503, { ready: false, reasons }]);
});

Deno.test("the status is the one of the program", async () => {
  const { ask } = setUp();
  const { status, json } = await ask("GET /api/status");
  assertEquals([status, json], [200, SMALL_STATUS as unknown]);
});

Deno.test("a set of backends is replaced, and the response is the new set", async () => {
  const { target, ask } = setUp();
  const { status, json } = await ask(REPLACE, { body: '["127.0.0.1:80", "db:5432"]' });
  assertEquals([status, json], [200, [backendStatus("127.0.0.1:80"), backendStatus("db:5432")] as unknown]);
  assertEquals(target.calls, [["replace", "db", ["127.0.0.1:80", "db:5432"]]]);
});

Deno.test("an invalid set is answered with every problem", async () => {
  const { ask } = setUp();
  const { status, json } = await ask(REPLACE, { body: "{}" });
  assertEquals(status, 422);
  assertEquals(json.error, {
    code: "bad_backends",
    message: "request: expected a list, got …",
    problems: [{ kind: "bad_value", path: "", value: "…", expected: "a list" }],
  });
});

Deno.test("a body that is not JSON is rejected", async () => {
  const { target, code } = setUp();
  const bad = ["[", "nonsense", "[1,]", '["a"] x', "\ufeff\ufeff[]", new Uint8Array([34, 0xff, 34])];
  for (const body of bad) assertEquals(await code(REPLACE, { body }), "400 bad_json", String(body));
  assertEquals(await code(REPLACE, { headers: { "content-length": "0" } }), "400 bad_json");
  assertEquals(target.calls, []);
});

Deno.test("a deeply nested body is rejected before it is parsed", async () => {
  const { code, ask } = setUp();
  const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
  const objects = (levels: number) => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
  assertEquals((await ask(REPLACE, { body: nested(32) })).status, 200);
  for (const body of [nested(33), nested(500_000), objects(33), objects(500_000)]) {
    assertEquals(await code(REPLACE, { body }), "400 bad_json");
  }
  const brackets = JSON.stringify(["[[[[".repeat(100), '\\"[{'.repeat(100)]);
  assertEquals((await ask(REPLACE, { body: brackets })).status, 200);
});

Deno.test("a Content-Type other than JSON is rejected", async () => {
  const { ask, code } = setUp();
  const sent = (type: string) => ({ body: "[]", headers: { "content-type": type } });
  for (const type of ["application/json", "application/json; charset=utf-8", "Application/JSON ;x"]) {
    assertEquals((await ask(REPLACE, sent(type))).status, 200, type);
  }
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""]) {
    assertEquals(await code(REPLACE, sent(type)), "415 bad_content_type", type);
  }
  assertEquals(await code(REPLACE), "411 length_required");
});

Deno.test("a body is rejected where none is expected", async () => {
  const { target, code } = setUp();
  for (const line of ["GET /healthz", "POST /api/reload", "POST /api/upstreams/db/backends/a:1/drain"]) {
    assertEquals(await code(line, { body: "{}" }), "400 unexpected_body", line);
  }
  assertEquals(target.calls, []);
});

Deno.test("backends are drained and enabled by their addresses, encoded or plain", async () => {
  const { target, ask } = setUp();
  const at = (address: string, verb: string) => `POST /api/upstreams/db/backends/${address}/${verb}`;
  const spellings = {
    "127.0.0.1:80": ["127.0.0.1:80", "127.0.0.1%3A80", "127.0.0.1:080"],
    "[::1]:80": ["[::1]:80", "%5B::1%5D:80", "%5b%3a%3a1%5d%3a80"],
    "unix:/run/app.sock": ["unix:/run/app.sock", "unix:%2Frun%2Fapp.sock", "unix%3A%2Frun/app.sock"],
    "unix:/run/drain": ["unix:/run/drain"],
    "unix:/run/ä %": ["unix:/run/%C3%A4%20%25"],
    "unix:/run//x": ["unix:/run//x"],
  };
  for (const [address, written] of Object.entries(spellings)) {
    for (const text of written) {
      const drained = await ask(at(text, "drain"));
      assertEquals([drained.status, drained.json.address, drained.json.state], [200, address, "drained"]);
      const enabled = await ask(at(text, "enable"));
      assertEquals([enabled.status, enabled.json.address, enabled.json.state], [200, address, "up"]);
      assertEquals(target.calls.splice(0), [["drain", "db", address], ["enable", "db", address]]);
    }
  }
});

Deno.test("the name of an upstream may have any encoded character", async () => {
  const { target, ask } = setUp();
  await ask("PUT /api/upstreams/a%2Fb%20%E2%82%AC%25/backends", { body: "[]" });
  await ask("POST /api/upstreams/backends/backends/a:1/drain");
  assertEquals(target.calls, [["replace", "a/b €%", []], ["drain", "backends", "a:1"]]);
});

Deno.test("unknown upstreams, backends, addresses and paths have errors of their own", async () => {
  const { code } = setUp();
  assertEquals(await code("PUT /api/upstreams/no/backends", { body: "[]" }), "404 unknown_upstream");
  assertEquals(await code("POST /api/upstreams/no/backends/a:1/drain"), "404 unknown_upstream");
  assertEquals(await code("POST /api/upstreams/db/backends/gone:1/enable"), "404 unknown_backend");
  assertEquals(await code("POST /api/upstreams/db/backends/nonsense/enable"), "400 bad_address");
  const nowhere = [
    "//",
    "/healthz/",
    "/Healthz",
    "/%68ealthz",
    "/api",
    "/api/status/",
    "/api//status",
    "/../healthz",
    "/api/upstreams/db",
    "/api/upstreams//backends",
    "/api/upstreams/%FF/backends",
    "/api/upstreams/%/backends",
    "/api/upstreams/db/backends/drain",
    "/api/upstreams/db/backends//drain",
    "/api/upstreams/db/backends/a:1/stop",
    "/api/upstreams/db/backends/%zz/drain",
  ];
  for (const path of nowhere) {
    for (const method of ["GET", "PUT", "POST", "HEAD", "BREW"]) {
      assertEquals(await code(`${method} ${path}`), "404 not_found", `${method} ${path}`);
    }
  }
});

Deno.test("an unsupported method is answered with the supported ones", async () => {
  const { target, ask, code } = setUp();
  const paths = {
    "/healthz": "GET, HEAD",
    "/readyz": "GET, HEAD",
    "/api/status": "GET, HEAD",
    "/api/upstreams/db/backends": "PUT",
    "/api/upstreams/db/backends/a:1/drain": "POST",
    "/api/reload": "POST",
  };
  for (const [path, allow] of Object.entries(paths)) {
    for (const method of ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "TRACE", "get"]) {
      if (allow.split(", ").includes(method)) continue;
      assertEquals(await code(`${method} ${path}`), "405 method_not_allowed", `${method} ${path}`);
      assertEquals((await ask(`${method} ${path}`)).headers?.["Allow"], allow);
    }
  }
  assertEquals(target.calls, []);
});

Deno.test("a reload is answered with the new generation or with every problem of the file", async () => {
  const { target, ask } = setUp();
  const good = await ask("POST /api/reload");
  assertEquals([good.status, good.json], [200, { ok: true, generation: 2 }]);
  const problems: Problem[] = [
    { kind: "unknown_key", path: "services[0].lisen", value: "x", expected: "one of listen", line: 3 },
    { kind: "missing", path: "services[0].upstream", expected: "the name of an upstream", line: 2 },
  ];
  target.reloaded = () => Promise.resolve({ ok: false, error: new ConfigError("proxy.yaml", problems) });
  const bad = await ask("POST /api/reload");
  assertEquals([bad.status, bad.json.error.code, bad.json.error.problems], [422, "bad_config", problems]);
  assert(bad.json.error.message.includes("proxy.yaml:3: services[0].lisen: unknown key"));
  target.reloaded = () =>
    Promise.resolve({ ok: false, error: new CulvertError("listen_failed", "Cannot listen") });
  const busy = await ask("POST /api/reload");
  assertEquals(busy.status, 422);
  assertEquals(busy.json, { error: { code: "listen_failed", message: "Cannot listen", problems: [] } });
  target.reloaded = () => Promise.reject(new AdminError("draining", "Cannot reload: the program stops"));
  assertEquals((await ask("POST /api/reload")).status, 503);
});

Deno.test("a foreign Host is rejected for every request", async () => {
  const { target, code, ask } = setUp();
  for (
    const host of ["evil.example", "evil.example:9901", "127.0.0.1:80", "127.0.0.1", "127.0.0.2:9901", ""]
  ) {
    for (const line of ["GET /healthz", "GET /nowhere", "POST /api/reload"]) {
      assertEquals(await code(line, { headers: { host } }), "403 foreign_host", host);
    }
  }
  assertEquals(target.calls, []);
  assertEquals((await ask("GET /healthz", { headers: { host: "localhost:9901" } })).status, 200);
});

Deno.test("a page of another origin can neither read nor change anything", async () => {
  const { target, code, ask } = setUp();
  for (
    const origin of [
      "null",
      "http://evil.example",
      "http://localhost:3000",
      "http://localhost",
      "ftp://localhost:9901",
    ]
  ) {
    for (const line of ["GET /api/status", "POST /api/reload"]) {
      assertEquals(await code(line, { headers: { origin } }), "403 foreign_origin", origin);
    }
  }
  for (const site of ["cross-site", "same-site", "whatever"]) {
    const headers = { "sec-fetch-site": site };
    assertEquals(await code("POST /api/reload", { headers }), "403 foreign_origin");
    assertEquals(await code("GET /api/live", { headers }), "403 foreign_origin");
    assertEquals((await ask("GET /healthz", { headers })).status, 200); // A link to it, say.
  }
  assertEquals(target.calls, []);
  for (const site of ["same-origin", "none"]) {
    const headers = { origin: "http://localhost:9901", "sec-fetch-site": site };
    assertEquals((await ask("POST /api/reload", { headers })).status, 200);
  }
});

Deno.test("a request is rejected by its head before the body is read", () => {
  const { api } = setUp();
  const refused = (line: string, sent: Sent) => api.admit(request(line, sent), CALLER)?.status;
  assertEquals(refused(REPLACE, { body: "[]" }), undefined);
  assertEquals(refused("PUT /nowhere", { body: "[]" }), 404);
  assertEquals(refused("POST /healthz", { body: "[]" }), 405);
  assertEquals(refused(REPLACE, { body: "[]", headers: { host: "a" } }), 403);
  assertEquals(refused(REPLACE, { body: "[]", headers: { "content-type": "text/plain" } }), 415);
});

Deno.test("no name in a response can send a command to a terminal, and clients decode it unchanged", () => {
  const hostile = "unix:/run/\x1b[2J\x9b1m\u202e\u2028.sock";
  const { body } = jsonResponse(200, { address: hostile });
  assertEquals(String(body).match(/[^\n\x20-\x7e]/gu), null);
  assertEquals(JSON.parse(String(body)), { address: hostile });
});

Deno.test("an unexpected error is passed on, for the log and not for the client", async () => {
  const { api } = setUp();
  await assertRejects(
    () => api.handle(request("POST /api/upstreams/bug/backends/a:1/drain"), CALLER),
    Error,
    "a bug",
  );
});

Deno.test("a weight is set, connections are closed, and the level of the log changes", async () => {
  const { target, ask, code } = setUp();
  const backend = "/api/upstreams/db/backends/10.0.0.1:5432";
  assertEquals((await ask(`PUT ${backend}/weight`, { body: '{"weight": 5}' })).json.weight, 5);
  assertEquals((await ask(`POST ${backend}/close`)).json, { closed: 3 });
  assertEquals((await ask("POST /api/connections/17/close")).json, { closed: 1 });
  assertEquals((await ask("PUT /api/log/level", { body: '{"level": "debug"}' })).json, { level: "debug" });
  assertEquals(target.calls, [
    ["weight", "db", "10.0.0.1:5432"],
    ["close", "db", "10.0.0.1:5432"],
    ["close", "connection", "17"],
    ["log level", "program", "debug"],
  ]);
  for (const weight of ["-1", "1.5", '"5"', "null", "65536", "1e99"]) {
    assertEquals(await code(`PUT ${backend}/weight`, { body: `{"weight": ${weight}}` }), "422 bad_value");
  }
  for (const body of ["{}", "[]", "null", "5"]) {
    assertEquals(await code(`PUT ${backend}/weight`, { body }), "422 bad_value");
    assertEquals(await code("PUT /api/log/level", { body }), "422 bad_value");
  }
  assertEquals(await code("PUT /api/log/level", { body: '{"level": "loud"}' }), "422 bad_value");
  assertEquals(await code("POST /api/connections/gone/close"), "404 unknown_connection");
  assertEquals(await code("POST /api/upstreams/db/backends/gone:1/close"), "404 unknown_backend");
  assertEquals(
    await code("PUT /api/upstreams/no/backends/a:1/weight", { body: '{"weight": 1}' }),
    [
      "404 unknown_upstream",
    ].join(),
  );
});

Deno.test("open connections are asked for by a query, which is checked", async () => {
  const { target, ask, code } = setUp();
  const path = "GET /api/connections";
  assertEquals((await ask(path)).json, { total: 0, matched: 0, sessions: [] });
  await ask(`${path}?search=a%20b&order=bytes&descending=true&limit=20`);
  assertEquals(target.calls, [
    ["connections", { search: "", order: "age", descending: false, limit: 500 }],
    ["connections", { search: "a b", order: "bytes", descending: true, limit: 20 }],
  ]);
  for (
    const query of ["order=size", "descending=1", "limit=501", "limit=-1", "limit=1e2", "sort=age"]
  ) assertEquals(await code(`${path}?${query}`), "400 bad_query", query);
  assertEquals(await code(`${path}?search=${"x".repeat(201)}`), "400 bad_query");
});

Deno.test("a client is told what it may do, and the history is one list for each field", async () => {
  const { ask } = setUp();
  assertEquals((await ask("GET /api/access")).json, { access: "write", client: "127.0.0.1:4711" });
  const { fields, columns } = (await ask("GET /api/history")).json;
  assertEquals([fields[0], columns.length], ["time", fields.length]);
});

Deno.test("the live page and its files have a strict policy, and need no other host", async () => {
  const { api } = setUp();
  const types = {
    "/": "text/html",
    "/page.css": "text/css",
    "/page.js": "text/javascript",
    "/icon.svg": "image/svg+xml",
  };
  for (const [path, type] of Object.entries(types)) {
    const { status, headers = {}, body } = await api.handle(request(`GET ${path}`), CALLER);
    assertEquals([status, headers["Content-Type"]!.split(";")[0]], [200, type]);
    const policy = headers["Content-Security-Policy"]!;
    assert(policy.startsWith("default-src 'none'; "), policy);
    assert(!/unsafe|https?:|data:|\*/.test(policy), policy);
    assert(!/ (?:style|on\w+)=|<style|<script>/.test(path === "/" ? String(body) : ""));
  }
});

Deno.test("every error code is in the reference with its status", () => {
  const text = Deno.readTextFileSync(new URL("../../docs/admin.md", import.meta.url));
  for (const [code, status] of Object.entries(STATUS_OF)) {
    const row = text.split("\n").find((line) => line.startsWith(`| ${status} `));
    assert(row?.includes(`\`${code}\``), code);
  }
});
