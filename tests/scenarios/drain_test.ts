import { assertEquals } from "@std/assert";
import { hashAll } from "../support/bytes.ts";
import {
  connect,
  echo,
  ending,
  exchange,
  live,
  refused,
  silent,
  startBackend,
  startUnresponsive,
} from "../support/peers.ts";
import { type Culvert, startCulvert, THREADS } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { until } from "../support/wait.ts";

const CLOSED = { message: "connection closed" };

Deno.test("a drain under load refuses new connections, lets live ones finish, and exits with 0", async () => {
  using backend = startBackend(echo);
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  const port = culvert.port("main");
  const clients = await Promise.all(Array.from({ length: 50 }, () => connect(port)));
  await Promise.all(clients.map((client, i) => exchange(client, `client ${i}`)));

  culvert.signal("SIGTERM");
  assertEquals((await culvert.waitFor({ message: "draining" })).connections, 50);
  await refused(port);
  await Promise.all(clients.map(async (client, i) => {
    const text = `${i} `.repeat(20_000);
    const received = hashAll(client);
    await exchangeRest(client, text);
    assertEquals((await received).length, text.length);
    client.close();
  }));

  assertEquals(await culvert.exit, 0);
  assertEquals(culvert.found({ ...CLOSED, reason: "drained" }).length, 50);
  assertEquals((await culvert.waitFor({ message: "stopped" })).cut, 0);
  assertEquals(backend.live.size, 0);
});

Deno.test("SIGINT drains as SIGTERM does", async () => {
  using backend = startBackend(echo);
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  using client = await connect(culvert.port("main"));
  assertEquals(await exchange(client, "hello"), "hello");
  culvert.signal("SIGINT");
  await culvert.waitFor({ message: "draining", connections: 1 });
  assertEquals(await exchange(client, "goodbye"), "goodbye");
  client.close();
  assertEquals(await culvert.exit, 0);
});

Deno.test("what has not finished within timeouts.drain is cut, and the exit code is 1", async () => {
  using backend = startBackend(echo);
  await using culvert = await startCulvert(
    proxyConfig({ backends: [backend.address], timeouts: "drain: 1500ms" }),
  );
  const clients = await Promise.all([1, 2, 3].map(() => connect(culvert.port("main"))));
  await Promise.all(clients.map((client) => exchange(client, "hello")));
  culvert.signal("SIGTERM");
  await culvert.waitFor({ message: "draining", connections: 3 });
  clients[0]!.close();
  await Promise.all(clients.slice(1).map(ending));
  assertEquals(await culvert.exit, 1);
  await culvert.waitFor({ ...CLOSED, reason: "cut" }, 2);
  assertEquals(culvert.found({ ...CLOSED, reason: "drained" }).length, 1);
  assertEquals((await culvert.waitFor({ message: "stopped" })).cut, 2);
  await live(backend, 0);
  for (const client of clients.slice(1)) client.close();
});

Deno.test("a second signal cuts at once, and the exit code is 1", async () => {
  for (const [first, second] of [["SIGTERM", "SIGINT"], ["SIGINT", "SIGTERM"]] as const) {
    using backend = startBackend(echo);
    await using culvert = await startCulvert(
      proxyConfig({ backends: [backend.address], timeouts: "drain: 10m" }),
    );
    using client = await connect(culvert.port("main"));
    assertEquals(await exchange(client, "hello"), "hello");
    culvert.signal(first);
    await culvert.waitFor({ message: "draining" });
    culvert.signal(second);
    await ending(client);
    assertEquals(await culvert.exit, 1);
    await culvert.waitFor({ ...CLOSED, reason: "cut" });
  }
});

Deno.test("a drain does not wait for idle connections of the pool", async () => {
  using backend = startBackend(silent);
  await using culvert = await startCulvert(
    proxyConfig({ backends: [backend.address], upstream: "pool: {minIdle: 3}" }),
    { idle: 3 },
  );
  await live(backend, 3 * THREADS);
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
  await live(backend, 0);
});

Deno.test("a client whose backend is still being dialled is part of the drain", async () => {
  using full = await startUnresponsive();
  await using culvert = await startCulvert(
    proxyConfig({ backends: [full.address], timeouts: "connect: 60s, drain: 500ms" }),
  );
  using client = await connect(culvert.port("main"));
  await until(() => culvert.connections() === 2, { what: "a dial under way" });
  culvert.signal("SIGTERM");
  await culvert.waitFor({ message: "draining", connections: 1 });
  await ending(client);
  assertEquals(await culvert.exit, 1);
  await culvert.waitFor({ ...CLOSED, reason: "cut" });
});

Deno.test("a file that changes and a SIGHUP during a drain change nothing about it, and are no errors", async () => {
  using backend = startBackend(echo);
  const config = proxyConfig({ backends: [backend.address] });
  await using culvert = await startCulvert(config, { watching: true });
  {
    using client = await connect(culvert.port("main"));
    assertEquals(await exchange(client, "hello"), "hello");
    culvert.signal("SIGTERM");
    await culvert.waitFor({ message: "draining" });
    await culvert.write("nonsense: true\n");
    culvert.signal("SIGHUP");
    await culvert.waitFor({
      message: "reload ignored, the program is stopping",
      level: "INFO",
      why: "SIGHUP",
    });
    await refused(culvert.port("main"));
    assertEquals(await exchange(client, "goodbye"), "goodbye");
  }
  assertEquals(await culvert.exit, 0);
  await listened(culvert, 1);
  assertEquals(culvert.found({ message: "reloaded" }), []);
  assertEquals(culvert.found(({ level }) => level === "ERROR" || level === "WARN"), []);
});

async function listened(culvert: Culvert, times: number): Promise<void> {
  await culvert.waitFor({ message: "stopped" });
  assertEquals(culvert.found({ message: "listening" }).length, times);
}

/** Sends a text and then the end. */
async function exchangeRest(client: Deno.TcpConn, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let sent = 0; sent < bytes.length;) sent += await client.write(bytes.subarray(sent));
  await client.closeWrite();
}

Deno.test("a signal that comes twice at once, as Ctrl-C does, is one", async () => {
  using backend = startBackend(echo);
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  {
    using client = await connect(culvert.port("main"));
    assertEquals(await exchange(client, "hello"), "hello");
    culvert.signal("SIGINT");
    await culvert.waitFor({ message: "draining" });
    culvert.signal("SIGINT");
    assertEquals(await exchange(client, "goodbye"), "goodbye");
  }
  assertEquals(await culvert.exit, 0);
  await culvert.waitFor({ ...CLOSED, reason: "drained" });
});

/** Where the runtime listens for debuggers. */
const DEBUGGER = { hostname: "127.0.0.1", port: 9229 };

Deno.test("SIGUSR1 leaves no debugger open", async () => {
  await using culvert = await startCulvert(proxyConfig({ backends: ["127.0.0.1:9"] }));
  // In its first moments the runtime opens none.
  await until(() => {
    culvert.signal("SIGUSR1");
    return culvert.stderr.includes("Debugger listening");
  }, { what: "the debugger" });
  await until(() => Deno.connect(DEBUGGER).then((open) => open.close(), () => true).then(Boolean), {
    what: "the debugger's end",
  });
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});
