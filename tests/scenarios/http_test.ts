import { assertEquals, assertStringIncludes } from "@std/assert";
import { RawConnection, RawOrigin } from "../http_proxy/proxy_fixture.ts";
import { HEAD, startCulvert } from "../support/program.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

function config(address: string, path = "/"): string {
  return `${HEAD}
upstreams: {app: {backends: ["${address}"]}}
services:
  - name: web
    protocol: http
    listen: ["127.0.0.1:0"]
    routes: [{match: {path: ${path}}, upstream: app}]
`;
}

/** Answers when the test says so. */
async function heldOrigin(): Promise<{ origin: RawOrigin; answer: () => void }> {
  const held = Promise.withResolvers<void>();
  const origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n\r\n");
    await held.promise;
    await connection.send(OK);
  });
  return await Promise.resolve({ origin, answer: held.resolve });
}

async function connect(port: number): Promise<RawConnection> {
  return new RawConnection(await Deno.connect({ hostname: "127.0.0.1", port }));
}

Deno.test("a request under way at a reload or a stop is answered, and its connection closes then", async () => {
  const { origin, answer } = await heldOrigin();
  await using _origin = origin;
  await using culvert = await startCulvert(config(origin.address));
  using first = await connect(culvert.port("web"));
  await first.send("GET /old HTTP/1.1\r\nHost: a\r\n\r\n");
  await until(() => origin.received.includes("GET /old"));
  await culvert.reload(config(origin.address, "/new"));
  using second = await connect(culvert.port("web"));
  await second.send("GET /new HTTP/1.1\r\nHost: a\r\n\r\n");
  using third = await connect(culvert.port("web"));
  await third.send("GET /old HTTP/1.1\r\nHost: a\r\n\r\n");
  await third.receive("HTTP/1.1 404 Not Found\r\n");
  await until(() => origin.received.includes("GET /new"));
  culvert.signal("SIGTERM");
  await culvert.waitFor({ message: "draining" });
  answer();
  for (const client of [first, second]) {
    const text = await client.rest();
    assertStringIncludes(text, "HTTP/1.1 200 OK\r\n");
    assertStringIncludes(text, "Connection: close\r\n");
  }
  await third.rest();
  assertEquals(await culvert.exit, 0);
  const requests = culvert.found({ message: "request" });
  assertEquals(requests.map(({ path, status, reason }) => [path, status, reason]).sort(), [
    ["/new", 200, "ok"],
    ["/old", 200, "ok"],
    ["/old", 404, "no-route"],
  ]);
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
