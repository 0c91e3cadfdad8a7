import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { BufferPool } from "../../src/net/buffers.ts";
import type { Connection } from "../../src/net/connection.ts";
import { prepareSocket } from "../../src/net/dial.ts";
import type { Issued } from "../../src/tls/authority/options.ts";
import type { ClientContext } from "../../src/tls/client_context.ts";
import { connectTls } from "../../src/tls/connect.ts";
import type { TlsSession } from "../../src/tls/session/handshake.ts";
import { TlsHandshakeError } from "../../src/tls/session/handshake_errors.ts";
import { FakeClock } from "../core/fake_clock.ts";
import { hashAll, writeAll } from "../support/bytes.ts";
import { testWith } from "../support/installed.ts";
import { settle } from "../support/settle.ts";
import { until } from "../support/wait.ts";
import { startOpensslServer } from "./openssl_server.ts";
import { inDays } from "./pki.ts";
import { PythonPeer } from "./python_peer.ts";
import { clientContext, close, makePki, pki, readPiece, serverContext, TlsServer } from "./tls_fixture.ts";

const NEVER = new AbortController().signal;

/** What a test looks at while we connect. */
interface Connecting {
  readonly session: Promise<TlsSession>;
  /** How the connecting has gone so far. */
  readonly state: () => "pending" | "connected" | "failed";
  /** Bytes read from the connection below so far. */
  readonly readBytes: () => number;
}

/** Connects over TCP as the program does, without waiting. */
async function begin(
  port: number,
  options: { context: ClientContext; clock?: FakeClock; signal?: AbortSignal },
): Promise<Connecting> {
  const { signal = NEVER, ...more } = options;
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
  prepareSocket(tcp);
  let readBytes = 0;
  const below: Connection = {
    read: async (buffer) => {
      const count = await tcp.read(buffer);
      readBytes += count ?? 0;
      return count;
    },
    write: (bytes) => tcp.write(bytes),
    closeWrite: () => tcp.closeWrite(),
    close: () => tcp.close(),
  };
  let state: "pending" | "connected" | "failed" = "pending";
  const session = connectTls(below, { signal, buffers: new BufferPool(), ...more });
  session.then(() => state = "connected", () => state = "failed");
  return { session, state: () => state, readBytes: () => readBytes };
}

/** A server of Python's that has our connection, but has said nothing yet. `tickets`: how many it sends. */
async function withServer(
  options: { own?: Issued; version?: "1.2" | "1.3"; tickets?: number; signal?: AbortSignal },
  test: (ends: { peer: PythonPeer; clock: FakeClock; connecting: Connecting }) => Promise<void>,
): Promise<void> {
  const material = await pki();
  const { own = material.client, version = "1.3", tickets = 0, signal = NEVER } = options;
  const ca = material.ca.certPem;
  await using peer = new PythonPeer({ role: "server", own: material.server, version, ca });
  const port = await peer.port();
  await peer.do(`context.num_tickets = ${tickets}`);
  const serving = await peer.begin("p = Peer()");
  const clock = new FakeClock();
  const context = clientContext(material, { cert: own.chainPem, key: own.keyPem });
  const connecting = await begin(port, { context, clock, signal });
  await serving.done;
  try {
    await test({ peer, clock, connecting });
  } finally {
    await connecting.session.then(({ connection }) => close(connection), () => {});
    assertEquals(clock.pending, 0);
  }
}

/** Resolves when our side of the handshake is over and the server's word is awaited. */
function untilWaiting(clock: FakeClock): Promise<void> {
  return until(() => clock.pending === 1, { what: "the wait for the server's word" });
}

for (const tickets of [2, 0]) {
  testWith(
    ["openssl"],
    `OpenSSL that sends ${tickets} tickets: its word is heard before we go on`,
    async (t) => {
      const [material, other] = [await pki(), await makePki()];
      const { ca } = material;
      const revoked = await ca.issueClient({ cn: "mallory" });
      ca.revoke(revoked.serial);
      const cases: readonly [what: string, own: Issued, alert: string | undefined][] = [
        ["a good certificate", material.client, undefined],
        ["another CA's certificate", other.client, "unknown_ca"],
        [
          "an expired certificate",
          await ca.issueClient({ cn: "old", notBefore: inDays(-9), notAfter: inDays(-1) }),
          "certificate_expired",
        ],
        ["a revoked certificate", revoked, "certificate_revoked"],
      ];
      const more = ["-num_tickets", String(tickets)];
      await using server = await startOpensslServer({
        pki: material,
        crlPem: ca.crl(),
        version: "1.3",
        more,
      });
      for (const [what, own, alert] of cases) {
        await t.step(`${what}: ${alert ?? "accepted"}`, async () => {
          const context = clientContext(material, { cert: own.chainPem, key: own.keyPem });
          // A clock that stands still: however late it comes, the rejection is waited for.
          const clock = alert === undefined ? {} : { clock: new FakeClock() };
          const { session } = await begin(server.port, { context, ...clock });
          if (alert === undefined) {
            const { connection } = await session;
            await writeAll(connection, new TextEncoder().encode("ping\n"));
            assertEquals(await readPiece(connection), "gnip\n");
            connection.close();
          } else {
            const error = await assertRejects(() => session, TlsHandshakeError);
            assertEquals([error.reason, error.alert], ["refused-by-peer", alert]);
          }
        });
      }
    },
  );
}

