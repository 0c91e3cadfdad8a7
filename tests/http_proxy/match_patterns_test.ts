import { assertEquals } from "@std/assert";
import { hostKey, hostPattern, routePath } from "../../src/http_proxy/match_patterns.ts";

Deno.test("the path of a route is brought into the normal form of requests", () => {
  const cases: [text: string, path: string][] = [
    ["/", "/"],
    ["/api/", "/api/"],
    ["/%61pi/%7euser", "/api/~user"],
    ["/a%3db/c%2Bd", "/a%3Db/c%2Bd"],
    ["/Special:Export,(1)", "/Special:Export,(1)"],
    ["/café", "/caf%C3%A9"],
    ["/...", "/..."],
    ["/.well-known/acme", "/.well-known/acme"],
  ];
  for (const [text, path] of cases) assertEquals(routePath(text), path, text);
});

Deno.test("a path that no request could match is refused", () => {
  const bad = [
    "",
    "api",
    "*",
    "//",
    "/a//b",
    "/.",
    "/..",
    "/a/../b",
    "/a/./b",
    "/a/%2e%2E/b",
    "/a/%2e",
    "/a;x",
    "/a%3",
    "/a?b",
    "/a#b",
    "/a b",
    "/a\\b",
    "/a%5cb",
    "/a%2Fb",
    "/a%00",
    "/a\r\n",
    "/%7F",
    "/\ud800",
    "/a|b",
  ];
  for (const text of bad) assertEquals(routePath(text), undefined, JSON.stringify(text));
});

Deno.test("hosts of routes and of requests are compared in one form", () => {
  assertEquals(hostPattern("App.Example.ORG"), "app.example.org");
  assertEquals(hostPattern("*.Example.org"), "*.example.org");
  assertEquals(hostPattern("10.0.0.1"), "10.0.0.1");
  assertEquals(hostPattern("2001:DB8:0::1"), "[2001:db8::1]");
  assertEquals(hostPattern("[2001:db8::1]"), "[2001:db8::1]");
  for (
    const bad of ["", "*", "a.*.org", "example.org:80", "a b", "127.1", "http://a", "[::1", "a/b", "*.*.org"]
  ) {
    assertEquals(hostPattern(bad), undefined, bad);
  }
  assertEquals(hostKey("app.example.org"), "app.example.org");
  assertEquals(hostKey("app.example.org."), "app.example.org");
  assertEquals(hostKey("[2001:db8:0:0::1]"), "[2001:db8::1]");
});
