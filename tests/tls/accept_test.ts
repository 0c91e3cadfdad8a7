import { assertEquals } from "@std/assert";
import type { Authority } from "../../src/tls/authority/authority.ts";
import { createAuthority } from "../../src/tls/authority/authority.ts";
import { Oid } from "../../src/tls/x509/oids.ts";
import { readIdentity } from "../../src/tls/x509/identity.ts";
import { FOREIGN_CLIENTS } from "./foreign_clients.ts";
import { inDays } from "./pki.ts";
import { makePki, type Pki, pki, serverContext, TlsServer } from "./tls_fixture.ts";

/** A certificate that a client may show, and what is to come of it. */
interface Shown {
  readonly what: string;
  readonly reason: string;
  own(pki: Pki): Promise<{ cert: string; key: string } | undefined>;
}

const LET_IN = "ok";

const SHOWN: readonly Shown[] = [
  { what: "no certificate", reason: "no-certificate", own: () => Promise.resolve(undefined) },
  {
    what: "another CA's certificate",
    reason: "unknown-ca",
    own: async () => ofClient(await createAuthority({ name: "Another CA" })),
  },
  {
    what: "a certificate of another CA of the same name",
    reason: "unknown-ca",
    own: async () => ofClient(await createAuthority({ name: "Test CA" })),
  },
  {
    what: "a self-signed certificate",
    reason: "unknown-ca",
    own: async () => {
      const { certPem, keyPem } = await createAuthority({ name: "Self" });
      return { cert: certPem, key: keyPem };
    },
  },
  {
    what: "an expired certificate",
    reason: "expired",
    own: ({ ca }) => ofClient(ca, { notBefore: inDays(-9), notAfter: inDays(-1) }),
  },
  {
    what: "a certificate of tomorrow's",
    reason: "not-yet-valid",
    own: ({ ca }) => ofClient(ca, { notBefore: inDays(1), notAfter: inDays(9) }),
  },
  {
    what: "a server's certificate",
    reason: "wrong-usage",
    own: ({ ca }) => ofClient(ca, { extendedKeyUsage: [Oid.serverAuth] }),
  },
  {
    what: "a certificate whose intermediate CA is not sent",
    reason: "unknown-ca",
    own: async ({ ca }) => {
      const { certPem, keyPem } = await (await ca.issueIntermediate()).issueClient({ cn: "alice" });
      return { cert: certPem, key: keyPem };
    },
  },
  { what: "a good certificate", reason: LET_IN, own: ({ ca }) => ofClient(ca) },
  {
    what: "a certificate whose intermediate CA is sent",
    reason: LET_IN,
    own: async ({ ca }) => ofClient(await ca.issueIntermediate()),
  },
  {
    what: "a certificate without any extended usage",
    reason: LET_IN,
    own: ({ ca }) => ofClient(ca, { extendedKeyUsage: [] }),
  },
  {
    what: "the CA's own certificate",
    reason: LET_IN,
    own: ({ ca }) => Promise.resolve({ cert: ca.certPem, key: ca.keyPem }),
  },
];

const made = new Map<string, ReturnType<Shown["own"]>>();

/** The certificate of a case. It takes long to make, so it is made once for each kind of key. */
function madeOnce({ what, own }: Shown, material: Pki): ReturnType<Shown["own"]> {
  const key = `${what} ${material.ca.certPem}`;
  const existing = made.get(key) ?? own(material);
  made.set(key, existing);
  return existing;
}

async function ofClient(
  ca: Authority,
  options: { notBefore?: Date; notAfter?: Date; extendedKeyUsage?: readonly string[] } = {},
): Promise<{ cert: string; key: string }> {
  const { chainPem, keyPem } = await ca.issueClient({ cn: "alice", ...options });
  return { cert: chainPem, key: keyPem };
}

for (const client of FOREIGN_CLIENTS) {
  const missing = client.program === undefined;
  for (const version of client.versions) {
    for (const algorithm of ["ecdsa-p256", "rsa-2048"] as const) {
      for (const hostname of ["127.0.0.1", "::1"]) {
        Deno.test({
          name:
            `${client.name} with TLS ${version} and ${algorithm} to ${hostname}: who comes in, and why not` +
            (missing ? " (skipped: not installed)" : ""),
          ignore: missing,
          fn: async (t) => {
            const material = await pki(algorithm);
            await using server = new TlsServer(serverContext(material), { hostname });
            await using running = client.start();
            for (const shownCase of SHOWN) {
              const { what, reason } = shownCase;
              await t.step(`${what}: ${reason}`, async () => {
                const shown = await madeOnce(shownCase, material);
                const to = { hostname, port: server.port, ca: material.ca.certPem, version };
                const said = await running.talk({ ...to, own: shown }).catch(() => "");
                assertEquals(await server.reason(), reason);
                assertEquals(said, reason === LET_IN ? "hello\nping\n" : "");
              });
            }
            assertEquals(server.buffers.inUse, { small: 0, medium: 0, large: 0 });
          },
        });
      }
    }
  }
}

for (const clientAuth of ["none", "optional"] as const) {
  Deno.test(`client certificates are ${clientAuth}: which clients are accepted`, async (t) => {
    const material = await pki();
    const other = await makePki();
    await using server = new TlsServer(serverContext(material, { clientAuth }));
    const good = { cert: material.client.chainPem, key: material.client.keyPem };
    const bad = { cert: other.client.chainPem, key: other.client.keyPem };
    for (const client of FOREIGN_CLIENTS.filter(({ program }) => program !== undefined)) {
      await t.step(client.name, async () => {
        await using running = client.start();
        const spec = { hostname: "127.0.0.1", port: server.port, ca: material.ca.certPem };
        const version = "1.3";
        await running.talk({ ...spec, version }).catch(() => "");
        const without = await server.outcome();
        assertEquals("session" in without && without.session.peer, undefined);

        await running.talk({ ...spec, version, own: good }).catch(() => "");
        const shown = await server.outcome();
        const leaf = "session" in shown ? shown.session.peer?.chain[0] : undefined;
        const names = leaf === undefined ? [] : readIdentity(leaf).commonNames;
        assertEquals(names, clientAuth === "none" ? [] : ["alice"]);

        await running.talk({ ...spec, version, own: bad }).catch(() => "");
        assertEquals(await server.reason(), clientAuth === "none" ? "ok" : "unknown-ca");
      });
    }
  });
}
