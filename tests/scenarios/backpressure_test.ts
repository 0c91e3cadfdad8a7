import { assertEquals, assertLess } from "@std/assert";
import { hashAll, writeAll } from "../support/bytes.ts";
import { connect, echo, exchange, type Handler, live, startBackend } from "../support/peers.ts";
import { type Culvert, startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { stampedBlocks } from "../support/stamped.ts";
import { untilStill } from "../support/wait.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const CLOSED = { message: "connection closed" };

Deno.test("a client that does not read stops the backend: 1 GiB offered costs less than 2 MiB", async () => {
  const offer = new Offer();
  using backend = startBackend(offer.handler);
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  await warmUp(culvert, offer);

  const before = culvert.rssBytes();
  {
    using client = await connect(culvert.port("main"));
    await client.write(new Uint8Array([1]));
    await offer.stalled();
    const grown = culvert.rssBytes() - before;
    assertLess(grown, 2 * MIB, `grew by ${grown} bytes with ${offer.taken} bytes taken`);
  }
  await live(backend, 0);
  await culvert.finish();
});

Deno.test("a backend that does not read stops the client: 1 GiB offered costs less than 2 MiB", async () => {
  let reading = true;
  const release = Promise.withResolvers<void>();
  using backend = startBackend(async (connection) => {
    if (reading) await hashAll(connection);
    else await release.promise;
  });
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }));
  const offer = new Offer(64 * MIB);
  for (let i = 0; i < 3; i++) {
    using client = await connect(culvert.port("main"));
    await offer.send(client);
  }
  await culvert.waitFor(CLOSED, 3);

  reading = false;
  const before = culvert.rssBytes();
  const large = new Offer();
  {
    using client = await connect(culvert.port("main"));
    const sending = large.send(client).catch(() => {});
    await large.stalled();
    const grown = culvert.rssBytes() - before;
    assertLess(grown, 2 * MIB, `grew by ${grown} bytes with ${large.taken} bytes taken`);
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

/** Bytes on offer, and how far they were taken. */
class Offer {
  readonly #total: number;
  taken = 0;

  constructor(total = GIB) {
    this.#total = total;
  }

  /** Offers everything to whoever connects to a backend and says something. */
  readonly handler: Handler = async (connection) => {
    await connection.read(new Uint8Array(1));
    await this.send(connection);
  };

  async send(connection: Deno.Conn): Promise<void> {
    this.taken = 0;
    for (const block of stampedBlocks(this.#total, 1)) {
      await writeAll(connection, block);
      this.taken += block.length;
    }
    await connection.closeWrite();
  }

  /** Resolves when something has been taken, and then nothing more for half a second. */
  stalled(): Promise<void> {
    return untilStill(() => this.taken, { what: "the sender to be stopped" });
  }
}

/** So that code is compiled and buffers are in the free lists: what grows after it is the transfer's own. */
async function warmUp(culvert: Culvert, offer: Offer): Promise<void> {
  for (let i = 0; i < 4; i++) {
    using client = await connect(culvert.port("main"));
    await client.write(new Uint8Array([1]));
    const buffer = new Uint8Array(256 * 1024);
    while (offer.taken < 128 * MIB) await client.read(buffer);
  }
  await culvert.waitFor(CLOSED, 4);
  await culvert.settled();
}
