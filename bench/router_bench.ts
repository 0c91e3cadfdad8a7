// What routes and access lines cost a request: the same requests with 10 and with 1,000 routes, and a line in each form.
// `deno bench -A bench/router_bench.ts`
import { type AccessRecord, formatAccess } from "../src/http_proxy/access_log.ts";
import type { HttpRoute } from "../src/http_proxy/options.ts";
import { compileRoutes } from "../src/http_proxy/router.ts";

const REQUESTS = 1000;

/** A third of the routes is for any host, a third for a name, a third for a wildcard. */
function routesOf(count: number): HttpRoute[] {
  return Array.from({ length: count }, (_, i) => {
    const hosts = [{}, { host: `h${i}.example.org` }, { host: `*.d${i}.example.org` }];
    return { match: { path: `/team${i % 50}/service${i}`, ...hosts[i % 3] }, upstream: "app" };
  });
}

for (const count of [10, 1000]) {
  const router = compileRoutes(routesOf(count));
  const requests = Array.from({ length: REQUESTS }, (_, i) => {
    const at = i % count;
    const host = ["other.org", `h${at}.example.org`, `x.d${at}.example.org`][at % 3]!;
    return { host, path: `/team${at % 50}/service${at}/items/${i}` };
  });
  Deno.bench(
    `find the route of 1,000 requests among ${count}`,
    { group: "routes", baseline: count === 10 },
    () => {
      for (const { host, path } of requests) router.match(host, path, "GET");
    },
  );
}

const RECORD: AccessRecord = {
  time: Date.UTC(2026, 0, 31, 10),
  service: "web",
  listener: "127.0.0.1:8080",
  client: "192.0.2.1",
  method: "GET",
  host: "example.org",
  path: "/api/users",
  query: "?page=2",
  version: "1.1",
  status: 200,
  bytesUp: 0,
  bytesDown: 1024,
  headMs: 0.1,
  connectMs: 0,
  firstByteMs: 1.2,
  totalMs: 1.3,
  backend: "10.0.0.11:80",
  tries: 1,
  reason: "ok",
  userAgent: "curl/8.0",
};

for (const format of ["combined", "text", "json"] as const) {
  let length = 0;
  Deno.bench(`1,000 access lines, ${format}`, { group: "lines", baseline: format === "combined" }, () => {
    // Looking at a character puts the pieces of a line together, as writing it does.
    for (let i = 0; i < 1000; i++) length += formatAccess(RECORD, format).charCodeAt(40);
  });
}
