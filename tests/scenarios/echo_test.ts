import { createHash } from "node:crypto";
import { assertEquals } from "@std/assert";
import { hashAll, readText, seededBytes, sha256, writeAll } from "../support/bytes.ts";
import { connect, echo, startBackend } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { stampedBlocks } from "../support/stamped.ts";

const MIB = 1024 * 1024;
const CLOSED = { message: "connection closed" };

Deno.test("20,000 writes of one byte come back in order, through an echo server", async () => {
  using backend = startBackend(echo);
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  const bytes = seededBytes(20_000, 3);
  {
    using client = await connect(culvert.port("main"));
    client.setNoDelay(true);
    const received = hashAll(client);
    for (let i = 0; i < bytes.length; i++) await client.write(bytes.subarray(i, i + 1));
    await client.closeWrite();
    assertEquals(await received, { length: bytes.length, sha256: sha256(bytes) });
  }
  const closed = await culvert.waitFor(CLOSED);
  assertEquals([closed.bytes_up, closed.bytes_down, closed.reason], [20_000, 20_000, "client-closed"]);
  await culvert.finish();
});

Deno.test("1 GiB in all comes back unchanged, through an echo server", async () => {
  using backend = startBackend(echo);
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  {
    using client = await connect(culvert.port("main"));
    const received = hashAll(client);
    assertEquals(await sendStamped(client, { total: 512 * MIB, seed: 1 }), await received);
  }
  const closed = await culvert.waitFor(CLOSED);
  assertEquals([closed.bytes_up, closed.bytes_down], [512 * MIB, 512 * MIB]);
  await culvert.finish();
});

Deno.test("both sides send at once, each its own 128 MiB, and neither disturbs the other", async () => {
  const atBackend = Promise.withResolvers<Summary[]>();
  using backend = startBackend(async (connection) => {
    atBackend.resolve(
      await Promise.all([sendStamped(connection, { total: 128 * MIB, seed: 4 }), hashAll(connection)]),
    );
  });
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  {
    using client = await connect(culvert.port("main"));
    const [sent, received] = await Promise.all([
      sendStamped(client, { total: 128 * MIB, seed: 5 }),
      hashAll(client),
    ]);
    const [sentBack, receivedThere] = await atBackend.promise;
    assertEquals([receivedThere, received], [sent, sentBack]);
  }
  await culvert.waitFor(CLOSED);
  await culvert.finish();
});

Deno.test("a client that has finished still gets its answer: half-close towards the backend", async () => {
  using backend = startBackend(async (connection) => {
    const { length, sha256 } = await hashAll(connection);
    await writeAll(connection, new TextEncoder().encode(`${length} ${sha256}`));
  });
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  for (const total of [0, 1, 4096, 16 * MIB]) {
    using client = await connect(culvert.port("main"));
    const { length, sha256 } = await sendStamped(client, { total, seed: 6 });
    assertEquals(await readText(client), `${length} ${sha256}`);
  }
  await culvert.waitFor({ ...CLOSED, reason: "client-closed" }, 4);
  await culvert.finish();
});

Deno.test("a backend that has finished still gets what is sent: half-close towards the client", async () => {
  let atBackend = Promise.withResolvers<Summary>();
  using backend = startBackend(async (connection) => {
    await sendStamped(connection, { total: 300_000, seed: 8 });
    atBackend.resolve(await hashAll(connection));
  });
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  for (const total of [0, 1, 4096, 16 * MIB]) {
    atBackend = Promise.withResolvers();
    using client = await connect(culvert.port("main"));
    assertEquals((await hashAll(client)).length, 300_000);
    assertEquals(await sendStamped(client, { total, seed: 9 }), await atBackend.promise);
  }
  await culvert.waitFor({ ...CLOSED, reason: "backend-closed" }, 4);
  await culvert.finish();
});

Deno.test("after timeouts.halfClose the side that goes on is ended too", async () => {
  using backend = startBackend(async (connection) => {
    await connection.closeWrite();
    await hashAll(connection);
  });
  await using culvert = await startCulvert(
    proxyConfig({ backends: [backend.address], timeouts: "halfClose: 500ms" }),
  );
  {
    using client = await connect(culvert.port("main"));
    assertEquals(await readText(client), "");
    await culvert.waitFor({ ...CLOSED, reason: "half-close" });
  }
  await culvert.finish();
});

Deno.test("timeouts.lifetime ends a connection that is busy all the time", async () => {
  using backend = startBackend(echo);
  await using culvert = await startCulvert(
    proxyConfig({ backends: [backend.address], timeouts: "lifetime: 500ms" }),
  );
  {
    using client = await connect(culvert.port("main"));
    const received = hashAll(client).catch(() => {});
    try {
      for (;;) await client.write(new Uint8Array(100));
    } catch {
      await received;
    }
  }
  await culvert.waitFor({ ...CLOSED, reason: "lifetime" });
  await culvert.finish();
});

interface Summary {
  readonly length: number;
  readonly sha256: string;
}

/** Sends so much that no two blocks are the same, and ends the side that it has sent it from. */
async function sendStamped(
  connection: Deno.Conn,
  { total, seed }: { total: number; seed: number },
): Promise<Summary> {
  const hash = createHash("sha256");
  for (const block of stampedBlocks(total, seed)) {
    hash.update(block);
    await writeAll(connection, block);
  }
  await connection.closeWrite();
  return { length: total, sha256: hash.digest("hex") };
}
