import { assertEquals, assertLess } from "@std/assert";
import { connect, ending, exchange, greet, readLine, startBackend } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { until, within } from "../support/wait.ts";
import { makePki } from "../tls/tls_fixture.ts";

const MAX_HANDSHAKES = 8;
const REFUSED = { message: "connection refused", reason: "refused-by-handshakes" };

/** A program whose service has room for a few handshakes, and an honest client of its. */
async function start(stack: AsyncDisposableStack, timeouts: string) {
  const pki = await makePki();
  const files = stack.use(new TlsFiles());
  const backend = stack.use(startBackend(greet("a")));
  const clientAuth = { ca: files.put("ca.pem", pki.ca.certPem), allow: [{ cn: "alice" }] };
  const culvert = stack.use(
    await startCulvert(tlsConfig({
      backends: [backend.address],
      tls: { ...files.putOwn("server", pki.server), clientAuth },
      service: `maxHandshakes: ${MAX_HANDSHAKES}`,
      timeouts,
    })),
  );
  const port = culvert.port("main");
  const own = { cert: pki.client.chainPem, key: pki.client.keyPem };
  return {
    culvert,
    backend,
    silent: async (count: number) => {
      const clients: Deno.Conn[] = [];
      for (let i = 0; i < count; i++) clients.push(await connect(port));
      await until(() => culvert.connections() >= count, { what: "the silent clients to be accepted" });
      return clients;
    },
    honest: () => Deno.connectTls({ hostname: "127.0.0.1", port, caCerts: [pki.ca.certPem], ...own }),
    knock: () => connect(port),
  };
}

/** What becomes of somebody who comes when there is no room. */
function turnedAway(connection: Deno.Conn): Promise<"end" | "reset"> {
  return within(ending(connection), { what: "the one too many to be refused" });
}

Deno.test("silent clients fill maxHandshakes: the next is refused at once, and honest ones get in after them", async () => {
  await using stack = new AsyncDisposableStack();
  const { culvert, backend, silent, honest, knock } = await start(stack, "handshake: 60s");
  using early = await honest();
  assertEquals(await readLine(early), "a");

  const clients = await silent(MAX_HANDSHAKES);
  {
    using late = await knock();
    await turnedAway(late);
  }
  const { client, backend: none } = await culvert.waitFor(REFUSED);
  assertEquals([String(client).startsWith("127.0.0.1:"), none], [true, undefined]);
  assertEquals([culvert.found(REFUSED).length, backend.accepted], [1, 1]);
  // Who has come in before is no handshake any more.
  assertEquals(await exchange(early, "still here"), "still here");

  for (const client of clients) client.close();
  await culvert.waitFor({ message: "connection refused", reason: "tls-aborted" }, MAX_HANDSHAKES);
  const later = await Promise.all(Array.from({ length: MAX_HANDSHAKES }, honest));
  for (const connection of later) {
    assertEquals(await readLine(connection), "a");
    connection.close();
  }
  assertEquals(culvert.found(REFUSED).length, 1);
  early.close();
  await culvert.waitFor({ message: "connection closed" }, MAX_HANDSHAKES + 1);
  await culvert.finish();
});

Deno.test("silent clients that stay lose their places at the deadline", async () => {
  await using stack = new AsyncDisposableStack();
  const { culvert, silent, honest, knock } = await start(stack, "handshake: 1500ms");
  const clients = await silent(MAX_HANDSHAKES);
  {
    using late = await knock();
    await turnedAway(late);
  }
  await culvert.waitFor({ message: "connection closed", reason: "handshake" }, MAX_HANDSHAKES);
  {
    using connection = await honest();
    assertEquals(await readLine(connection), "a");
  }
  for (const client of clients) client.close();
  await culvert.waitFor({ message: "connection closed" }, MAX_HANDSHAKES + 1);
  await culvert.finish();
});

Deno.test("a service that is full of handshakes again and again keeps nothing of them", async () => {
  await using stack = new AsyncDisposableStack();
  const { culvert, silent, honest, knock } = await start(stack, "handshake: 60s");
  let rounds = 0;
  const round = async () => {
    const clients = await silent(MAX_HANDSHAKES);
    const late = await Promise.all(Array.from({ length: 20 }, knock));
    await Promise.all(late.map(turnedAway));
    for (const connection of [...late, ...clients]) connection.close();
    await culvert.waitFor({ reason: "tls-aborted" }, ++rounds * MAX_HANDSHAKES);
    using connection = await honest();
    assertEquals(await readLine(connection), "a");
  };
  for (let i = 0; i < 5; i++) await round(); // So that what grows later is not the program's code.
  await culvert.settled();
  const memory = culvert.rssBytes();
  for (let i = 0; i < 20; i++) await round();
  await culvert.settled();
  const grown = culvert.rssBytes() - memory;
  assertLess(grown, 24 * 1024 * 1024, `grew by ${grown} bytes`);
  assertEquals(culvert.found(REFUSED).length, rounds * 20);
  await culvert.finish();
});
