import { assertEquals, assertMatch } from "@std/assert";
import { withResponseHeaders } from "../../src/http_proxy/response_headers.ts";
import { answering, OK, ProxyFixture, RawOrigin } from "./proxy_fixture.ts";

Deno.test("hooks are told which attempt it is, and why a request failed", async () => {
  await using broken = new RawOrigin((connection) =>
    void connection.receive("\r\n\r\n").then(() => connection.close())
  );
  await using whole = new RawOrigin(answering(OK));
  const told: unknown[] = [];
  await using proxy = new ProxyFixture([broken, whole], {
    onAttempt: ({ attempt, backend, method, path }) => void told.push([attempt, backend, method, path]),
    onError: (error, { attempt }) => void told.push([error.code, error.status, error.attempt, attempt]),
  });
  const ask = (method: string) => proxy.ask(`${method} /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`);
  assertMatch(await ask("GET"), /^HTTP\/1.1 200 /);
  assertEquals(told, [[1, broken.address, "GET", "/x"], [2, whole.address, "GET", "/x"]]);
  told.length = 0;
  assertMatch(await ask("POST"), /^HTTP\/1.1 502 /);
  assertEquals(told, [[1, broken.address, "POST", "/x"], ["backend-closed", 502, 1, 1]]);
  assertEquals(proxy.records.map(({ tries }) => tries), [2, 1]);
});

Deno.test("a hook that throws is a fault of the program: 500, and the service goes on", async () => {
  await using origin = new RawOrigin(answering(OK));
  let count = 0;
  await using proxy = new ProxyFixture([origin], {
    onAttempt() {
      if (++count === 1) throw new Error("a fault");
    },
  });
  const ask = () => proxy.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  assertMatch(await ask(), /^HTTP\/1.1 500 /);
  assertMatch(await ask(), /^HTTP\/1.1 200 /);
});

Deno.test("responseHeaders hides what runs behind the proxy, and is off by default", async () => {
  const answer = "HTTP/1.1 200 OK\r\nServer: x\r\nX-Powered-By: y\r\nContent-Length: 0\r\n\r\n";
  await using origin = new RawOrigin(answering(answer));
  const fields = async (options: { responseHeaders?: boolean }) => {
    await using proxy = new ProxyFixture([origin], options);
    const text = await proxy.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    return ["Server: x", "X-Powered-By: y", "X-Proxy-By: culvert"].map((line) => text.includes(line));
  };
  assertEquals(await fields({}), [true, true, false]);
  assertEquals(await fields({ responseHeaders: true }), [false, false, true]);
});

Deno.test("rules of a route come before those for all routes", () => {
  const routes = [
    { match: {}, upstream: "a", headers: { response: { remove: ["x-proxy_by"], set: { A: "own" } } } },
    { match: { path: "/b" }, respond: { status: 200 } },
  ];
  const [first, second] = withResponseHeaders(routes, { set: { "X-Proxy-By": "p", a: "all", B: "all" } });
  assertEquals(first!.headers!.response, { remove: ["x-proxy_by"], set: { B: "all", A: "own" }, add: {} });
  assertEquals(second, routes[1]);
});
