import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import { createAuthority } from "../../src/tls/authority/authority.ts";
import type { Issued } from "../../src/tls/authority/options.ts";
import { ClientContext, type ClientContextOptions } from "../../src/tls/client_context.ts";
import { connectTls } from "../../src/tls/connect.ts";
import { TlsHandshakeError } from "../../src/tls/session/handshake_errors.ts";
import { readIdentity } from "../../src/tls/x509/identity.ts";
import { Oid } from "../../src/tls/x509/oids.ts";
import { connectionCount } from "../support/proc.ts";
import { testWith } from "../support/installed.ts";
import { until } from "../support/wait.ts";
import { inDays } from "./pki.ts";
import { PythonPeer } from "./python_peer.ts";
import {
  clientContext,
  close,
  connect,
  makePki,
  type Pki,
  pki,
  readPiece,
  serverContext,
  socketPair,
  TlsServer,
} from "./tls_fixture.ts";

/** How a server may show itself, how we look at it, and what is to come of it. */
interface Case {
  readonly what: string;
  readonly reason: string;
  /** What the server shows. @default a good certificate */
  shows?(pki: Pki): Promise<Issued>;
  readonly context?: Partial<ClientContextOptions>;
}

const CASES: readonly Case[] = [
  { what: "a good certificate for the name", reason: "ok" },
  {
    what: "a good certificate through an intermediate CA",
    reason: "ok",
    shows: async ({ ca }) => (await ca.issueIntermediate()).issueServer({ names: ["server.test"] }),
  },
  {
    what: "a wildcard for a whole top-level domain",
    reason: "name-mismatch",
    shows: ({ ca }) => ca.issueServer({ names: ["*.test"] }),
    context: { serverName: "server.test" },
  },
  {
    what: "a wildcard for the name's parent",
    reason: "ok",
    shows: ({ ca }) => ca.issueServer({ names: ["*.Example.org"] }),
    context: { serverName: "A.example.org" },
  },
  {
    what: "a wildcard, for two labels",
    reason: "name-mismatch",
    shows: ({ ca }) => ca.issueServer({ names: ["*.example.org"] }),
    context: { serverName: "a.b.example.org" },
  },
  { what: "another name", reason: "name-mismatch", context: { serverName: "other.test" } },
  {
    what: "the name as common name only",
    reason: "name-mismatch",
    shows: ({ ca }) => ca.issue({ cn: "server.test", extendedKeyUsage: [Oid.serverAuth] }),
  },
  {
    what: "another name where any will do",
    reason: "ok",
    context: { serverName: "other.test", verifyName: false },
  },
  { what: "any name where none is asked for", reason: "ok", context: { serverName: "" } },
  { what: "an IPv4 address", reason: "ok", context: { serverName: "127.0.0.1" } },
  { what: "an IPv6 address, written at length", reason: "ok", context: { serverName: "0:0:0:0:0:0:0:1" } },
  { what: "another IP address", reason: "name-mismatch", context: { serverName: "127.0.0.2" } },
  {
    what: "another CA's certificate",
    reason: "unknown-ca",
    shows: async () => (await makePki()).server,
  },
  {
    what: "another CA's certificate where anything will do",
    reason: "ok",
    shows: async () => (await makePki()).server,
    context: { verify: false },
  },
  { what: "a CA that the runtime does not know", reason: "bad-certificate", context: { ca: undefined } },
  {
    what: "a self-signed certificate",
    reason: "unknown-ca",
    shows: async () => {
      const keyUsage = ["keyCertSign", "digitalSignature"] as const;
      const { certPem, keyPem } = await createAuthority({ name: "server.test", keyUsage });
      return { ...(await pki()).server, certPem, chainPem: certPem, keyPem };
    },
  },
  {
    what: "an expired certificate",
    reason: "expired",
    shows: ({ ca }) =>
      ca.issueServer({ names: ["server.test"], notBefore: inDays(-9), notAfter: inDays(-1) }),
  },
  {
    what: "a certificate of tomorrow's",
    reason: "not-yet-valid",
    shows: ({ ca }) => ca.issueServer({ names: ["server.test"], notBefore: inDays(1), notAfter: inDays(9) }),
  },
  {
    what: "a client's certificate",
    reason: "wrong-usage",
    shows: ({ ca }) => ca.issueServer({ names: ["server.test"], extendedKeyUsage: [Oid.clientAuth] }),
  },
  {
    what: "one that the caller rejects",
    reason: "not-allowed",
    context: { verifyPeer: () => ({ ok: false, reason: "not-allowed" }) },
  },
  {
    what: "one for which the caller throws",
    reason: "failed",
    context: {
      verifyPeer: () => {
        throw new Error("no idea");
      },
    },
  },
  {
    what: "another CA's certificate that the caller would take",
    reason: "unknown-ca",
    shows: async () => (await makePki()).server,
    context: { verifyPeer: () => ({ ok: true }) },
  },
];

