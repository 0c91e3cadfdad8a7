import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Authority, createAuthority } from "../../../../src/tls/authority/authority.ts";
import type { IssueOptions } from "../../../../src/tls/authority/options.ts";
import { type ChainRefusal, verifyChain } from "../../../../src/tls/x509/path/chain.ts";
import { CrlSet } from "../../../../src/tls/x509/crl/set.ts";
import { Oid } from "../../../../src/tls/x509/oids.ts";
import { TrustStore } from "../../../../src/tls/x509/path/trust_store.ts";
import { findProgram } from "../../../support/installed.ts";
import { opensslVerify } from "../../openssl.ts";
import { commonName, seq, tlv } from "../raw_certificate.ts";
import { crlSet, derOf, inDays, STRANGE } from "../../pki.ts";
import { testKey } from "../../test_keys.ts";

/** A chain, and what it is measured against. */
interface Case {
  readonly leaf: string;
  /** What is sent after the leaf. */
  readonly sent?: string;
  /** @default the root of the table */
  readonly trust?: string;
  readonly crls?: string;
  readonly now?: Date;
  readonly usage?: "client" | "server";
}

interface Row {
  readonly name: string;
  readonly expected: ChainRefusal | "trusted";
  readonly make: (ca: Authority) => Promise<Case>;
  /** Where OpenSSL decides otherwise, and why that is right for it or for us. */
  readonly opensslDiffers?: string;
}

/** A row for a client certificate with these peculiarities, right below the root. */
function client(name: string, expected: Row["expected"], options: IssueOptions): Row {
  return {
    name,
    expected,
    make: async (ca) => ({ leaf: (await ca.issueClient({ cn: "client", ...options })).certPem }),
  };
}

/** A row for an honest client below an intermediate CA with these peculiarities, which is sent. */
function below(name: string, expected: Row["expected"], options: IssueOptions): Row {
  return {
    name,
    expected,
    make: async (ca) => {
      const intermediate = await ca.issueIntermediate(options);
      return { leaf: (await intermediate.issueClient({ cn: "client" })).certPem, sent: intermediate.certPem };
    },
  };
}

/** Name constraints that permit what lies below this directory name. */
function permitted(name: Uint8Array): Uint8Array<ArrayBuffer> {
  return seq(tlv(0xa0, seq(tlv(0xa4, name))));
}

/** The same CA, certified by another one: same name and key. */
async function crossSign(by: Authority, which: Authority, options: IssueOptions = {}): Promise<string> {
  const { keyPem } = which;
  return (await by.issue({ cn: "Culvert intermediate CA", isCa: true, keyPem, ...options })).certPem;
}

