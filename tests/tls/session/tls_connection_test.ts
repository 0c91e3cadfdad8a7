import { createHash } from "node:crypto";
import process from "node:process";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertLessOrEqual,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { eventLoopTurn } from "../../../src/core/event_loop.ts";
import { BufferPool } from "../../../src/net/buffers.ts";
import type { Connection } from "../../../src/net/connection.ts";
import { connectTls } from "../../../src/tls/connect.ts";
import { TlsHandshakeError } from "../../../src/tls/session/handshake_errors.ts";
import type { TlsConnection } from "../../../src/tls/session/tls_connection.ts";
import { hashAll, sha256, writeAll } from "../../support/bytes.ts";
import { testWith } from "../../support/installed.ts";
import { queuedBytes } from "../../support/proc.ts";
import { within } from "../../support/wait.ts";
import { PythonPeer } from "../python_peer.ts";
import {
  clientContext,
  close,
  connect,
  echoAll,
  pki,
  readPiece,
  serverContext,
  TlsServer,
} from "../tls_fixture.ts";

const VERSIONS = ["1.2", "1.3"] as const;
/** What the peer of Python sends for `p.send(count, seed)`. */
function pythonBytes(count: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => (seed + (i % 65_536)) % 251);
}

/** A server of Culvert that passes its one connection to the test, and the client of another program. */
async function withPeer(
  version: "1.2" | "1.3",
  test: (ends: { ours: TlsConnection; peer: PythonPeer; server: TlsServer }) => Promise<void>,
): Promise<void> {
  const material = await pki();
  const accepted = Promise.withResolvers<TlsConnection>();
  const over = Promise.withResolvers<void>();
  await using server = new TlsServer(serverContext(material), {
    handler: async ({ connection }) => {
      accepted.resolve(connection);
      await over.promise;
    },
  });
  const { port } = server;
  await using peer = new PythonPeer({
    role: "client",
    port,
    ca: material.ca.certPem,
    own: material.client,
    version,
  });
  await peer.connect();
  try {
    await test({ ours: await accepted.promise, peer, server });
  } finally {
    over.resolve();
  }
}

const ENDS = [
  { what: "close_notify and FIN", steps: ["p.notify()", "p.fin()"] },
  { what: "close_notify alone", steps: ["p.notify()"] },
  { what: "FIN alone", steps: ["p.fin()"] },
] as const;

