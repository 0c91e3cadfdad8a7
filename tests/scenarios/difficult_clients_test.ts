import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import {
  connect,
  connectResettable,
  echo,
  ending,
  exchange,
  live,
  silent,
  startBackend,
  startUnresponsive,
} from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { until } from "../support/wait.ts";

const CLOSED = { message: "connection closed" };

Deno.test("a client's reset ends the backend's side at once, and is no error of the program", async () => {
  using backend = startBackend(echo);
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  const clients = await Promise.all(
    Array.from({ length: 50 }, () => connectResettable(culvert.port("main"))),
  );
  for (const client of clients) client.send("hello");
  await live(backend, 50);
  for (const client of clients) client.reset();
  await live(backend, 0);
  const closed = await culvert.waitFor({ ...CLOSED, reason: "client-reset" }, 50);
  assertEquals([closed.level, closed.error], ["INFO", undefined]);
  await culvert.finish();
});

Deno.test("resets in the middle of a transfer, both ways, leave nothing behind", async () => {
  using backend = startBackend(echo);
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  for (let i = 0; i < 20; i++) {
    const client = await connectResettable(culvert.port("main"));
    client.send("x".repeat(3_000_000)); // The echo is not read, so both directions are stuck when it breaks.
    await live(backend, 1);
    client.reset();
    await live(backend, 0);
  }
  await culvert.waitFor({ ...CLOSED, reason: "client-reset" }, 20);
  await culvert.finish();
});

Deno.test("clients that connect and reset without sending disturb no other client", async () => {
  using backend = startBackend(echo);
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  {
    using bystander = await connect(culvert.port("main"));
    for (let i = 0; i < 200; i++) (await connectResettable(culvert.port("main"))).reset();
    assertEquals(await exchange(bystander, "still here"), "still here");
  }
  {
    using next = await connect(culvert.port("main"));
    assertEquals(await exchange(next, "and open"), "and open");
  }
  await culvert.finish();
});

Deno.test("a client that sends nothing is closed after timeouts.idle, one that talks is not", async () => {
  using backend = startBackend(echo);
  await using culvert = await startCulvert(
    proxyConfig({ backends: [backend.address], timeouts: "idle: 3s" }),
  );
  {
    using talker = await connect(culvert.port("main"));
    using quiet = await connect(culvert.port("main"));
    const startedAt = performance.now();
    let over = false;
    const ended = ending(quiet).then(() => over = true);
    await until(async () => await exchange(talker, "x") === "x" && over, {
      what: "the quiet one to be closed",
    });
    await ended;
    assertGreaterOrEqual(performance.now() - startedAt, 2_900);
    assertEquals(await exchange(talker, "still here"), "still here");
  }
  assertEquals((await culvert.waitFor(CLOSED)).reason, "idle");
  assertEquals((await culvert.waitFor(CLOSED, 2)).reason, "client-closed");
  await culvert.finish();
});

Deno.test("a client that resets while a dial hangs ends the dial at once", async () => {
  using full = await startUnresponsive();
  await using culvert = await startCulvert(
    proxyConfig({ backends: [full.address], timeouts: "connect: 60s" }),
  );
  const clients = await Promise.all([1, 2, 3].map(() => connectResettable(culvert.port("main"))));
  await until(() => culvert.connections() === 6, { what: "three dials under way" });
  for (const client of clients) client.reset();
  const closed = await culvert.waitFor({ ...CLOSED, reason: "client-reset" }, 3);
  assertEquals([closed.backend, closed.tries], [full.address, 1]);
  await culvert.finish();
});

Deno.test("a client that leaves while a dial hangs ends the dial within a second or two", async () => {
  using full = await startUnresponsive();
  await using culvert = await startCulvert(
    proxyConfig({ backends: [full.address], timeouts: "connect: 60s" }),
  );
  {
    using _client = await connect(culvert.port("main"));
    await until(() => culvert.connections() === 2, { what: "a dial under way" });
  }
  const closed = await culvert.waitFor(CLOSED);
  assertEquals([closed.reason, closed.tries, closed.connect_ms], ["client-closed", 1, undefined]);
  await culvert.finish();
});

Deno.test("a client that leaves while it waits at the pool's bound gives its place up", async () => {
  using backend = startBackend(silent);
  await using culvert = await startCulvert(
    proxyConfig({ backends: [backend.address], upstream: "pool: {maxOpen: 1}", timeouts: "connect: 60s" }),
  );
  {
    using _first = await connect(culvert.port("main"));
    await live(backend, 1);
    const waiting = await connectResettable(culvert.port("main"));
    await until(() => culvert.connections() === 3, { what: "the second client to be accepted" });
    waiting.reset();
    assertEquals((await culvert.waitFor(CLOSED)).reason, "client-reset");
    assertEquals(backend.accepted, 1);
  }
  await culvert.waitFor({ ...CLOSED, reason: "client-closed" });
  await culvert.finish();
});