const made = new Map<string, Promise<Issued>>();

/** The certificate of a case. It takes long to make, so it is made once for each kind of key. */
function madeOnce(shows: (pki: Pki) => Promise<Issued>, material: Pki): Promise<Issued> {
  const key = `${CASES.findIndex((one) => one.shows === shows)} ${material.ca.certPem}`;
  const existing = made.get(key) ?? shows(material);
  made.set(key, existing);
  return existing;
}

for (const version of ["1.2", "1.3"] as const) {
  for (const algorithm of ["ecdsa-p256", "rsa-2048"] as const) {
    for (const hostname of ["127.0.0.1", "::1"]) {
      testWith(
        ["python3"],
        `TLS ${version} and ${algorithm} to Python at ${hostname}: which servers are accepted`,
        async (t) => {
          const material = await pki(algorithm);
          const ca = material.ca.certPem;
          await using peer = new PythonPeer({ role: "server", hostname, own: material.server, version, ca });
          const port = await peer.port();
          for (const { what, reason, shows, context } of CASES) {
            await t.step(`${what}: ${reason}`, async () => {
              const own = shows === undefined ? material.server : await madeOnce(shows, material);
              await peer.configure({ own, version, ca });
              const serving = await peer.begin("p = Peer()");
              const shown = clientContext(material, context);
              const connecting = connect(port, shown, { hostname });
              const outcome = connecting.catch((error) => error);
              await serving.done;
              const shaken = await peer.begin("p.handshake()");
              const session = await outcome;
              if (reason === "ok") {
                assertEquals(session.connection !== undefined ? "ok" : session.reason, "ok");
                assertEquals(await shaken.done, null);
                assertEquals(session.protocol, `TLSv${version}`);
                assertEquals(readIdentity(session.peer.chain[0]).serialNumber, own.serial);
                await peer.do('p.tls.write(b"hi") and p.flush()');
                assertEquals(await readPiece(session.connection), "hi");
                session.connection.close();
              } else {
                assertEquals(session instanceof TlsHandshakeError ? session.reason : session, reason);
                await shaken.done;
              }
            });
          }
        },
      );
    }
  }

  testWith(["python3"], `TLS ${version}: a server that does not like our certificate says so`, async () => {
    const [material, other] = [await pki(), await makePki()];
    for (const own of [undefined, other.client]) {
      await using peer = new PythonPeer({
        role: "server",
        own: material.server,
        version,
        ca: material.ca.certPem,
      });
      const port = await peer.port();
      const serving = await peer.begin("p = Peer()");
      const context = clientContext(material, { cert: own?.chainPem, key: own?.keyPem });
      const error = assertRejects(async () => {
        const { connection } = await connect(port, context);
        try {
          // With TLS 1.3 our side of the handshake is over before the server looks.
          await connection.read(new Uint8Array(1));
        } finally {
          connection.close();
        }
      }, TlsHandshakeError);
      await serving.done;
      const shaken = await peer.begin("p.handshake()");
      const { reason, alert } = await error;
      assertEquals(reason, "refused-by-peer");
      const expected = own !== undefined
        ? "unknown_ca"
        : version === "1.3"
        ? "certificate_required"
        : "handshake_failure";
      assertEquals(alert, expected);
      await shaken.done;
    }
  });

  Deno.test(`TLS ${version}: our client and our server understand each other, on every address`, async () => {
    for (const algorithm of ["ecdsa-p256", "rsa-2048", "ed25519"] as const) {
      const material = await pki(algorithm);
      for (const hostname of ["127.0.0.1", "::1"]) {
        const context = serverContext(material, {
          minVersion: version,
          maxVersion: version,
          alpn: ["h2", "x"],
        });
        await using server = new TlsServer(context, { hostname });
        const session = await connect(server.port, clientContext(material, { alpn: ["x"] }), { hostname });
        assertEquals(await readPiece(session.connection), "hello\n");
        close(session.connection);
        const accepted = await server.outcome();
        if (!("session" in accepted)) throw accepted.error;
        for (const side of [session, accepted.session]) {
          assertEquals([side.alpn, side.protocol], ["x", `TLSv${version}`]);
          assertEquals(side.cipher.startsWith("TLS_"), true);
        }
        assertEquals(accepted.session.serverName, "server.test");
        assertEquals(readIdentity(accepted.session.peer!.chain[0]!).commonNames, ["alice"]);
      }
    }
  });
}