for (const tickets of [2, 0]) {
  for (const piece of [0, 1]) {
    const how = piece === 0 ? "" : ", a byte at a time";
    testWith(
      ["python3"],
      `Python that would send ${tickets} tickets refuses us${how}, and we hear why`,
      async () => {
        const { client } = await makePki();
        await withServer({ own: client, tickets }, async ({ peer, connecting }) => {
          await peer.do(`setattr(p, "piece", ${piece})`);
          const outcome = assertRejects(() => connecting.session, TlsHandshakeError);
          await peer.do("p.handshake()");
          assertEquals((await outcome).alert, "unknown_ca");
        });
      },
    );
  }
}

testWith(["python3"], "a server's ticket is its word: no more is waited for", async () => {
  await withServer({ tickets: 1 }, async ({ peer, connecting }) => {
    const shaken = await peer.begin("p.handshake()");
    const { connection } = await connecting.session; // Though the clock stands still.
    await shaken.done;
    await peer.do('p.tls.write(b"hi") and p.flush()');
    assertEquals(await readPiece(connection), "hi");
  });
});

testWith(
  ["python3"],
  "a server that says nothing has accepted us after twice the handshake's time",
  async (t) => {
    const cases = [[0, 20], [9, 20], [100, 200], [499, 998], [5000, 1000]] as const;
    for (const [tookMs, waitMs] of cases) {
      await t.step(`${tookMs} ms: ${waitMs} ms`, async () => {
        await withServer({}, async ({ peer, clock, connecting }) => {
          clock.advance(tookMs);
          await peer.do("p.handshake()");
          await untilWaiting(clock);
          await clock.advanceAsync(waitMs - 1);
          assertEquals(connecting.state(), "pending");
          await clock.advanceAsync(1);
          const { connection } = await connecting.session;
          const heard = await peer.begin("p.loop(lambda: p.tls.read(9)).decode()");
          await writeAll(connection, new TextEncoder().encode("hello"));
          assertEquals(await heard.done, "hello");
          await peer.do('p.tls.write(b"hi") and p.flush()');
          assertEquals(await readPiece(connection), "hi");
        });
      });
    }
  },
);

testWith(
  ["python3"],
  "what a server says first is its word, and nothing of it is lost or fetched early",
  async () => {
    await withServer({}, async ({ peer, connecting }) => {
      await peer.do("p.handshake()");
      const sending = await peer.begin("p.send(20_000_000, 4)");
      const { connection } = await connecting.session; // Though the clock stands still.
      for (let i = 0; i < 50; i++) await settle();
      // One read's worth, and perhaps the one that was under way: not what the server has to say.
      assertLess(connecting.readBytes(), 300_000);
      const reading = hashAll(connection);
      const sha256 = await sending.done as string;
      await peer.do("p.notify()");
      assertEquals(await reading, { length: 20_000_000, sha256 });
    });
  },
);

testWith(["python3"], "a greeting in the same piece as the ticket and the end is all there", async () => {
  await withServer({ tickets: 2 }, async ({ peer, connecting }) => {
    await peer.do("p.fill()");
    await peer.do("p.tls.do_handshake()"); // Wants to hear more.
    await peer.do("p.flush()");
    do await peer.do("p.fill()"); while (await peer.do("p.tls.do_handshake()") !== null);
    await peer.do('p.tls.write(b"hello")');
    await peer.do("p.notify()"); // Only now something is sent.
    await peer.do("p.fin()");
    const { connection } = await connecting.session;
    assertEquals(await readPiece(connection), "hello");
    assertEquals(await readPiece(connection), null);
  });
});

testWith(
  ["python3"],
  "a server that closes without close_notify has refused us; one that sends it has not",
  async (t) => {
    const cases = [["p.fin()", false], ["p.reset()", false], ["p.notify()", true]] as const;
    for (const [step, accepted] of cases) {
      await t.step(step, async () => {
        await withServer({}, async ({ peer, clock, connecting }) => {
          await peer.do("p.handshake()");
          await untilWaiting(clock);
          const outcome = connecting.session.catch((error) => error);
          await peer.do(step);
          const result = await outcome;
          if (accepted) assertEquals(await readPiece(result.connection), null);
          else {assertEquals([result.reason, /received the client certificate/.test(result.message)], [
              "aborted",
              true,
            ]);}
        });
      });
    }
  },
);

