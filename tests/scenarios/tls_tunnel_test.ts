import { assertEquals, assertLessOrEqual } from "@std/assert";
import { createHash } from "node:crypto";
import type { TlsSession } from "../../src/tls/session/handshake.ts";
import { hashAll, writeAll } from "../support/bytes.ts";
import { testWith } from "../support/installed.ts";
import { Offer } from "../support/offer.ts";
import { queuedBytes } from "../support/proc.ts";
import { type Culvert, startCulvert } from "../support/program.ts";
import { stampedBlocks } from "../support/stamped.ts";
import { tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { PythonPeer } from "../tls/python_peer.ts";
import { echoAll, makePki, type Pki, serverContext, TlsServer } from "../tls/tls_fixture.ts";

const MIB = 1024 * 1024;
const TOTAL = 16 * MIB;
/**
 * What four ends of TLS may hold of one direction each, the two of this process included: records that wait, what a
 * read has brought, and what the engine has made of it. Records are a little larger than what is in them.
 */
const HELD_BYTES = 4 * MIB;

/** Mutual TLS on both sides of the program. */
class Relay implements AsyncDisposable {
  readonly pki: Pki;
  readonly server: TlsServer;
  readonly culvert: Culvert;
  readonly #files: TlsFiles;

  constructor(parts: { pki: Pki; server: TlsServer; culvert: Culvert; files: TlsFiles }) {
    this.pki = parts.pki;
    this.server = parts.server;
    this.culvert = parts.culvert;
    this.#files = parts.files;
  }

  static async start(handler: (session: TlsSession) => Promise<void>): Promise<Relay> {
    const pki = await makePki();
    const files = new TlsFiles();
    const server = new TlsServer(serverContext(pki), { handler });
    const ca = files.put("ca.pem", pki.ca.certPem);
    const culvert = await startCulvert(tlsConfig({
      backends: [`127.0.0.1:${server.port}`],
      tls: { ...files.putOwn("server", pki.server), clientAuth: { ca, allow: [{ cn: "alice" }] } },
      upstreamTls: { ca, ...files.putOwn("client", pki.client) },
    }));
    return new Relay({ pki, server, culvert, files });
  }

  connect(): Promise<Deno.TlsConn> {
    const { ca, client } = this.pki;
    const own = { cert: client.chainPem, key: client.keyPem };
    return Deno.connectTls({
      hostname: "127.0.0.1",
      port: this.culvert.port("main"),
      caCerts: [ca.certPem],
      ...own,
    });
  }

  python(version: "1.2" | "1.3"): PythonPeer {
    const { ca, client } = this.pki;
    return new PythonPeer({
      role: "client",
      port: this.culvert.port("main"),
      ca: ca.certPem,
      own: client,
      version,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.culvert[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
    await this.#files[Symbol.asyncDispose]();
  }
}

/** Sends this many bytes; resolves to their hash. */
async function sendStamped(connection: Parameters<typeof writeAll>[0], total: number): Promise<string> {
  const hash = createHash("sha256");
  for (const block of stampedBlocks(total, 3)) {
    hash.update(block);
    await writeAll(connection, block);
  }
  return hash.digest("hex");
}

for (const version of ["1.2", "1.3"] as const) {
  testWith(
    ["python3"],
    `TLS ${version} in, TLS out: 16 MiB up, the client's half-close, 16 MiB down`,
    async () => {
      const received = Promise.withResolvers<{ length: number; sha256: string }>();
      const sent = Promise.withResolvers<string>();
      await using relay = await Relay.start(async ({ connection }) => {
        received.resolve(await hashAll(connection));
        sent.resolve(await sendStamped(connection, TOTAL));
        await connection.closeWrite();
      });
      await using peer = relay.python(version);
      await peer.connect();
      const sha256 = await peer.do(`p.send(${TOTAL}, 5)`);
      await peer.do("p.notify()");
      await peer.do("p.fin()");
      assertEquals(await received.promise, { length: TOTAL, sha256: String(sha256) });
      assertEquals(await peer.do("p.read_all()"), [TOTAL, await sent.promise, "close_notify"]);
      const closed = await relay.culvert.waitFor({ message: "connection closed" });
      assertEquals([closed.bytes_up, closed.bytes_down, closed.reason], [TOTAL, TOTAL, "client-closed"]);
      await relay.culvert.finish();
    },
  );

  testWith(
    ["python3"],
    `TLS ${version} in, TLS out: the backend's half-close, and late data goes up`,
    async () => {
      const received = Promise.withResolvers<{ length: number; sha256: string }>();
      const sent = Promise.withResolvers<string>();
      await using relay = await Relay.start(async ({ connection }) => {
        sent.resolve(await sendStamped(connection, MIB));
        await connection.closeWrite();
        received.resolve(await hashAll(connection));
      });
      await using peer = relay.python(version);
      await peer.connect();
      assertEquals(await peer.do("p.read_all()"), [MIB, await sent.promise, "close_notify"]);
      const sha256 = await peer.do(`p.send(${2 * MIB}, 5)`);
      await peer.do("p.notify()");
      await peer.do("p.fin()");
      assertEquals(await received.promise, { length: 2 * MIB, sha256: String(sha256) });
      const { reason } = await relay.culvert.waitFor({ message: "connection closed" });
      assertEquals(reason, "backend-closed");
      await relay.culvert.finish();
    },
  );
}

Deno.test("TLS in, TLS out: 16 MiB go both ways at once and are the same", async () => {
  await using relay = await Relay.start(echoAll);
  {
    using client = await relay.connect();
    const sending = sendStamped(client, TOTAL).then(async (hash) => {
      await client.closeWrite();
      return hash;
    });
    const received = await hashAll(client);
    assertEquals(received, { length: TOTAL, sha256: await sending });
  }
  await relay.culvert.waitFor({ message: "connection closed" });
  await relay.culvert.finish();
});

Deno.test("TLS in, TLS out: a peer that does not read stops the one that sends, within bounds", async () => {
  const offer = new Offer();
  const release = Promise.withResolvers<void>();
  await using relay = await Relay.start(async ({ connection }) => {
    const buffer = new Uint8Array(65_536);
    if (await connection.read(buffer) === null) return;
    if (buffer[0] === 1) await offer.send(connection).catch(() => {});
    else await release.promise;
  });
  const { culvert } = relay;
  const settled = async (count: number) => {
    await culvert.waitFor({ message: "connection closed" }, count);
    await culvert.settled();
  };
  {
    using up = await relay.connect();
    const upward = new Offer();
    await up.write(new Uint8Array([2]));
    const sending = upward.send(up).catch(() => {});
    using down = await relay.connect();
    await down.write(new Uint8Array([1]));
    await Promise.all([upward.stalled(), offer.stalled()]);
    const taken = upward.taken + offer.taken;
    const held = taken - queuedBytes([culvert.port("main"), relay.server.port]);
    assertLessOrEqual(Math.abs(held), HELD_BYTES, `${taken} bytes taken`);
    release.resolve();
    up.close();
    await sending;
  }
  await settled(2);
  await culvert.finish();
});