Deno.test("versions and protocols that the two sides do not share", async (t) => {
  const material = await pki();
  const old = { minVersion: "1.2", maxVersion: "1.2" } as const;
  const cases = [
    { server: old, client: { minVersion: "1.3" }, reasons: ["no-shared-version", "refused-by-peer"] },
    { server: { minVersion: "1.3" }, client: old, reasons: ["no-shared-version", "refused-by-peer"] },
    { server: { alpn: ["a"] }, client: { alpn: ["b"] }, reasons: ["no-shared-alpn", "refused-by-peer"] },
  ] as const;
  for (const { server: ours, client, reasons } of cases) {
    await t.step(JSON.stringify({ ours, client }), async () => {
      await using server = new TlsServer(serverContext(material, ours));
      const error = await assertRejects(
        () => connect(server.port, clientContext(material, client)),
        TlsHandshakeError,
      );
      assertEquals([await server.reason(), error.reason], [...reasons]);
    });
  }
});

Deno.test("a server that accepts and never answers is given up at the deadline", async () => {
  const before = connectionCount(Deno.pid);
  const buffers = new BufferPool();
  const [ours, theirs] = await socketPair();
  const stop = new AbortController();
  const connecting = connectTls(ours, { context: clientContext(await pki()), signal: stop.signal, buffers });
  const outcome = assertRejects(() => connecting, TlsHandshakeError);
  await theirs.read(new Uint8Array(100)); // It has begun.
  stop.abort(new Error("too late"));
  const { reason, cause } = await outcome;
  assertEquals([reason, (cause as Error).message], ["timeout", "too late"]);
  theirs.close();
  await until(() => connectionCount(Deno.pid) <= before, { what: "the descriptors to be given back" });
  await until(() => buffers.inUse.small === 0, { what: "the buffer to be given back" });
});

Deno.test("a deadline that has passed already closes the connection", async () => {
  const [ours, theirs] = await socketPair();
  const options = {
    context: clientContext(await pki()),
    signal: AbortSignal.abort(),
    buffers: new BufferPool(),
  };
  const { reason } = await assertRejects(() => connectTls(ours, options), TlsHandshakeError);
  assertEquals(reason, "timeout");
  assertEquals(await theirs.read(new Uint8Array(1)), null);
  theirs.close();
});

Deno.test("what answers is no TLS, or leaves", async () => {
  const answers = [
    ["HTTP/1.1 400 Bad Request\r\n\r\n", "not-tls"],
    ["SSH-2.0-OpenSSH_9.6\r\n", "not-tls"],
    ["", "aborted"],
    ["\x16\x03\x03", "aborted"],
  ] as const;
  for (const [answer, expected] of answers) {
    const [ours, theirs] = await socketPair();
    const signal = new AbortController().signal;
    const options = { context: clientContext(await pki()), signal, buffers: new BufferPool() };
    const outcome = assertRejects(() => connectTls(ours, options), TlsHandshakeError);
    await theirs.read(new Uint8Array(2000));
    if (answer !== "") await theirs.write(Uint8Array.from(answer, (char) => char.charCodeAt(0)));
    await theirs.closeWrite();
    assertEquals((await outcome).reason, expected);
    theirs.close();
  }
});

Deno.test("a client's context that can't be used is refused when it is made", async () => {
  const [material, other] = [await pki(), await makePki()];
  const { certPem } = material.ca;
  const bad: Partial<ClientContextOptions>[] = [
    { ca: "" },
    { ca: "garbage" },
    { ca: certPem.replace("MII", "MIX") },
    { cert: "garbage" },
    { key: "garbage" },
    { key: other.client.keyPem },
    { cert: undefined },
    { key: undefined },
    { minVersion: "1.3", maxVersion: "1.2" },
    { serverName: "", verifyName: true },
  ];
  for (const options of bad) assertThrows(() => clientContext(material, options), CulvertError);
  assertEquals(new ClientContext({ serverName: "a.test" }).warnings, []);
});

Deno.test("a server's context that can't be used is refused when it is made", async () => {
  const [material, other] = [await pki(), await makePki()];
  const bad = [
    { ca: "" },
    { ca: "garbage" },
    { trust: undefined },
    { cert: "garbage" },
    { key: "garbage" },
    { key: other.server.keyPem },
    { minVersion: "1.3", maxVersion: "1.2" },
  ] as const;
  for (const options of bad) assertThrows(() => serverContext(material, options), CulvertError);
});
