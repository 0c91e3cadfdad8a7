import { assertEquals, assertGreaterOrEqual, assertStringIncludes } from "@std/assert";
import {
  connect,
  echo,
  ending,
  exchange,
  greet,
  readLine,
  silent,
  startBackend,
  startResetting,
  startUnresponsive,
} from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";

/** Ports that are closed, and that the system never picks for a listener. */
const REFUSING = ["127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1", "127.0.0.4:1"];

const CLOSED = { message: "connection closed" };

Deno.test("a backend that refuses costs a try, and the next one serves", async () => {
  using good = startBackend(echo);
  const [refusing = ""] = REFUSING;
  await using culvert = await startCulvert(
    proxyConfig({ backends: [refusing, good.address], upstream: "balance: first" }),
  );
  {
    using client = await connect(culvert.port("main"));
    assertEquals(await exchange(client, "hello"), "hello");
  }
  const closed = await culvert.waitFor(CLOSED);
  assertEquals([closed.backend, closed.tries, closed.reason], [good.address, 2, "client-closed"]);
  const failed = culvert.found({ message: "cannot connect to backend" });
  assertEquals(failed.map(({ backend }) => backend), [refusing]);
  await culvert.finish();
});

Deno.test("a backend whose queue is full is given up after timeouts.connect, and the next one serves", async () => {
  using good = startBackend(echo);
  using full = await startUnresponsive();
  await using culvert = await startCulvert(
    proxyConfig({
      backends: [full.address, good.address],
      upstream: "balance: first",
      timeouts: "connect: 500ms",
    }),
  );
  {
    using client = await connect(culvert.port("main"));
    assertEquals(await exchange(client, "patience"), "patience");
  }
  const closed = await culvert.waitFor(CLOSED);
  assertEquals([closed.backend, closed.tries, closed.reason], [good.address, 2, "client-closed"]);
  assertGreaterOrEqual(Number(closed.connect_ms), 490);
  const failed = await culvert.waitFor({ message: "cannot connect to backend" });
  assertStringIncludes(String(failed.error), `Cannot dial "${full.address}": timed out after 500ms`);
  await culvert.finish();
});

Deno.test("no backend is tried twice, and no more than retries allows", async () => {
  await using culvert = await startCulvert(proxyConfig({ backends: REFUSING, upstream: "retries: 2" }));
  using client = await connect(culvert.port("main"));
  await ending(client);

  const closed = await culvert.waitFor(CLOSED);
  assertEquals([closed.reason, closed.tries, closed.bytes_up], ["connect-failed", 3, 0]);
  assertStringIncludes(String(closed.error), 'Cannot connect to upstream "main": 3 attempts failed');
  const tried = culvert.found({ message: "cannot connect to backend" }).map(({ backend }) => backend);
  assertEquals(tried, REFUSING.slice(0, 3));
  await culvert.finish();
});

Deno.test("with all backends dead every client is closed, and told why in the log", async () => {
  const upstream = "outlier: {failures: 0}";
  await using culvert = await startCulvert(proxyConfig({ backends: REFUSING.slice(0, 2), upstream }));
  for (let i = 0; i < 20; i++) {
    using client = await connect(culvert.port("main"));
    await ending(client);
  }
  await culvert.waitFor({ ...CLOSED, reason: "connect-failed", tries: 2 }, 20);
  await culvert.finish();
});

Deno.test("backends that take nothing more leave their clients without one", async () => {
  using only = startBackend(greet("only"));
  const backends = [
    `{address: "${only.address}", maxConnections: 1}`,
    `{address: "${REFUSING[0]}", weight: 0}`,
  ];
  await using culvert = await startCulvert(proxyConfig({ backends }));
  {
    using first = await connect(culvert.port("main"));
    assertEquals(await readLine(first), "only");
    using second = await connect(culvert.port("main"));
    await ending(second);
    const closed = await culvert.waitFor(CLOSED);
    assertEquals([closed.reason, closed.tries, closed.backend], ["no-backend", 0, undefined]);
    assertStringIncludes(String(closed.error), "no backend is available");
  }
  await culvert.waitFor({ ...CLOSED, reason: "client-closed" });
  {
    using third = await connect(culvert.port("main"));
    assertEquals(await readLine(third), "only");
  }
  await culvert.waitFor({ ...CLOSED, reason: "client-closed" }, 2);
  await culvert.finish();
});

