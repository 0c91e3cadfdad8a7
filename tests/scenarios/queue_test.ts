import { assertEquals } from "@std/assert";
import { testWith } from "../support/installed.ts";
import { connect, echo, ending, exchange, startBackend } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { startHaproxy } from "../support/servers.ts";
import { within } from "../support/wait.ts";

/** Answers, ends its side, and waits for the client's end. */
const startClosing = () =>
  startBackend(async (connection) => {
    await connection.read(new Uint8Array(100));
    await connection.write(new TextEncoder().encode("hello"));
    await connection.closeWrite?.();
    await connection.read(new Uint8Array(1));
  });

/** Whether a client is served that comes when it has seen the end of the one before. */
async function served(port: number): Promise<boolean> {
  using connection = await connect(port);
  try {
    await connection.write(new TextEncoder().encode("x"));
    return (await connection.read(new Uint8Array(100))) === 5 && await ending(connection) === "end";
  } catch {
    return false;
  }
}

for (
  const [what, options] of [
    ["a service", { service: "maxConnections: 1" }],
    ["a backend", {}],
  ] as const
) {
  Deno.test(`at maxConnections: 1 of ${what} connections one after the other are all served`, async () => {
    using backend = startClosing();
    const max = what === "a backend" ? 1 : 0;
    const backends = [`{address: "${backend.address}", maxConnections: ${max}}`];
    await using culvert = await startCulvert(proxyConfig({ backends, ...options }));
    const results: boolean[] = [];
    for (let i = 0; i < 100; i++) results.push(await served(culvert.port("main")));
    assertEquals(results.filter((good) => !good).length, 0);
    await culvert.finish();
  });
}

/**
 * What clients see of a queue: two that wait for the one place are served in their order as it becomes free, one that
 * leaves meanwhile is passed over, and one that waits for too long is let go.
 */
async function story(port: number): Promise<string[]> {
  const told: string[] = [];
  const first = await connect(port);
  told.push(await exchange(first, "first"));
  const [leaving, second] = [await connect(port), await connect(port)];
  const answered = exchange(second, "second").then((text) => told.push(text));
  leaving.close();
  first.close();
  await within(answered, { what: "the second client to be served" });
  const third = await connect(port);
  told.push(await within(ending(third), { what: "the third client to be let go" }));
  told.push(await exchange(second, "still second"));
  for (const connection of [second, third]) connection.close();
  return told;
}

testWith(["haproxy"], "a queue serves, passes over and lets go as that of HAProxy does", async () => {
  using backend = startBackend(echo);
  await using haproxy = await startHaproxy(`listen main
  bind 127.0.0.1:PORT
  timeout queue 2s
  option abortonclose
  server main ${backend.address} maxconn 1`);
  const expected = await story(haproxy.port);
  assertEquals(expected, ["first", "second", "end", "still second"]);

  const backends = [`{address: "${backend.address}", maxConnections: 1}`];
  const upstream = "queue: {max: 8, timeout: 2s}";
  await using culvert = await startCulvert(proxyConfig({ backends, upstream }));
  assertEquals(await story(culvert.port("main")), expected);
  await culvert.waitFor({ message: "connection closed", reason: "queue-timeout" });
  await culvert.waitFor({ message: "connection closed", reason: "client-closed" }, 3);
  await culvert.finish();
});

Deno.test("a queue that is full refuses, and a stop ends those that wait", async () => {
  using backend = startBackend(echo);
  const backends = [`{address: "${backend.address}", maxConnections: 1}`];
  const upstream = "queue: {max: 1, timeout: 600s}";
  await using culvert = await startCulvert(proxyConfig({ backends, upstream, timeouts: "drain: 300ms" }));
  const port = culvert.port("main");
  using first = await connect(port);
  assertEquals(await exchange(first, "first"), "first");
  using waiting = await connect(port);
  using refused = await connect(port);
  assertEquals(await ending(refused), "end");
  await culvert.waitFor({ message: "connection closed", reason: "queue-full" });
  culvert.signal("SIGTERM");
  assertEquals(await ending(waiting), "end");
  await culvert.waitFor({ message: "connection closed", reason: "cut" }, 2);
  assertEquals(await culvert.exit, 1);
});
