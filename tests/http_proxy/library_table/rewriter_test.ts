/** URLRewriter, RewriteConfig, RouteConfig of the table: paths, rewriting and redirects of each backend. */
import { assertEquals, assertMatch } from "@std/assert";
import { UrlRewriter } from "../../../src/mod.ts";
import { answering, OK, RawOrigin } from "../proxy_fixture.ts";
import { fieldsOf, PoolFixture } from "./pool_fixture.ts";

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