Deno.test("a backend that accepts and says nothing is left when the idle timeout runs out", async () => {
  using mute = startBackend(silent);
  await using culvert = await startCulvert(
    proxyConfig({ backends: [mute.address], timeouts: "idle: 700ms" }),
  );
  const startedAt = performance.now();
  using client = await connect(culvert.port("main"));
  await client.write(new TextEncoder().encode("hello?"));
  await ending(client);
  assertGreaterOrEqual(performance.now() - startedAt, 700);
  const closed = await culvert.waitFor(CLOSED);
  assertEquals([closed.reason, closed.bytes_up, closed.bytes_down], ["idle", 6, 0]);
  assertGreaterOrEqual(Number(closed.duration_ms), 700);
  await culvert.finish();
});

Deno.test("a backend's reset reaches the client at once, and is no error of the program", async () => {
  await using resetting = await startResetting();
  await using culvert = await startCulvert(proxyConfig({ backends: [resetting.address] }));
  using client = await connect(culvert.port("main"));
  await client.write(new TextEncoder().encode("break, please"));
  await ending(client);
  const closed = await culvert.waitFor(CLOSED);
  assertEquals([closed.reason, closed.level, closed.error], ["backend-reset", "INFO", undefined]);
  await culvert.finish();
});

Deno.test("what a backend says first reaches a client that says nothing", async () => {
  using greeting = startBackend(greet("220 ready"));
  await using culvert = await startCulvert(proxyConfig({ backends: [greeting.address] }));
  {
    using client = await connect(culvert.port("main"));
    assertEquals(await readLine(client), "220 ready");
    assertEquals(await exchange(client, "EHLO"), "EHLO");
  }
  const closed = await culvert.waitFor(CLOSED);
  assertEquals([closed.bytes_up, closed.bytes_down, closed.reason], [4, 14, "client-closed"]);
  await culvert.finish();
});

Deno.test("what a backend says before it closes early is delivered whole", async () => {
  using brief = startBackend(async (connection) => {
    await connection.write(new TextEncoder().encode("too busy\n"));
  });
  await using culvert = await startCulvert(proxyConfig({ backends: [brief.address] }));
  {
    using client = await connect(culvert.port("main"));
    assertEquals(await readLine(client), "too busy");
    assertEquals(await ending(client), "end");
  }
  const closed = await culvert.waitFor(CLOSED);
  assertEquals([closed.bytes_down, closed.reason], [9, "backend-closed"]);
  await culvert.finish();
});

Deno.test("a greeting that came while the connection waited in the pool is not lost", async () => {
  let made = 0;
  using greeting = startBackend((connection) => greet(`hello ${++made}`)(connection));
  await using culvert = await startCulvert(
    proxyConfig({ backends: [greeting.address], upstream: "pool: {minIdle: 2}" }),
    { idle: 2 },
  );
  for (let i = 0; i < 5; i++) {
    using client = await connect(culvert.port("main"));
    assertEquals((await readLine(client)).slice(0, 6), "hello ");
    assertEquals(await exchange(client, "still there"), "still there");
  }
  await culvert.waitFor(CLOSED, 5);
  await culvert.finish();
});

Deno.test("a pooled connection that its backend has ended is never given to a client", async () => {
  using ending = startBackend(greet("fresh"));
  await using culvert = await startCulvert(
    proxyConfig({ backends: [ending.address], upstream: "pool: {minIdle: 2}" }),
    { idle: 2 },
  );
  for (let round = 0; round < 5; round++) {
    for (const connection of ending.live) await connection.closeWrite();
    using client = await connect(culvert.port("main"));
    assertEquals(await readLine(client), "fresh");
    assertEquals(await exchange(client, "works"), "works");
  }
  await culvert.waitFor({ ...CLOSED, reason: "client-closed" }, 5);
  await culvert.finish();
});
