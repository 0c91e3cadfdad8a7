import process from "node:process";
import { assertEquals, assertStrictEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import { type Authority, createAuthority } from "../../src/tls/authority/authority.ts";
import type { IssueOptions } from "../../src/tls/authority/options.ts";
import { MAX_CERTIFICATE_BYTES, rememberedCertificates } from "../../src/tls/x509/read_certificates.ts";
import { MAX_CHAIN_BYTES, type Verdict, verifyChain } from "../../src/tls/x509/path/chain.ts";
import { readIdentity, readSubject } from "../../src/tls/x509/identity.ts";
import { Oid } from "../../src/tls/x509/oids.ts";
import { TrustStore } from "../../src/tls/x509/path/trust_store.ts";
import { makeCaWeb } from "./x509/path/ca_web.ts";
import { bareCertificate } from "./x509/bare_certificate.ts";
import { derOf } from "./pki.ts";
import { clientContext, close, connect, pki, serverContext, TlsServer } from "./tls_fixture.ts";

const ca = await createAuthority();
const foreignCa = await createAuthority({ name: "Foreign CA" });
const trust = new TrustStore(ca.certPem);

function verify(chain: readonly Uint8Array[]): Verdict {
  return verifyChain(chain, { trust, now: new Date(), usage: "client" });
}

function reasonOf(verdict: Verdict): string {
  return verdict.trusted ? "trusted" : verdict.reason;
}

async function leafOf(by: Authority, options: IssueOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  return derOf((await by.issueClient({ cn: "a", ...options })).certPem)[0]!;
}

/** So many of the shortest names. */
function names(count: number): string[] {
  return Array.from({ length: count }, () => "a");
}

/** Certificates of which one part cannot be parsed. */
const BROKEN: Readonly<Record<string, IssueOptions>> = {
  "names": { extensions: [{ oid: Oid.subjectAltName, critical: false, value: new Uint8Array([0xff]) }] },
  "usages": {
    extendedKeyUsage: [],
    extensions: [{ oid: Oid.extendedKeyUsage, critical: false, value: new Uint8Array([0xff]) }],
  },
  "extensions": {
    dns: "a.test",
    extensions: [{ oid: Oid.subjectAltName, critical: false, value: new Uint8Array([0x30, 0]) }],
  },
};

for (const [what, options] of Object.entries(BROKEN)) {
  Deno.test(`${what} of an untrusted peer are not parsed, and a CA whose own cannot be parsed issues no accepted certificate`, async () => {
    const foreign = await leafOf(foreignCa, options);
    assertEquals(reasonOf(verify([foreign])), "unknown-ca");
    assertEquals(readSubject(foreign), "CN=a");
    assertThrows(() => readIdentity(foreign), CulvertError, "Cannot read a certificate");
    assertEquals(reasonOf(verify([await leafOf(ca, options)])), "bad-certificate");
  });
}

Deno.test("no signature is checked of a web of CAs whose names lead to no trusted CA", () => {
  const own = new TrustStore(bareCertificate({ cn: "Lab", extensions: [] }).certPem);
  const [foreign, namesake] = ["web", "Lab"].map((cn) => derOf(makeCaWeb({ padding: 0, cn }).chainPem));
  const cost = (chain: readonly Uint8Array[]) => {
    const before = process.cpuUsage();
    for (let time = 0; time < 50; time++) {
      const verdict = verifyChain(chain, { trust: own, now: new Date(), usage: "client" });
      assertEquals(verdict.trusted, false);
    }
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  // Where the web has the name of the trusted CA, 16 signatures are checked.
  const bounded = cost(namesake!);
  const free = cost(foreign!);
  assertEquals(free < bounded / 2, true, `${free} µs, and ${bounded} µs with signatures`);
  assertEquals(
    reasonOf(verifyChain(foreign!, { trust: own, now: new Date(), usage: "client" })),
    "unknown-ca",
  );
});

Deno.test("a certificate without a trusted issuer leaves nothing in the caches, whatever is asked about it", async () => {
  const honest = await leafOf(ca);
  const first = verify([honest]);
  const before = rememberedCertificates();
  const twin = await createAuthority();
  const chain = [await leafOf(twin), ...derOf(twin.certPem), honest, ...derOf(ca.certPem)];
  assertEquals(reasonOf(verify(chain)), "unknown-ca");
  readIdentity(chain[0]!);
  readSubject(chain[0]!);
  // One that the CA has issued, and whose signature was changed.
  const forged = new Uint8Array(await leafOf(ca));
  forged[forged.length - 1]! ^= 1;
  assertEquals(reasonOf(verify([forged])), "bad-signature");
  const expired = await leafOf(ca, { notBefore: new Date(0), notAfter: new Date(1e9) });
  assertEquals(reasonOf(verify([expired])), "expired");
  assertEquals(rememberedCertificates(), before);
  // An accepted certificate stays in the cache: the same object is returned.
  const again = verify([honest]);
  assertStrictEquals(again.trusted && again.path[0], first.trusted && first.path[0]);
  verify([await leafOf(ca)]);
  assertEquals(rememberedCertificates().count, before.count + 1);
});

Deno.test("a certificate or a chain that is too large is rejected by its size, unparsed", async () => {
  const garbage = (length: number) => new Uint8Array(length);
  const one = verify([garbage(MAX_CERTIFICATE_BYTES + 1)]);
  assertEquals(reasonOf(one), "too-large");
  assertStringIncludes(one.trusted ? "" : one.detail, "16385 bytes was sent; at most 16384 are accepted");
  const honest = await leafOf(ca);
  assertEquals(reasonOf(verify([honest, garbage(MAX_CERTIFICATE_BYTES + 1)])), "too-large");
  const rest = MAX_CHAIN_BYTES - honest.length;
  const halves = [garbage(MAX_CERTIFICATE_BYTES), garbage(rest - MAX_CERTIFICATE_BYTES)];
  assertEquals(reasonOf(verify([honest, ...halves])), "trusted");
  const many = verify([honest, ...halves, garbage(1)]);
  assertEquals(reasonOf(many), "too-large");
  assertStringIncludes(many.trusted ? "" : many.detail, "32769 bytes were sent; at most 32768 are accepted");
  const large = await leafOf(ca, { dns: names(9000) });
  for (const read of [readIdentity, readSubject]) {
    assertThrows(() => read(large), CulvertError, `${large.length} bytes`);
  }
  // As large as may be, and honest.
  const full = await leafOf(ca, { dns: names(5000) });
  const verdict = verify([full]);
  assertEquals(verdict.trusted && verdict.path[0]!.alternativeNames.length, 5000);
});

Deno.test("a listener rejects a chain that is too large, and goes on", async () => {
  const material = await pki();
  await using server = new TlsServer(serverContext(material));
  const one = await foreignCa.issueClient({ cn: "a", dns: names(9000) });
  const upper = await material.ca.issueIntermediate({ dns: names(4000) });
  const lower = await upper.issueIntermediate({ dns: names(4000) });
  const three = await lower.issueClient({ cn: "a", dns: names(4000) });
  for (const { chainPem, keyPem } of [one, three, material.client]) {
    const context = clientContext(material, { cert: chainPem, key: keyPem });
    const session = await connect(server.port, context).catch(() => undefined);
    if (session !== undefined) close(session.connection);
    assertEquals(await server.reason(), chainPem === material.client.chainPem ? "ok" : "too-large");
  }
});
