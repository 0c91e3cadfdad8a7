import { assertEquals, assertLessOrEqual } from "@std/assert";
import { hashAll } from "../support/bytes.ts";
import { Offer } from "../support/offer.ts";
import { connect, echo, exchange, live, startBackend } from "../support/peers.ts";
import { queuedBytes } from "../support/proc.ts";
import { startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";

const MIB = 1024 * 1024;
/** What the program may hold of one direction: what one read has brought, into its largest buffer. */
const HELD_BYTES = 256 * 1024;
const CLOSED = { message: "connection closed" };

Deno.test("a client that does not read stops the backend: of 1 GiB offered one buffer is held", async () => {
  const offer = new Offer();
  using backend = startBackend(async (connection) => {
    await connection.read(new Uint8Array(1));
    await offer.send(connection);
  });
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  {
    using client = await connect(culvert.port("main"));
    await client.write(new Uint8Array([1]));
    await offer.stalled();
    const held = offer.taken - queuedBytes([culvert.port("main"), portOf(backend)]);
    assertLessOrEqual(held, HELD_BYTES, `${offer.taken} bytes taken`);
  }
  await live(backend, 0);
  await culvert.finish();
});

Deno.test("a backend that does not read stops the client: of 1 GiB offered one buffer is held", async () => {
  const release = Promise.withResolvers<void>();
  using backend = startBackend(() => release.promise);
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  {
    using client = await connect(culvert.port("main"));
    const offer = new Offer();
    const sending = offer.send(client).catch(() => {});
    await offer.stalled();
    const held = offer.taken - queuedBytes([culvert.port("main"), portOf(backend)]);
    assertLessOrEqual(held, HELD_BYTES, `${offer.taken} bytes taken`);
    release.resolve();
    await sending;
  }
  await culvert.finish();
});

Deno.test("a client that reads slowly gets everything, and others are not held up by it", async () => {
  using backend = startBackend(echo);
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  {
    using slow = await connect(culvert.port("main"));
    const offer = new Offer(64 * MIB);
    const sending = offer.send(slow);
    await offer.stalled();
    using other = await connect(culvert.port("main"));
    assertEquals(await exchange(other, "quick"), "quick");
    const received = await hashAll(slow);
    await sending;
    assertEquals(received.length, 64 * MIB);
  }
  await culvert.waitFor(CLOSED, 2);
  await culvert.finish();
});

function portOf({ address }: { readonly address: string }): number {
  return Number(address.split(":").at(-1));
}