for (const version of VERSIONS) {
  for (const { what, steps } of ENDS) {
    testWith(["python3"], `TLS ${version}: ${what} ends reading, and late data arrives`, async () => {
      await withPeer(version, async ({ ours, peer }) => {
        const sent = await peer.do("p.send(100_000, 1)");
        for (const step of steps) assertEquals(await peer.do(step), null);
        assertEquals(await hashAll(ours), { length: 100_000, sha256: sent as string });
        assertEquals(await ours.read(new Uint8Array(1)), null);

        const late = new Uint8Array(300_000).fill(7);
        const reading = await peer.begin("p.read_all()");
        await writeAll(ours, late);
        await ours.closeWrite();
        assertEquals(await reading.done, [late.length, sha256(late), "close_notify"]);
        assertEquals(await peer.do("p.at_end()"), true);
      });
    });

    testWith(
      ["python3"],
      `TLS ${version}: ${what} is not lost behind a mebibyte that has not been read`,
      async () => {
        await withPeer(version, async ({ ours, peer }) => {
          // A first piece is fetched and kept; the rest and the end wait in the kernel.
          const sending = await peer.begin("p.send(1_048_576, 3)");
          const first = new Uint8Array(10);
          assertEquals(await ours.read(first), 10);
          const sent = await sending.done;
          for (const step of steps) await peer.do(step);
          await peer.do("[]");
          const rest = pythonBytes(1_048_576, 3);
          assertEquals(sha256(rest), sent);
          assertEquals(await hashAll(ours), { length: rest.length - 10, sha256: sha256(rest.subarray(10)) });
        });
      },
    );
  }

  testWith(["python3"], `TLS ${version}: we end first, the peer goes on for 6 MB, slowly read`, async () => {
    await withPeer(version, async ({ ours, peer }) => {
      await ours.closeWrite();
      assertEquals(await peer.do("p.read_all()"), [0, sha256(new Uint8Array()), "close_notify"]);
      const sending = await peer.begin("p.send(6_000_000, 5)");
      let length = 0;
      let pauses = 0;
      const hash = createHash("sha256");
      const buffer = new Uint8Array(7_777);
      while (length < 6_000_000) {
        const count = await ours.read(buffer);
        if (count === null) break;
        hash.update(buffer.subarray(0, count));
        length += count;
        // Long enough for the peer to fill everything that is on the way, again and again.
        if (length < (pauses + 1) * 1_000_000) continue;
        pauses++;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assertEquals([length, pauses], [6_000_000, 6]);
      assertEquals(hash.digest("hex"), sha256(pythonBytes(6_000_000, 5)));
      await sending.done;
      await peer.do("p.notify()");
      assertEquals(await ours.read(buffer), null);
    });
  });

  testWith(
    ["python3"],
    `TLS ${version}: a reset ends both directions with an error, after what came before`,
    async () => {
      await withPeer(version, async ({ ours, peer }) => {
        await peer.do("p.send(5, 0)");
        const buffer = new Uint8Array(100);
        assertEquals(await ours.read(buffer), 5);
        const reading = assertRejects(() => ours.read(buffer));
        await peer.do("p.reset()");
        await reading;
        await assertRejects(async () => {
          for (;;) await ours.write(buffer);
        });
      });
    },
  );

  testWith(
    ["python3"],
    `TLS ${version}: a record that was modified is an error, and the peer gets an alert`,
    async () => {
      await withPeer(version, async ({ ours, peer }) => {
        const reading = assertRejects(() => ours.read(new Uint8Array(100)), TlsHandshakeError);
        await peer.do('p.s.sendall(b"\\x17\\x03\\x03\\x00\\x20" + b"x" * 32)');
        assertEquals((await reading).reason, "bad-message");
        const [, , end] = await peer.do("p.read_all()") as [number, string, string];
        assert(end.includes("BAD_RECORD_MAC"), end);
      });
    },
  );

  testWith(["python3"], `TLS ${version}: close() says close_notify`, async () => {
    await withPeer(version, async ({ ours, peer }) => {
      await writeAll(ours, new TextEncoder().encode("bye"));
      ours.close();
      assertThrows(() => ours.close(), Deno.errors.BadResource);
      const [count, , end] = await peer.do("p.read_all()") as [number, string, string];
      assertEquals([count, end], [3, "close_notify"]);
    });
  });

  testWith(
    ["python3"],
    `TLS ${version}: abort() ends without close_notify, after what was written`,
    async () => {
      await withPeer(version, async ({ ours, peer }) => {
        await writeAll(ours, new TextEncoder().encode("bye"));
        const reading = assertRejects(() => ours.read(new Uint8Array(1)), Deno.errors.BadResource);
        ours.abort();
        await reading;
        assertThrows(() => ours.abort(), Deno.errors.BadResource);
        assertThrows(() => ours.close(), Deno.errors.BadResource);
        const [count, , end] = await peer.do("p.read_all()") as [number, string, string];
        assertEquals([count, end], [3, "eof"]);
      });
    },
  );

  testWith(["python3"], `TLS ${version}: close() ends a read and a write that wait, at once`, async () => {
    await withPeer(version, async ({ ours, server }) => {
      const reading = ours.read(new Uint8Array(100));
      const writing = (async () => {
        const block = new Uint8Array(262_144);
        for (;;) await ours.write(block);
      })();
      const outcomes = Promise.allSettled([reading, writing]);
      // The peer reads nothing: a write waits before long.
      let waiting = false;
      while (!waiting) {
        const before = server.buffers.inUse;
        await new Promise((resolve) => setTimeout(resolve, 200));
        waiting = before.small === server.buffers.inUse.small;
      }
      ours.close();
      for (const outcome of await within(outcomes, { what: "both to end" })) {
        assert(outcome.status === "rejected");
        assertInstanceOf(outcome.reason, Deno.errors.BadResource);
      }
      await assertRejects(() => ours.read(new Uint8Array(1)), Deno.errors.BadResource);
      await assertRejects(() => ours.write(new Uint8Array(1)), Deno.errors.BadResource);
      await assertRejects(() => ours.closeWrite(), Deno.errors.BadResource);
    });
  });
}

for (const stalled of ["server", "client"] as const) {
  Deno.test(`a ${stalled} that does not read stops the other side, within bounds`, async () => {
    const material = await pki();
    const over = Promise.withResolvers<void>();
    const accepted = Promise.withResolvers<TlsConnection>();
    await using server = new TlsServer(serverContext(material), {
      handler: async ({ connection }) => {
        accepted.resolve(connection);
        await over.promise;
      },
    });
    const client = await connect(server.port, clientContext(material));
    const theirs = await accepted.promise;
    const [writer, reader] = stalled === "server" ? [client.connection, theirs] : [theirs, client.connection];
    // One that has begun to read, and fetched what it can.
    const block = new Uint8Array(262_144);
    let sent = 0;
    let stopped = false;
    const writing = (async () => {
      while (!stopped && sent < 600_000_000) sent += await writer.write(block);
    })().catch(() => {});
    assertEquals(await reader.read(new Uint8Array(1)), 1);
    for (let last = -1; last !== sent;) {
      last = sent;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    stopped = true;
    // What the kernel does not hold, the two connections and their engines do. Records are a little larger than what
    // is in them.
    assertLessOrEqual(Math.abs(sent - queuedBytes([server.port])), 2_000_000, `${sent} bytes sent`);
    for (let left = sent - 1; left > 0;) {
      const count = await reader.read(block);
      assert(count !== null);
      left -= count;
    }
    await writing;
    close(client.connection);
    over.resolve();
  });
}

Deno.test("Deno's own client and ours understand each other: pieces, both ways, and ends", async () => {
  const material = await pki();
  await using server = new TlsServer(serverContext(material));
  const { cert, key } = { cert: material.client.chainPem, key: material.client.keyPem };
  using theirs = await Deno.connectTls({
    hostname: "127.0.0.1",
    port: server.port,
    caCerts: [material.ca.certPem],
    ...{ cert, key },
  });
  assertEquals(await readPiece(theirs), "hello\n");
  await theirs.write(new TextEncoder().encode("ping"));
  assertEquals(await readPiece(theirs), "ping");
  assertEquals(await readPiece(theirs), null);
});

/** The processor time that this process uses until then, in microseconds. */
async function cpuTimeOf(work: Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work;
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

async function askFor(ms: number): Promise<void> {
  for (const end = performance.now() + ms; performance.now() < end;) await eventLoopTurn();
}

Deno.test("an end that the other side has no room for is waited for without work", async () => {
  const material = await pki();
  await using server = new TlsServer(serverContext(material), { handler: echoAll });
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const room = Promise.withResolvers<void>();
  let blocked = false;
  const below: Connection = {
    read: (buffer) => tcp.read(buffer),
    write: async (bytes) => {
      if (blocked) await room.promise;
      return await tcp.write(bytes);
    },
    closeWrite: () => tcp.closeWrite(),
    close: () => tcp.close(),
  };
  const context = clientContext(material);
  const signal = new AbortController().signal;
  const { connection } = await connectTls(below, { context, signal, buffers: new BufferPool() });
  try {
    blocked = true;
    const ended = connection.closeWrite();
    await new Promise((resolve) => setTimeout(resolve, 50)); // It has got as far as it can.
    const waiting = await cpuTimeOf(new Promise((resolve) => setTimeout(resolve, 300)));
    room.resolve();
    await ended;
    // Compared with a loop that asks again and again, on the same machine under the same load.
    const asking = await cpuTimeOf(askFor(300));
    assertLess(waiting, asking / 2, "microseconds of processor time");
    assertEquals(await connection.read(new Uint8Array(1)), null);
  } finally {
    connection.close();
  }
});