testWith(
  ["python3"],
  "the wait for the server's word ends with the deadline, and the connection with it",
  async () => {
    const stop = new AbortController();
    await withServer({ signal: stop.signal }, async ({ peer, clock, connecting }) => {
      await peer.do("p.handshake()");
      await untilWaiting(clock);
      stop.abort();
      assertEquals((await assertRejects(() => connecting.session, TlsHandshakeError)).reason, "timeout");
      const [count] = await peer.do("p.read_all()") as [number, string, string];
      assertEquals(count, 0);
    });
  },
);

testWith(["python3"], "TLS 1.2, and TLS without a client certificate, wait for nothing", async (t) => {
  await t.step("TLS 1.2", async () => {
    await withServer({ version: "1.2" }, async ({ peer, connecting }) => {
      const shaken = await peer.begin("p.handshake()");
      assertEquals((await connecting.session).protocol, "TLSv1.2");
      await shaken.done;
    });
  });
  await t.step("TLS 1.3 without a certificate", async () => {
    const material = await pki();
    await using peer = new PythonPeer({ role: "server", own: material.server });
    const port = await peer.port();
    await peer.do("context.num_tickets = 0");
    const serving = await peer.begin("p = Peer()");
    const clock = new FakeClock();
    const context = clientContext(material, { cert: undefined, key: undefined });
    const { session } = await begin(port, { context, clock });
    await serving.done;
    const shaken = await peer.begin("p.handshake()");
    const { connection, protocol } = await session;
    assertEquals([protocol, clock.pending], ["TLSv1.3", 0]);
    await shaken.done;
    connection.close();
  });
});

testWith(["python3"], "the server's time begins when our certificate is on its way", async () => {
  const material = await pki();
  await using peer = new PythonPeer({ role: "server", own: material.server, ca: material.ca.certPem });
  const port = await peer.port();
  await peer.do("context.num_tickets = 0");
  const serving = await peer.begin("p = Peer()");
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
  const room = Promise.withResolvers<void>();
  let writes = 0;
  const below: Connection = {
    read: (buffer) => tcp.read(buffer),
    write: async (bytes) => {
      if (++writes > 1) await room.promise;
      return await tcp.write(bytes);
    },
    closeWrite: () => tcp.closeWrite(),
    close: () => tcp.close(),
  };
  const clock = new FakeClock();
  const context = clientContext(material);
  const connecting = connectTls(below, { context, clock, signal: NEVER, buffers: new BufferPool() });
  await serving.done;
  const shaken = await peer.begin("p.handshake()");
  await untilWaiting(clock);
  await clock.advanceAsync(19);
  room.resolve();
  assertEquals(await shaken.done, null);
  await clock.advanceAsync(19);
  assertEquals(clock.pending, 1);
  await clock.advanceAsync(1);
  const { connection } = await connecting;
  assertEquals(clock.pending, 0);
  connection.close();
});

Deno.test("a server that stops reading during the handshake gets no session", async () => {
  const material = await pki();
  await using server = new TlsServer(serverContext(material, { clientAuth: "none" }));
  for (const own of [{}, { cert: undefined, key: undefined }]) {
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    let writes = 0;
    const below: Connection = {
      // In pieces, so that the write has failed when the last of them arrives.
      read: (buffer) => tcp.read(buffer.subarray(0, 200)),
      write: (bytes) =>
        ++writes === 1 ? tcp.write(bytes) : Promise.reject(new Deno.errors.BrokenPipe("gone")),
      closeWrite: () => tcp.closeWrite(),
      close: () => tcp.close(),
    };
    const options = { context: clientContext(material, own), signal: NEVER, buffers: new BufferPool() };
    const { reason } = await assertRejects(() => connectTls(below, options), TlsHandshakeError);
    assertEquals([reason, writes, await server.reason()], ["aborted", 2, "aborted"]);
  }
});

Deno.test("the rejection by a server of Culvert is reported too, whatever its reason", async () => {
  const [material, other] = [await pki(), await makePki()];
  await using server = new TlsServer(serverContext(material));
  const context = clientContext(material, { cert: other.client.chainPem, key: other.client.keyPem });
  for (let i = 0; i < 20; i++) {
    const { session } = await begin(server.port, { context, clock: new FakeClock() });
    const { reason } = await assertRejects(() => session, TlsHandshakeError);
    assertEquals([reason, await server.reason()], ["aborted", "unknown-ca"]);
  }
  const { session } = await begin(server.port, { context: clientContext(material) });
  const { connection } = await session;
  assertEquals(await readPiece(connection), "hello\n");
  connection.close();
  assert("session" in await server.outcome());
});
