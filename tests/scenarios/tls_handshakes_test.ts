import { refusals, untilRefused } from "../support/refusals.ts";
import { assertEquals, assertGreater } from "@std/assert";
import { testWith } from "../support/installed.ts";
import { connect, ending, exchange, greet, readLine, startBackend } from "../support/peers.ts";
import { Python } from "../support/python.ts";
import { startCulvert } from "../support/program.ts";
import { tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { until, within } from "../support/wait.ts";
import { makePki } from "../tls/tls_fixture.ts";

const PLACES = 8;
const REFUSED = { message: "connection refused", reason: "refused-by-handshakes" };

/** A program whose service has room for a few, and an honest client of its. */
async function start(
  stack: AsyncDisposableStack,
  { bound, timeouts, native = false }: { bound: string; timeouts: string; native?: boolean },
) {
  const pki = await makePki();
  const files = stack.use(new TlsFiles());
  const backend = stack.use(startBackend(greet("a")));
  const clientAuth = { ca: files.put("ca.pem", pki.ca.certPem), allow: [{ cn: "alice" }] };
  const culvert = stack.use(
    await startCulvert(tlsConfig({
      backends: [backend.address],
      tls: { ...files.putOwn("server", pki.server), ...(native ? { native } : { clientAuth }) },
      service: bound,
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

/** The result of a connection at the limit. */
function turnedAway(connection: Deno.Conn): Promise<"end" | "reset"> {
  return within(ending(connection), { what: "the one too many to be refused" });
}

for (const [bound, reason] of [["maxHandshakes", "handshakes"], ["maxConnections", "limit"]] as const) {
  Deno.test(`silent clients fill ${bound} and stay: honest ones get in nevertheless, again and again`, async () => {
    await using stack = new AsyncDisposableStack();
    const options = { bound: `${bound}: ${PLACES}, handshakeGrace: 0`, timeouts: "handshake: 600s" };
    const { culvert, silent, honest } = await start(stack, options);
    const clients = await silent(PLACES);
    const ended = clients.map((client) => ending(client));
    const refused = { message: "connection refused", reason: `refused-by-${reason}` };

    using early = await honest();
    assertEquals(await readLine(early), "a");
    await turnedAway(clients[0]!); // The oldest.
    for (let i = 0; i < 5; i++) {
      using late = await honest();
      assertEquals(await readLine(late), "a");
    }
    assertEquals(await exchange(early, "still here"), "still here");
    assertGreater(culvert.found(refused).length, 0);

    early.close();
    for (const client of clients) client.close();
    await Promise.all(ended);
    await culvert.settled();
    await culvert.finish();
  });
}

/** Keeps so many silent connections open from one address, and reopens each as soon as it has been closed. */
const FLOOD = `
import selectors
port, count, source = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
selector = selectors.DefaultSelector()
def open_one():
    s = socket.create_connection(("127.0.0.1", port), source_address=(source, 0))
    s.setblocking(False)
    selector.register(s, selectors.EVENT_READ)
for _ in range(count): open_one()
selector.register(sys.stdin, selectors.EVENT_READ)
say("full")
while True:
    for key, _ in selector.select():
        if key.fileobj is sys.stdin: sys.exit()
        selector.unregister(key.fileobj)
        key.fileobj.close()
        open_one()
`;

testWith(
  ["python3"],
  "a flood of silent clients from one address that never rests keeps no client from elsewhere out",
  async () => {
    await using stack = new AsyncDisposableStack();
    const options = { bound: `maxHandshakes: ${PLACES}`, timeouts: "handshake: 600s" };
    const { culvert, honest } = await start(stack, options);
    {
      await using flood = new Python(FLOOD, culvert.port("main"), 4 * PLACES, "127.0.0.2");
      assertEquals(await flood.hear(), "full");
      for (let i = 0; i < 20; i++) {
        using connection = await honest();
        assertEquals(await readLine(connection), "a");
      }
    }
    await culvert.settled();
    const lines = culvert.found({ message: "connection refused", reason: "refused-by-handshakes" });
    await untilRefused(culvert, "refused-by-handshakes", 3 * PLACES);
    assertGreater(lines.length, 0);
    assertEquals(lines.filter(({ client }) => !String(client).startsWith("127.0.0.2:")), []);
    await culvert.finish();
  },
);

Deno.test("native: silent clients fill maxHandshakes and stay: honest ones get in nevertheless", async () => {
  await using stack = new AsyncDisposableStack();
  const options = {
    bound: `maxHandshakes: ${PLACES}, handshakeGrace: 0`,
    timeouts: "handshake: 600s",
    native: true,
  };
  const { culvert, silent, honest } = await start(stack, options);
  const clients = await silent(PLACES);
  for (let i = 0; i < 5; i++) {
    using connection = await honest();
    assertEquals(await readLine(connection), "a");
  }
  await culvert.waitFor(REFUSED);
  for (const client of clients) client.close(); // Until then the runtime keeps what has been evicted.
  await culvert.finish();
});

Deno.test("silent clients that stay lose their places at the deadline", async () => {
  await using stack = new AsyncDisposableStack();
  const options = { bound: `maxHandshakes: ${PLACES}`, timeouts: "handshake: 1500ms" };
  const { culvert, silent, honest } = await start(stack, options);
  const clients = await silent(PLACES);
  await culvert.waitFor({ message: "connection closed", reason: "handshake" }, PLACES);
  {
    using connection = await honest();
    assertEquals(await readLine(connection), "a");
  }
  for (const client of clients) client.close();
  await culvert.waitFor({ message: "connection closed" }, PLACES + 1);
  await culvert.finish();
});

Deno.test("a service that is full of handshakes again and again keeps no descriptor of them", async () => {
  await using stack = new AsyncDisposableStack();
  const { culvert, silent, honest, knock } = await start(stack, {
    bound: `maxHandshakes: ${PLACES}`,
    timeouts: "handshake: 60s",
  });
  let rounds = 0;
  const round = async () => {
    const clients = await silent(PLACES);
    const late = await Promise.all(Array.from({ length: 20 }, knock));
    await untilRefused(culvert, REFUSED.reason, ++rounds * late.length); // These, or those whose places they have taken.
    for (const connection of [...late, ...clients]) connection.close();
    await untilRefused(culvert, "tls-aborted", rounds * PLACES);
    using connection = await honest();
    assertEquals(await readLine(connection), "a");
  };
  for (let i = 0; i < 10; i++) await round();
  await culvert.settled();
  assertEquals(refusals(culvert, REFUSED.reason), rounds * 20);
  await culvert.finish();
});