const LEAVES: readonly Row[] = [
  client("an honest client", "trusted", {}),
  client("a client without any extended usage", "trusted", { extendedKeyUsage: [] }),
  client("a client without any key usage", "trusted", { keyUsage: [] }),
  client("a client that is a server too", "trusted", { extendedKeyUsage: [Oid.serverAuth, Oid.clientAuth] }),
  client("a client with a strange extension that is not critical", "trusted", {
    extensions: [{ ...STRANGE, critical: false }],
  }),
  client("a client that has expired", "expired", { notBefore: inDays(-20), notAfter: inDays(-1) }),
  client("a client that is not yet valid", "not-yet-valid", { notBefore: inDays(1) }),
  client("a certificate for servers only", "wrong-usage", { extendedKeyUsage: [Oid.serverAuth] }),
  {
    ...client("a certificate for any usage", "wrong-usage", { extendedKeyUsage: [Oid.anyExtendedKeyUsage] }),
  },
  client("a key that may not sign", "wrong-usage", { keyUsage: ["keyEncipherment"] }),
  client("an unknown critical extension", "bad-certificate", {
    extensions: [{ ...STRANGE, critical: true }],
  }),
  client("a CA as a client", "trusted", { isCa: true, keyUsage: ["digitalSignature", "keyCertSign"] }),
  client("a CA as a client that may sign certificates only", "wrong-usage", {
    isCa: true,
    keyUsage: ["keyCertSign"],
  }),
  client("a client that may only agree on keys", "trusted", { keyUsage: ["keyAgreement"] }),
  {
    name: "a server, as a server",
    expected: "trusted",
    make: async (ca) => ({ leaf: (await ca.issueServer({ names: ["a.test"] })).certPem, usage: "server" }),
  },
  {
    name: "a client, as a server",
    expected: "wrong-usage",
    make: async (ca) => ({ leaf: (await ca.issueClient({ cn: "a" })).certPem, usage: "server" }),
  },
  {
    name: "a client of another CA",
    expected: "unknown-ca",
    make: async () => ({
      leaf: (await (await createAuthority({ name: "Other" })).issueClient({ cn: "a" })).certPem,
    }),
  },
  {
    name: "a client of another CA that goes by the same name",
    expected: "unknown-ca",
    make: async () => ({ leaf: (await (await createAuthority()).issueClient({ cn: "a" })).certPem }),
  },
  {
    name: "a client of another CA, which is sent along",
    expected: "unknown-ca",
    make: async () => {
      const other = await createAuthority({ name: "Other" });
      return { leaf: (await other.issueClient({ cn: "a" })).certPem, sent: other.certPem };
    },
  },
  {
    name: "a client that has signed its certificate itself",
    expected: "unknown-ca",
    make: async () => ({ leaf: (await createAuthority({ name: "self" })).certPem }),
  },
  {
    name: "a client that has signed its certificate itself, and is trusted",
    expected: "trusted",
    make: async () => {
      const leaf =
        (await createAuthority({ name: "self", keyUsage: ["digitalSignature", "keyCertSign"] })).certPem;
      return { leaf, trust: leaf };
    },
  },
  {
    name: "the CA's own certificate",
    expected: "trusted",
    make: (ca) => Promise.resolve({ leaf: ca.certPem }),
    opensslDiffers: "it wants the key usage to say that the CA may be a client",
  },
  {
    name: "a leaf that is trusted itself, and not its issuer",
    expected: "trusted",
    make: async () => {
      const leaf = (await (await createAuthority({ name: "Other" })).issueClient({ cn: "pinned" })).certPem;
      return { leaf, trust: leaf };
    },
  },
  {
    name: "a client below a trusted leaf that is no CA",
    expected: "wrong-usage",
    make: async (ca) => {
      const leaf = await ca.issueClient({ cn: "Culvert intermediate CA" });
      const fake = await ca.issueIntermediate({ keyPem: leaf.keyPem });
      return { leaf: (await fake.issueClient({ cn: "a" })).certPem, trust: leaf.certPem };
    },
  },
];

