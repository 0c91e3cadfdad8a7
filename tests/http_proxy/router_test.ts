import { assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import type { HttpRoute, RouteMatch } from "../../src/http_proxy/options.ts";
import { compileRoutes, type Router } from "../../src/http_proxy/router.ts";

/** Routes to upstreams by the names of these. */
function routerOf(matches: Readonly<Record<string, RouteMatch>>): Router {
  return compileRoutes(Object.entries(matches).map(([upstream, match]): HttpRoute => ({ match, upstream })));
}

/** Where a request goes: the name of an upstream, the status of a refusal, or what Allow says. */
function leads(router: Router, url: string, method = "GET"): string {
  const [, host = "", path = ""] = /^([^/]*)(\/.*|\*)$/.exec(url)!;
  const result = router.match(host, path, method);
  if (result.kind === "route") return result.route.upstream!;
  if (result.kind === "method") return `405 ${result.allow}`;
  return result.kind === "none" ? "404" : "400";
}

function assertLeads(router: Router, cases: Readonly<Record<string, string>>): void {
  for (const [url, where] of Object.entries(cases)) assertEquals(leads(router, url), where, url);
}

Deno.test("the longest path wins, on whole segments", () => {
  const router = routerOf({
    root: {},
    api: { path: "/api" },
    v2: { path: "/api/v2/" },
    old: { path: "/old/" },
  });
  assertLeads(router, {
    "h/": "root",
    "h/apix": "root",
    "h/ap": "root",
    "h/api": "api",
    "h/api/": "api",
    "h/api/v1": "api",
    "h/api/v20": "api",
    "h/api/v2": "v2",
    "h/api/v2/x/y": "v2",
    "h/old": "old",
    "h/older": "root",
    "h/x/api": "root",
    "h/API": "root",
    "h*": "root",
  });
});

Deno.test("/a and /a/ may be two routes: the one for the path itself, the other for what is below", () => {
  const router = routerOf({ itself: { path: "/a" }, below: { path: "/a/" } });
  assertLeads(router, { "h/a": "itself", "h/a/": "below", "h/a/b": "below", "h/": "404", "h/a;x": "itself" });
});

Deno.test("of equally long paths the most precise host wins, and a longer path wins over any host", () => {
  const router = routerOf({
    any: {},
    wild: { host: "*.example.org" },
    exact: { host: "app.example.org" },
    deep: { path: "/deep" },
    wildDeep: { host: "*.example.org", path: "/deep" },
    address: { host: "10.0.0.1" },
    ipv6: { host: "2001:db8::1" },
  });
  assertLeads(router, {
    "other.org/": "any",
    "/": "any",
    "a.example.org/": "wild",
    "example.org/": "any",
    "a.b.example.org/": "any",
    ".example.org/": "any",
    "app.example.org/": "exact",
    "app.example.org./": "exact",
    "app.example.org/deep": "wildDeep",
    "app.example.org/deeper": "exact",
    "other.org/deep/x": "deep",
    "10.0.0.1/": "address",
    "[2001:db8:0:0::1]/": "ipv6",
  });
});

Deno.test("a route for another host does not count, however long its path", () => {
  const router = routerOf({ exact: { host: "app.example.org", path: "/x/y" }, any: { path: "/x" } });
  assertLeads(router, {
    "h/x/y": "any",
    "app.example.org/x/y": "exact",
    "app.example.org/x": "any",
    "h/": "404",
  });
});

Deno.test("of routes with one host and path the one that names the method wins", () => {
  const router = routerOf({
    read: { path: "/x", methods: ["GET", "HEAD"] },
    write: { path: "/x", methods: ["POST"] },
    rest: { path: "/x" },
  });
  assertEquals(leads(router, "h/x", "HEAD"), "read");
  assertEquals(leads(router, "h/x", "POST"), "write");
  assertEquals(leads(router, "h/x", "get"), "rest");
  assertEquals(leads(router, "h/x", "BREW"), "rest");
});

Deno.test("where only the method fails Allow names all, and no shorter route lets the request past", () => {
  const router = routerOf({
    root: {},
    read: { path: "/x", methods: ["GET", "HEAD"] },
    write: { path: "/x", methods: ["POST"] },
  });
  assertEquals(leads(router, "h/x", "DELETE"), "405 GET, HEAD, POST");
  assertEquals(leads(router, "h/x/y", "get"), "405 GET, HEAD, POST");
  assertEquals(leads(router, "h/", "DELETE"), "root");
});

Deno.test("the matched prefix is as the request spells it", () => {
  const router = routerOf({ root: {}, api: { path: "/api/v1/" } });
  const prefix = (path: string) => {
    const result = router.match("h", path, "GET");
    return result.kind === "route" ? result.prefix : undefined;
  };
  assertEquals(prefix("/x/y"), "");
  assertEquals(prefix("/api/v1/x"), "/api/v1");
  assertEquals(prefix("//api///v1//x"), "//api///v1");
  assertEquals(prefix("/api;a=1/v1;b"), "/api;a=1/v1;b");
  assertEquals(prefix("*"), "");
});

Deno.test("no spelling of a path gets past its route", () => {
  const router = routerOf({
    open: {},
    admin: { path: "/admin" },
    page: { path: "/wiki/Special:Export" },
    cafe: { path: "/café" },
  });
  assertLeads(router, {
    "h//admin": "admin",
    "h///admin//x": "admin",
    "h/admin;x/y": "admin",
    "h/admin;": "admin",
    "h/admin%3Bx/y": "admin",
    "h/;x/admin": "admin",
    "h/%3Bx=1/admin": "admin",
    "h/%61dmin": "admin",
    "h/wiki/Special%3AExport": "page",
    "h/wiki/Special%3aExport/x": "page",
    "h/wiki;a//Special:Export": "page",
    "h/caf%C3%A9": "cafe",
    "h/caf%c3%a9": "cafe",
    "h/caf%E9": "open",
    "h/administrator": "open",
    "h/x;/admin": "open",
    "h/%2561dmin": "open",
  });
});

Deno.test("an encoded slash is refused where its two readings lead to different routes", () => {
  const router = routerOf({
    open: {},
    admin: { path: "/admin" },
    projects: { path: "/projects" },
    get: { path: "/get", methods: ["GET"] },
  });
  assertLeads(router, {
    "h/projects/group%2Fname": "projects",
    "h/x%2Fadmin": "open",
    "h/admin%2Fx": "400",
    "h/%2Fadmin": "400",
    "h/admin/a%2Fb": "admin",
    "h/get%2Fx": "400",
    "h/projects/..%2Fadmin": "400",
    "h/projects/%2F../x": "400",
    "h/projects/x%2F.": "400",
    "h/projects/x%2F..;y": "400",
  });
  assertEquals(leads(router, "h/get/a%2Fb", "POST"), "405 GET");
});

Deno.test("routes that can't be used are refused", () => {
  const bad: [routes: HttpRoute[], message: string][] = [
    [[{ match: { path: "x" }, upstream: "a" }], 'Cannot use route 0: the path "x" can\'t match'],
    [[{ match: { host: "*" }, upstream: "a" }], 'Cannot use route 0: the host "*" can\'t match'],
    [[{ match: {} }], "Cannot use route 0: it has not exactly one of upstream, redirect and respond"],
    [
      [{ match: {}, upstream: "a", respond: { status: 200 } }],
      "Cannot use route 0: it has not exactly one of upstream, redirect and respond",
    ],
    [
      [{ match: { host: "A.org", path: "/%61" }, upstream: "a" }, {
        match: { host: "a.org", path: "/a" },
        upstream: "b",
      }],
      "Cannot use route 1: an earlier one has the same host, path and method",
    ],
    [
      [{ match: { methods: ["GET"] }, upstream: "a" }, {
        match: { methods: ["POST", "GET"] },
        upstream: "b",
      }],
      "Cannot use route 1: an earlier one has the same host, path and method",
    ],
  ];
  for (const [routes, message] of bad) {
    const error = assertThrows(() => compileRoutes(routes), CulvertError);
    assertEquals([error.code, error.message], ["bad_route", message]);
  }
});

Deno.test("with a thousand routes the right one of many is found", () => {
  const matches: Record<string, RouteMatch> = {};
  for (let i = 0; i < 1000; i++) matches[`u${i}`] = { path: `/team${i % 50}/service${i}`, ...hostOf(i) };
  const router = routerOf(matches);
  for (let i = 0; i < 1000; i++) {
    const { host = "other.org" } = hostOf(i);
    assertEquals(leads(router, `${host.replace("*", "x")}/team${i % 50}/service${i}/y`), `u${i}`);
  }
  assertEquals(leads(router, "h0.example.org/team0/service1000"), "404");
});

function hostOf(i: number): { host?: string } {
  return i % 3 === 0 ? {} : { host: i % 3 === 1 ? `h${i}.example.org` : `*.d${i}.example.org` };
}
