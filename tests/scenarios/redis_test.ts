import { assert, assertEquals, assertMatch } from "@std/assert";
import { output } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { startRedis } from "../support/servers.ts";

const REDIS = ["redis-server", "redis-cli", "redis-benchmark"];
const CLOSED = { message: "connection closed" };

testWith(REDIS, "redis-cli talks to Redis, with values from one byte to 20 MB", async () => {
  await using redis = await startRedis();
  await using culvert = await startCulvert(proxyConfig({ backends: [redis.address] }));
  const through = ["-h", "127.0.0.1", "-p", String(culvert.port("main"))];
  const direct = ["-h", "127.0.0.1", "-p", String(redis.port)];

  assertEquals(await output("redis-cli", [...through, "PING"]), "PONG\n");
  for (const length of [1, 4095, 4096, 4097, 262_145, 20_000_000]) {
    const value = `${length}:`.padEnd(length, "0123456789abcdef").slice(0, length);
    assertEquals(await output("redis-cli", [...through, "-x", "SET", "key"], { input: value }), "OK\n");
    assertEquals(await output("redis-cli", [...direct, "GET", "key"]), `${value}\n`);
    assert(await output("redis-cli", [...through, "GET", "key"]) === `${value}\n`, `${length} bytes differ`);
  }

  await culvert.waitFor({ ...CLOSED, reason: "client-closed" }, 13);
  await culvert.finish();
});

testWith(REDIS, "a pipelined load of redis-benchmark is carried without an error", async () => {
  await using redis = await startRedis();
  await using culvert = await startCulvert(
    proxyConfig({ backends: [redis.address], upstream: "pool: {minIdle: 2}" }),
    { idle: 2 },
  );
  const load = ["-q", "-n", "50000", "-c", "30", "-P", "16", "-d", "200", "-t", "set,get,lpush,lrange_100"];
  const report = await output("redis-benchmark", [
    "-h",
    "127.0.0.1",
    "-p",
    String(culvert.port("main")),
    ...load,
  ]);
  assertMatch(report, /SET: [\d.]+ requests per second/);
  assertMatch(report, /GET: [\d.]+ requests per second/);
  assert(!/error/i.test(report), report);

  await culvert.waitFor(CLOSED, 120);
  await culvert.finish();
});

testWith(REDIS, "a subscriber that waits gets what others publish", async () => {
  await using redis = await startRedis();
  await using culvert = await startCulvert(proxyConfig({ backends: [redis.address] }));
  const port = culvert.port("main");
  {
    using subscriber = await Deno.connect({ hostname: "127.0.0.1", port });
    await subscriber.write(new TextEncoder().encode("SUBSCRIBE news\r\n"));
    const read = async () => {
      const buffer = new Uint8Array(1024);
      return new TextDecoder().decode(buffer.subarray(0, await subscriber.read(buffer) ?? 0));
    };
    assertEquals(await read(), "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    for (let i = 0; i < 10; i++) {
      const publish = ["-h", "127.0.0.1", "-p", String(port), "PUBLISH", "news", `item ${i}`];
      assertEquals(await output("redis-cli", publish), "1\n");
      assertEquals(await read(), `*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$6\r\nitem ${i}\r\n`);
    }
  }
  await culvert.waitFor(CLOSED, 11);
  await culvert.finish();
});