const CHAINS: readonly Row[] = [
  below("a client below an intermediate CA that is sent", "trusted", {}),
  below("an intermediate CA that allows no further one", "trusted", { pathLen: 0 }),
  below("an intermediate CA that has expired", "expired", { notBefore: inDays(-20), notAfter: inDays(-1) }),
  below("an intermediate CA that is not yet valid", "not-yet-valid", { notBefore: inDays(1) }),
  below("an intermediate that is no CA", "wrong-usage", { isCa: false, keyUsage: ["keyCertSign"] }),
  below("an intermediate CA that may not sign certificates", "wrong-usage", { keyUsage: ["cRLSign"] }),
  below("an intermediate CA for servers only", "wrong-usage", { extendedKeyUsage: [Oid.serverAuth] }),
  below("an intermediate CA for clients", "trusted", { extendedKeyUsage: [Oid.clientAuth] }),
  below("an intermediate CA with an unknown critical extension", "bad-certificate", {
    extensions: [{ ...STRANGE, critical: true }],
  }),
  ...[true, false].map((critical) =>
    below(
      `an intermediate CA for other names than the client's, critical: ${critical}`,
      "name-not-permitted",
      {
        extensions: [{
          oid: Oid.nameConstraints,
          critical,
          value: permitted(commonName("another")),
        }],
      },
    )
  ),
  below("an intermediate CA for the names of the client", "trusted", {
    extensions: [{ oid: Oid.nameConstraints, critical: true, value: permitted(commonName("client")) }],
  }),
  {
    name: "an intermediate CA that is not sent",
    expected: "unknown-ca",
    make: async (ca) => ({ leaf: (await (await ca.issueIntermediate()).issueClient({ cn: "a" })).certPem }),
  },
  {
    name: "an intermediate CA that is trusted itself, without its root",
    expected: "trusted",
    make: async (ca) => {
      const intermediate = await ca.issueIntermediate();
      return { leaf: (await intermediate.issueClient({ cn: "a" })).certPem, trust: intermediate.certPem };
    },
  },
  {
    name: "two intermediate CAs, sent in the wrong order with the root and something else",
    expected: "trusted",
    make: async (ca) => {
      const upper = await ca.issueIntermediate({ cn: "Upper" });
      const lower = await upper.issueIntermediate({ cn: "Lower" });
      const other = (await createAuthority({ name: "Other" })).certPem;
      const leaf = (await lower.issueClient({ cn: "a" })).certPem;
      return { leaf, sent: ca.certPem + other + upper.certPem + lower.certPem };
    },
  },
  {
    name: "one CA more than the upper one allows",
    expected: "wrong-usage",
    make: async (ca) => {
      const upper = await ca.issueIntermediate({ cn: "Upper", pathLen: 0 });
      const lower = await upper.issueIntermediate({ cn: "Lower" });
      return { leaf: (await lower.issueClient({ cn: "a" })).certPem, sent: upper.certPem + lower.certPem };
    },
  },
  {
    name: "a client below a client",
    expected: "wrong-usage",
    make: async (ca) => {
      const holder = await ca.issueClient({ cn: "Culvert intermediate CA" });
      const fake = await ca.issueIntermediate({ keyPem: holder.keyPem });
      return { leaf: (await fake.issueClient({ cn: "admin" })).certPem, sent: holder.certPem };
    },
  },
  {
    name: "a root that has expired",
    expected: "expired",
    make: async () => {
      const old = await createAuthority({ notBefore: inDays(-20), notAfter: inDays(-1) });
      return { leaf: (await old.issueClient({ cn: "a", notAfter: inDays(1) })).certPem, trust: old.certPem };
    },
  },
  {
    name: "a root that allows no CA, and one that is there",
    expected: "wrong-usage",
    make: async () => {
      const root = await createAuthority({ pathLen: 0 });
      const intermediate = await root.issueIntermediate();
      const leaf = (await intermediate.issueClient({ cn: "a" })).certPem;
      return { leaf, sent: intermediate.certPem, trust: root.certPem };
    },
  },
  {
    name: "a cross-signed CA, of which one way leads to the root",
    expected: "trusted",
    make: async (ca) => {
      const other = await createAuthority({ name: "Other" });
      const intermediate = await other.issueIntermediate();
      const leaf = (await intermediate.issueClient({ cn: "a" })).certPem;
      return { leaf, sent: intermediate.certPem + await crossSign(ca, intermediate) };
    },
    opensslDiffers: "it does not go back to try another way",
  },
  {
    name: "a cross-signed CA, of which the first way has expired",
    expected: "trusted",
    make: async (ca) => {
      const intermediate = await ca.issueIntermediate({ notBefore: inDays(-20), notAfter: inDays(-1) });
      const leaf = (await intermediate.issueClient({ cn: "a", notAfter: inDays(1) })).certPem;
      return { leaf, sent: intermediate.certPem + await crossSign(ca, intermediate) };
    },
  },
  {
    name: "two CAs that certify each other, and no root",
    expected: "unknown-ca",
    make: async () => {
      const a = await createAuthority({ name: "Culvert intermediate CA" });
      const b = await createAuthority({ name: "B" });
      const aByB = await crossSign(b, a);
      const bByA = await crossSign(a, b, { cn: "B" });
      return { leaf: (await a.issueClient({ cn: "x" })).certPem, sent: aByB + bByA + a.certPem + b.certPem };
    },
  },
];

