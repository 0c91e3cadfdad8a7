import { assertEquals } from "@std/assert";
import type { HttpRoute } from "../../src/http_proxy/options.ts";
import { mapCookie, mapLocation, type MappingContext, rewritePath } from "../../src/http_proxy/rewrite.ts";
import { compileRoutes } from "../../src/http_proxy/router.ts";

function route(path: string, rewrite?: string, more: Partial<HttpRoute> = {}): HttpRoute {
  return { match: { path }, upstream: "app", ...(rewrite === undefined ? {} : { rewrite }), ...more };
}

Deno.test("rewrite takes the place of the matched prefix, with one slash between", () => {
  // As ReplacePrefixMatch of the Kubernetes Gateway API has it, and with parts that are spelled in other ways.
  const cases: [match: string, rewrite: string, path: string, target: string][] = [
    ["/foo", "/xyz", "/foo/bar", "/xyz/bar"],
    ["/foo", "/xyz/", "/foo/bar", "/xyz/bar"],
    ["/foo/", "/xyz", "/foo/bar", "/xyz/bar"],
    ["/foo/", "/xyz/", "/foo/bar", "/xyz/bar"],
    ["/foo", "/xyz", "/foo", "/xyz"],
    ["/foo", "/xyz", "/foo/", "/xyz/"],
    ["/foo", "/", "/foo/bar", "/bar"],
    ["/foo", "/", "/foo/", "/"],
    ["/foo", "/", "/foo", "/"],
    ["/", "/v2/", "/x", "/v2/x"],
    ["/", "/v2", "/", "/v2/"],
    ["/foo", "/", "/foo//evil.org/x", "/evil.org/x"],
    ["/foo", "/xyz", "//foo//bar", "/xyz//bar"],
    ["/foo", "/xyz", "/foo;a=1/bar;b", "/xyz/bar;b"],
    ["/foo", "/xyz", "/%66oo/%20", "/xyz/%20"],
    ["/", "/v2", "*", "*"],
  ];
  for (const [match, rewrite, path, target] of cases) {
    const result = compileRoutes([route(match, rewrite)]).match("h", path, "GET");
    if (result.kind !== "route") throw new Error(`no route for ${path}`);
    const { prefix } = result;
    assertEquals(
      rewritePath(result.route, { prefix, path, query: "" }),
      target,
      `${match} ${rewrite} ${path}`,
    );
    assertEquals(rewritePath(result.route, { prefix, path, query: "?a=%2F&b" }), `${target}?a=%2F&b`);
  }
  const same = { prefix: "/foo", path: "//foo//bar/", query: "?" };
  assertEquals(rewritePath(route("/foo"), same), "//foo//bar/?");
});

const CONTEXT: MappingContext = {
  route: route("/api/", "/v2/", { rewriteCookies: true }),
  client: { scheme: "https", authority: "example.org" },
  backend: { scheme: "http", authority: "10.0.0.11:8080" },
  host: "app.internal:8080",
};

Deno.test("Location of the backend's own host is mapped back, others are left alone", () => {
  const cases: [value: string, mapped: string | undefined][] = [
    ["http://10.0.0.11:8080/v2/x?q=%20#f", "https://example.org/api/x?q=%20#f"],
    ["HTTP://APP.internal:8080/v2", "https://example.org/api"],
    ["http://app.internal:8080/other", "https://example.org/other"],
    ["http://app.internal:8080", "https://example.org"],
    ["http://app.internal:8080?a", "https://example.org?a"],
    ["//10.0.0.11:8080/v2/x", "//example.org/api/x"],
    ["https://example.org/v2/x", "https://example.org/api/x"],
    ["https://example.org:443/v2/x", "https://example.org/api/x"],
    ["/v2/x", "/api/x"],
    ["/v2/", "/api/"],
    ["/v2?x", "/api?x"],
    ["/v2x", undefined],
    ["/other", undefined],
    ["/v2/../admin", undefined],
    ["/x/../v2/y", "/api/y"],
    ["/v2/%2e%2e/admin", undefined],
    ["x/y", undefined],
    ["../x", undefined],
    ["?q", undefined],
    ["#f", undefined],
    ["", undefined],
    ["http://10.0.0.11/v2/x", undefined],
    ["http://10.0.0.11:8081/v2/x", undefined],
    ["https://10.0.0.11:8080/v2/x", "https://example.org/api/x"],
    ["http://10.0.0.11:8080@evil.org/v2/x", undefined],
    ["http://evil.org/v2/x", undefined],
    ["//evil.org/v2/x", undefined],
    ["http://example.org/v2/x", undefined],
    ["ftp://10.0.0.11:8080/v2/x", undefined],
    ["mailto:a@10.0.0.11", undefined],
    ["http:/v2/x", undefined],
  ];
  for (const [value, mapped] of cases) assertEquals(mapLocation(value, CONTEXT), mapped, value);
});

Deno.test("a redirect from http to https of the client's own host stays one", () => {
  const context = {
    ...CONTEXT,
    route: route("/"),
    client: { scheme: "http", authority: "example.org" },
    host: "example.org",
  };
  assertEquals(mapLocation("https://example.org/x", context), undefined);
  assertEquals(mapLocation("http://example.org/x", context), undefined);
});

Deno.test("a backend that was asked as the client's host names it with its own scheme", () => {
  const context = { ...CONTEXT, route: route("/"), host: "example.org" };
  assertEquals(mapLocation("http://example.org/x", context), "https://example.org/x");
});

Deno.test("a prefix that is taken off is put back, and no path becomes the name of a host", () => {
  const off = { ...CONTEXT, route: route("/app", "/") };
  assertEquals(mapLocation("/", off), "/app/");
  assertEquals(mapLocation("/login", off), "/app/login");
  assertEquals(mapLocation("http://10.0.0.11:8080//evil.org", off), "https://example.org/app//evil.org");
  const added = { ...CONTEXT, route: route("/", "/v2") };
  assertEquals(mapLocation("/v2//evil.org", added), "/evil.org");
  assertEquals(mapLocation("/v2", added), "/");
});

Deno.test("Path and Domain of Set-Cookie are mapped back where that is asked for", () => {
  const cases: [value: string, mapped: string | undefined][] = [
    ["a=1; Path=/v2/x; HttpOnly", "a=1; Path=/api/x; HttpOnly"],
    ["a=1;path=/v2", "a=1; path=/api"],
    ["a=1; Path=/", undefined],
    ["a=1; Path=/v2x", undefined],
    ["a=1; Path=x", undefined],
    ["a=/v2/x; Secure", undefined],
    ["a=1; Domain=app.internal; Path=/v2", "a=1; Domain=example.org; Path=/api"],
    ["a=1; domain=.APP.internal", "a=1; domain=example.org"],
    ["a=1; Domain=10.0.0.11", "a=1; Domain=example.org"],
    ["a=1; Domain=internal", undefined],
    ["a=1; Domain=evil.org", undefined],
    [
      "a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT; Path=/v2/",
      "a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT; Path=/api/",
    ],
    ["", undefined],
  ];
  for (const [value, mapped] of cases) assertEquals(mapCookie(value, CONTEXT), mapped, value);
  const asAddress = { ...CONTEXT, client: { scheme: "http", authority: "127.0.0.1:8080" } };
  assertEquals(mapCookie("a=1; Domain=app.internal; Secure", asAddress), "a=1; Secure");
  const off = { ...CONTEXT, route: route("/api/", "/v2/") };
  assertEquals(mapCookie("a=1; Path=/v2/x; Domain=app.internal", off), undefined);
});
