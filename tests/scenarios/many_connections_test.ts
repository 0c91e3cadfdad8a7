import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { hashAll, seededBytes, sha256, writeAll } from "../support/bytes.ts";
import { connect, exchange, greet, readLine, startBackend } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";

const CONNECTIONS = 2000;
const BYTES = 64 * 1024;

Deno.test("2,000 connections at once each get their own bytes back, and leave nothing behind", async () => {
  using a = startBackend(greet("a"));
  using b = startBackend(greet("b"));
  await using culvert = await startCulvert(proxyConfig({ backends: [a.address, b.address] }));
  const port = culvert.port("main");

  // All are open and served before any goes on.
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => connect(port)));
  const names = await Promise.all(clients.map(readLine));
  assertEquals(names.filter((name) => name === "a").length, CONNECTIONS / 2);
  assertEquals([a.live.size, b.live.size], [CONNECTIONS / 2, CONNECTIONS / 2]);
  assertGreaterOrEqual(culvert.descriptors(), 2 * CONNECTIONS);

  await Promise.all(clients.map(async (client, index) => {
    const bytes = seededBytes(BYTES, 2 * index + 1);
    const received = hashAll(client);
    await writeAll(client, bytes);
    await client.closeWrite();
    assertEquals(await received, { length: BYTES, sha256: sha256(bytes) });
    client.close();
  }));

  await culvert.waitFor(
    { message: "connection closed", bytes_up: BYTES, bytes_down: BYTES + 2 },
    CONNECTIONS,
  );
  await culvert.finish();
});

Deno.test("1,000 short connections, 50 at a time, are all served and accounted for", async () => {
  using backend = startBackend(greet("a"));
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  const port = culvert.port("main");
  let left = 1000;
  await Promise.all(Array.from({ length: 50 }, async () => {
    while (left-- > 0) {
      using client = await connect(port);
      assertEquals(await readLine(client), "a");
      assertEquals(await exchange(client, "ping"), "ping");
    }
  }));
  await culvert.waitFor({ message: "connection closed", reason: "client-closed", tries: 1 }, 1000);
  await culvert.finish();
});