const REVOCATION: readonly Row[] = [
  {
    name: "a client that is not on the CRL",
    expected: "trusted",
    make: async (ca) => ({ leaf: (await ca.issueClient({ cn: "a" })).certPem, crls: ca.crl() }),
  },
  {
    name: "a client that was revoked",
    expected: "revoked",
    make: async (ca) => {
      const { certPem, serial } = await ca.issueClient({ cn: "a" });
      ca.revoke(serial);
      return { leaf: certPem, crls: ca.crl() };
    },
  },
  {
    name: "a CRL that has expired",
    expected: "crl-expired",
    make: async (ca) => ({
      leaf: (await ca.issueClient({ cn: "a" })).certPem,
      crls: ca.crl({ now: inDays(-2), nextUpdate: inDays(-1) }),
    }),
  },
  {
    name: "a CRL that does not hold yet",
    expected: "crl-not-yet-valid",
    make: async (ca) => ({
      leaf: (await ca.issueClient({ cn: "a" })).certPem,
      crls: ca.crl({ now: inDays(1) }),
    }),
  },
  {
    name: "the CRL of another issuer",
    expected: "crl-missing",
    make: async (ca) => ({
      leaf: (await ca.issueClient({ cn: "a" })).certPem,
      crls: (await createAuthority({ name: "Other" })).crl(),
    }),
  },
  {
    name: "the CRL of another issuer that goes by the same name",
    expected: "crl-unreadable",
    make: async (ca) => ({
      leaf: (await ca.issueClient({ cn: "a" })).certPem,
      crls: (await createAuthority()).crl(),
    }),
  },
  {
    name: "a CRL of a CA that may not sign any",
    expected: "crl-unreadable",
    make: async () => {
      const root = await createAuthority({ keyUsage: ["keyCertSign"] });
      return { leaf: (await root.issueClient({ cn: "a" })).certPem, trust: root.certPem, crls: root.crl() };
    },
  },
  {
    name: "CRLs of the root and of the intermediate CA",
    expected: "trusted",
    make: async (ca) => {
      const intermediate = await ca.issueIntermediate();
      const leaf = (await intermediate.issueClient({ cn: "a" })).certPem;
      return { leaf, sent: intermediate.certPem, crls: ca.crl() + intermediate.crl() };
    },
  },
  {
    name: "a CRL of the root alone",
    expected: "crl-missing",
    make: async (ca) => {
      const intermediate = await ca.issueIntermediate();
      const leaf = (await intermediate.issueClient({ cn: "a" })).certPem;
      return { leaf, sent: intermediate.certPem, crls: ca.crl() };
    },
  },
  {
    name: "an intermediate CA that was revoked",
    expected: "revoked",
    make: async (ca) => {
      const issued = await ca.issueIntermediate({ serial: "77" });
      ca.revoke("77", { reason: "cACompromise" });
      const leaf = (await issued.issueClient({ cn: "a" })).certPem;
      return { leaf, sent: issued.certPem, crls: ca.crl() + issued.crl() };
    },
  },
  {
    name: "an old CRL without it and a new one with it",
    expected: "revoked",
    make: async (ca) => {
      const { certPem, serial } = await ca.issueClient({ cn: "a" });
      const old = ca.crl({ now: inDays(-5) });
      ca.revoke(serial);
      return { leaf: certPem, crls: old + ca.crl() };
    },
  },
];

async function checkRow(row: Row, ca: Authority, name: string): Promise<void> {
  const made = await row.make(ca);
  const { leaf, sent = "", trust = ca.certPem, crls, now = new Date(), usage = "client" } = made;
  const verdict = verifyChain(derOf(leaf, sent), {
    trust: new TrustStore(trust),
    crls: crls === undefined ? undefined : crlSet(crls),
    now,
    usage,
  });
  const found = verdict.trusted ? "trusted" : verdict.reason;
  assertEquals(found, row.expected, verdict.trusted ? name : `${name}: ${verdict.detail}`);
  if (findProgram("openssl") === undefined) return;
  const theirs = await opensslVerify({
    leafPem: leaf,
    sentPem: sent,
    trustPem: trust,
    ...(crls === undefined ? {} : { crlPem: crls }),
    ...{ now, usage },
  });
  const agrees = theirs.good === verdict.trusted;
  assertEquals(agrees, row.opensslDiffers === undefined, `${name}: OpenSSL says ${theirs.said}`);
}

for (const algorithm of ["ecdsa-p256", "rsa-2048"] as const) {
  for (const [what, rows] of Object.entries({ leaf: LEAVES, chain: CHAINS, CRL: REVOCATION })) {
    Deno.test(`every kind of ${what} gets the verdict that it should, with ${algorithm}`, async () => {
      for (const row of rows) {
        // Each has a CA of its own, so that nothing revoked in one row shows in another.
        await checkRow(row, await createAuthority({ algorithm, newKey: testKey }), row.name);
      }
    });
  }
}

Deno.test("chains with keys of every kind, mixed, are good", async () => {
  const root = await createAuthority({ algorithm: "rsa-2048", newKey: testKey });
  const upper = await root.issueIntermediate({ algorithm: "ecdsa-p384", cn: "Upper" });
  const lower = await upper.issueIntermediate({ algorithm: "ed25519", cn: "Lower" });
  const { chainPem } = await lower.issueClient({ cn: "a", algorithm: "ecdsa-p256" });
  const verdict = verifyChain(derOf(chainPem), {
    trust: new TrustStore(root.certPem),
    crls: crlSet(root.crl(), upper.crl(), lower.crl()),
    now: new Date(),
    usage: "client",
  });
  assertEquals(verdict.trusted && verdict.path.length, 4);
});

Deno.test("dates and revocation are looked at each time, also where everything is remembered", async () => {
  const ca = await createAuthority();
  const { certPem, serial, notAfter } = await ca.issueClient({ cn: "a" });
  const trust = new TrustStore(ca.certPem);
  const chain = derOf(certPem);
  const reasonAt = (now: Date, crls?: CrlSet) => {
    const verdict = verifyChain(chain, { trust, crls, now, usage: "client" });
    return verdict.trusted ? "trusted" : verdict.reason;
  };
  assertEquals(reasonAt(new Date()), "trusted");
  assertEquals(reasonAt(notAfter), "trusted");
  assertEquals(reasonAt(new Date(notAfter.getTime() + 1)), "expired");
  const good = crlSet(ca.crl());
  assertEquals(reasonAt(new Date(), good), "trusted");
  assertEquals(reasonAt(inDays(31), good), "crl-expired");
  ca.revoke(serial);
  assertEquals(reasonAt(new Date(), crlSet(ca.crl())), "revoked");
  assertEquals(reasonAt(new Date(), new CrlSet([])), "crl-missing");
  assertEquals(reasonAt(new Date(), CrlSet.unreadable("no such file")), "crl-unreadable");
  assertEquals(reasonAt(new Date()), "trusted");
  // A CA that is trusted no longer shuts out its clients at once.
  const other = await createAuthority({ name: "Other" });
  const now = new Date();
  const verdict = verifyChain(chain, { trust: new TrustStore(other.certPem), now, usage: "client" });
  assertEquals(verdict.trusted ? "trusted" : verdict.reason, "unknown-ca");
});

Deno.test("a refusal names the certificate that is at fault, and what is wrong with it", async () => {
  const ca = await createAuthority();
  const intermediate = await ca.issueIntermediate({
    notBefore: inDays(-20),
    notAfter: new Date("2020-01-02T00:00:00Z"),
  });
  const { chainPem } = await intermediate.issueClient({ cn: "a,b", notAfter: inDays(1) });
  const options = { trust: new TrustStore(ca.certPem), now: new Date(), usage: "client" } as const;
  const expired = verifyChain(derOf(chainPem), options);
  assertEquals(expired, {
    trusted: false,
    reason: "expired",
    detail: "CN=Culvert intermediate CA: it expired on 2020-01-02T00:00:00.000Z",
    leaf: expired.trusted ? undefined : expired.leaf,
  });
  const unknown = verifyChain(derOf(chainPem).slice(0, 1), options);
  assertStringIncludes(unknown.trusted ? "" : unknown.detail, "CN=a\\,b: its issuer is not trusted");
  assertEquals(verifyChain([], options), {
    trusted: false,
    reason: "no-certificate",
    detail: "no certificate was sent",
    leaf: undefined,
  });
  const garbage = verifyChain([new Uint8Array([1, 2, 3])], options);
  assertEquals(garbage.trusted ? "trusted" : garbage.reason, "bad-certificate");
});

Deno.test("a web of CAs that certify each other is searched within bounds", async () => {
  // Each of eight CAs has certified each other one: there are thousands of paths, and none leads to the root.
  const keys: Authority[] = [];
  for (let i = 0; i < 8; i++) keys.push(await createAuthority({ name: `CA ${i}` }));
  const web: string[] = [];
  for (const by of keys) {
    for (const [index, which] of keys.entries()) {
      if (which !== by) web.push(await crossSign(by, which, { cn: `CA ${index}` }));
    }
  }
  const leaf = (await keys[0]!.issueClient({ cn: "a" })).certPem;
  const root = await createAuthority({ name: "Root" });
  const options = { trust: new TrustStore(root.certPem), now: new Date(), usage: "client" } as const;
  const verdict = verifyChain(derOf(leaf, ...web), options);
  assertEquals(verdict.trusted ? "trusted" : verdict.reason, "unknown-ca");
});
