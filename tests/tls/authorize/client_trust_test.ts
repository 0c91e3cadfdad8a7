import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { type Authority, createAuthority } from "../../../src/tls/authority/authority.ts";
import type { IssueOptions } from "../../../src/tls/authority/options.ts";
import { verifyChain } from "../../../src/tls/x509/path/chain.ts";
import { ClientTrust, type ClientTrustOptions } from "../../../src/tls/authorize/client_trust.ts";
import { CrlSet } from "../../../src/tls/x509/crl/set.ts";
import { testWith } from "../../support/installed.ts";
import { opensslVerify } from "../openssl.ts";
import { crlSet, derOf } from "../pki.ts";

const ANY = [{ any: true }] as const;

/** What becomes of a client with this leaf, which sends these CAs; `trusted` or the reason. */
function verdictOf(options: ClientTrustOptions, leaf: string, sent = ""): string {
  const authorizer = new ClientTrust({ allow: ANY, ...options });
  const trust = authorizer.store!;
  const verdict = verifyChain(derOf(leaf, sent), { trust, authorizer, now: new Date(), usage: "client" });
  return verdict.trusted ? "trusted" : verdict.reason;
}

async function leafOf(ca: Authority, options: IssueOptions): Promise<string> {
  return (await ca.issueClient({ cn: "client", ...options })).certPem;
}

/** The same CA, certified by another one. */
async function crossSign(by: Authority, which: Authority, cn: string): Promise<string> {
  return (await by.issue({ cn, isCa: true, keyPem: which.keyPem })).certPem;
}

const FOO = await createAuthority({ name: "Foo" });
const BAR = await createAuthority({ name: "Bar" });
const PLAIN = await createAuthority({ name: "Plain" });
const DOMAINS = { "foo.test": { ca: FOO.certPem }, "bar.test": { ca: BAR.certPem } };
const IDS = { "foo.test": "spiffe://foo.test/web", "bar.test": "spiffe://bar.test/pay" } as const;

Deno.test("a SPIFFE ID is accepted only by a CA of its own trust domain", async () => {
  for (const [own, other, domain] of [[FOO, BAR, "foo.test"], [BAR, FOO, "bar.test"]] as const) {
    const uri = IDS[domain];
    assertEquals(verdictOf({ trustDomains: DOMAINS }, await leafOf(own, { uri })), "trusted");
    for (const ca of [undefined, PLAIN.certPem, other.certPem]) {
      const options = { trustDomains: DOMAINS, ca };
      assertEquals(verdictOf(options, await leafOf(other, { uri })), "wrong-trust-domain");
      assertEquals(verdictOf(options, await leafOf(own, { uri })), "trusted");
    }
    // `ca` vouches for no SPIFFE ID.
    const plain = { trustDomains: DOMAINS, ca: PLAIN.certPem };
    assertEquals(verdictOf(plain, await leafOf(PLAIN, { uri })), "wrong-trust-domain");
  }
});

Deno.test("a SPIFFE ID of a trust domain that is not listed is rejected, whatever its issuer", async () => {
  const uri = "spiffe://other.test/web";
  const options = { trustDomains: DOMAINS, ca: PLAIN.certPem };
  for (const ca of [FOO, BAR, PLAIN]) {
    assertEquals(verdictOf(options, await leafOf(ca, { uri })), "wrong-trust-domain");
  }
});

Deno.test("a certificate without a SPIFFE ID is accepted only by ca", async () => {
  const [plain, ofFoo] = [await leafOf(PLAIN, { dns: "a.test" }), await leafOf(FOO, { dns: "a.test" })];
  const options = { trustDomains: DOMAINS, ca: PLAIN.certPem };
  assertEquals([plain, ofFoo].map((leaf) => verdictOf(options, leaf)), ["trusted", "wrong-trust-domain"]);
  const without = { trustDomains: DOMAINS };
  assertEquals([plain, ofFoo].map((leaf) => verdictOf(without, leaf)), ["unknown-ca", "wrong-trust-domain"]);
  const both = { trustDomains: DOMAINS, ca: PLAIN.certPem + FOO.certPem };
  assertEquals(verdictOf(both, ofFoo), "trusted");
});

const ODD: readonly (string | readonly string[])[] = [
  "spiffe://BAR.test/pay",
  "SPIFFE://bar.test/pay",
  "spiffe://user@bar.test/pay",
  "spiffe://bar.test:8443/pay",
  "spiffe://bar.test/",
  "spiffe://bar.test/pay/",
  "spiffe://bar.test/p%61y",
  "spiffe://b%61r.test/pay",
  "spiffe://bar.test?x",
  "spiffe://bar.test/../pay",
  "spiffe:///pay",
  "spiffe:bar.test",
  ["spiffe://bar.test/pay", "spiffe://foo.test/web"],
  ["spiffe://bar.test/pay", "https://bar.test/"],
  ["https://bar.test/", "Spiffe://bar.test/pay"],
];

Deno.test("a spiffe: URI that is not a SPIFFE ID, or one of several URIs, is rejected, whatever its issuer", async () => {
  const options = { trustDomains: DOMAINS, ca: PLAIN.certPem };
  for (const uri of ODD) {
    for (const ca of [FOO, BAR, PLAIN]) {
      assertEquals(verdictOf(options, await leafOf(ca, { uri })), "wrong-trust-domain", String(uri));
    }
  }
});

Deno.test("a CA of one domain that another one has certified issues none of its IDs", async () => {
  const intermediate = await BAR.issueIntermediate({ cn: "Bar intermediate" });
  const good = await leafOf(intermediate, { uri: IDS["bar.test"] });
  assertEquals(verdictOf({ trustDomains: DOMAINS }, good, intermediate.certPem), "trusted");
  const crossed = await crossSign(BAR, FOO, "Foo");
  const impostor = await leafOf(FOO, { uri: IDS["bar.test"] });
  assertEquals(verdictOf({ trustDomains: DOMAINS }, impostor, crossed), "wrong-trust-domain");
  // Unless it is in both bundles, however it is certified there.
  const shared = { ...DOMAINS, "bar.test": { ca: BAR.certPem + crossed } };
  assertEquals(verdictOf({ trustDomains: shared }, impostor), "trusted");
  assertEquals(
    verdictOf({ trustDomains: shared }, await leafOf(FOO, { uri: IDS["foo.test"] }), crossed),
    "trusted",
  );
});

Deno.test("a CA of a domain that is also in ca hides no path to the root of the domain", async () => {
  const intermediate = await BAR.issueIntermediate({ cn: "Bar intermediate" });
  const leaf = await leafOf(intermediate, { uri: IDS["bar.test"] });
  const options = { trustDomains: DOMAINS, ca: intermediate.certPem };
  assertEquals(verdictOf(options, leaf), "trusted");
  assertEquals(verdictOf(options, leaf, intermediate.certPem), "trusted");
  assertEquals(verdictOf(options, await leafOf(intermediate, {})), "trusted");
});

testWith(["openssl"], "OpenSSL, given the bundle of the ID's domain alone, decides the same", async () => {
  const bundles = { "foo.test": FOO.certPem, "bar.test": BAR.certPem };
  for (const domain of ["foo.test", "bar.test"] as const) {
    for (const ca of [FOO, BAR, PLAIN]) {
      const leafPem = await leafOf(ca, { uri: IDS[domain] });
      const { good } = await opensslVerify({ leafPem, trustPem: bundles[domain] });
      assertEquals(verdictOf({ trustDomains: DOMAINS, ca: PLAIN.certPem }, leafPem) === "trusted", good);
    }
  }
});

Deno.test("without trustDomains, a CA with a SPIFFE ID issues none of another domain", async () => {
  const foo = await PLAIN.issueIntermediate({ cn: "Foo CA", uri: "spiffe://foo.test" });
  const bar = await PLAIN.issueIntermediate({ cn: "Bar CA", uri: "spiffe://bar.test" });
  const options = { ca: foo.certPem + bar.certPem };
  for (
    const [ca, domain, expected] of [
      [foo, "foo.test", "trusted"],
      [bar, "bar.test", "trusted"],
      [foo, "bar.test", "wrong-trust-domain"],
      [bar, "foo.test", "wrong-trust-domain"],
      [PLAIN, "foo.test", "unknown-ca"],
    ] as const
  ) {
    assertEquals(verdictOf(options, await leafOf(ca, { uri: IDS[domain] })), expected);
  }
  // Over an intermediate CA without an ID, too; and what has no SPIFFE ID is not bound.
  const below = await foo.issueIntermediate({ cn: "below" });
  assertEquals(
    verdictOf(options, await leafOf(below, { uri: IDS["bar.test"] }), below.certPem),
    "wrong-trust-domain",
  );
  assertEquals(verdictOf(options, await leafOf(below, { dns: "a.test" }), below.certPem), "trusted");
});

Deno.test("each trust domain has its own CRLs, and one that is bad keeps out its own clients alone", async () => {
  const foo = await createAuthority({ name: "Foo" });
  const revoked = await foo.issueClient({ cn: "client", uri: IDS["foo.test"] });
  const good = await leafOf(foo, { uri: IDS["foo.test"] });
  const ofBar = await leafOf(BAR, { uri: IDS["bar.test"] });
  foo.revoke(revoked.serial);
  const withCrls = (crls: CrlSet) => ({
    trustDomains: { ...DOMAINS, "foo.test": { ca: foo.certPem, crls } },
  });
  const enforced = withCrls(crlSet(foo.crl()));
  assertEquals(
    [revoked.certPem, good, ofBar].map((leaf) => verdictOf(enforced, leaf)),
    ["revoked", "trusted", "trusted"],
  );
  const bad = withCrls(CrlSet.unreadable("it is gone"));
  assertEquals([good, ofBar].map((leaf) => verdictOf(bad, leaf)), ["crl-unreadable", "trusted"]);
  assertEquals(new ClientTrust(enforced).problem(Date.now()), undefined);
  assertEquals(new ClientTrust(bad).problem(Date.now())?.rejects, "some");
  const allBad = { ca: PLAIN.certPem, crls: CrlSet.unreadable("gone"), ...bad };
  assertEquals(new ClientTrust(allBad).problem(Date.now())?.rejects, "some");
  const crls = CrlSet.unreadable("gone");
  const one = { trustDomains: { "foo.test": { ca: foo.certPem, crls } } };
  assertEquals(new ClientTrust(one).problem(Date.now())?.rejects, "all");
});

Deno.test("a rule with ca holds only where the path leads over one of these CAs", async () => {
  const intermediate = await FOO.issueIntermediate({ cn: "Foo intermediate" });
  const twin = await createAuthority({ name: "Foo" });
  const both = FOO.certPem + BAR.certPem + twin.certPem;
  const rule = (ca: string) => ({ ca: both, allow: [{ cn: "client", ca }] });
  const leaf = await leafOf(FOO, {});
  assertEquals(verdictOf(rule(FOO.certPem), leaf), "trusted");
  assertEquals(verdictOf(rule(BAR.certPem), leaf), "not-allowed");
  // Another CA of the same name.
  assertEquals(verdictOf(rule(twin.certPem), leaf), "not-allowed");
  const below = await leafOf(intermediate, {});
  assertEquals(verdictOf(rule(intermediate.certPem), below, intermediate.certPem), "trusted");
  assertEquals(verdictOf(rule(FOO.certPem), below, intermediate.certPem), "trusted");
  assertEquals(verdictOf(rule(intermediate.certPem), leaf, intermediate.certPem), "not-allowed");
  // Nor does the name have to be that of the rule's CA alone.
  assertEquals(verdictOf({ ca: both, allow: [{ cn: "other", ca: FOO.certPem }] }, leaf), "not-allowed");
});

Deno.test("of several paths, one by which a rule holds is enough", async () => {
  const crossed = await crossSign(BAR, FOO, "Foo");
  const leaf = await leafOf(FOO, {});
  const options = { ca: FOO.certPem + BAR.certPem, allow: [{ any: true, ca: BAR.certPem }] } as const;
  assertEquals(verdictOf(options, leaf), "not-allowed");
  assertEquals(verdictOf(options, leaf, crossed), "trusted");
});

Deno.test("a rule with all holds where each of its conditions does", async () => {
  const leaf = await leafOf(FOO, { ou: "operations", dns: "a.test" });
  const verdict = (all: readonly Record<string, string>[], ca?: string) =>
    verdictOf({ ca: FOO.certPem, allow: [{ all: all as never, ...(ca && { ca }) }] }, leaf);
  assertEquals(verdict([{ ou: "operations" }, { dns: "a.test" }]), "trusted");
  assertEquals(verdict([{ ou: "operations" }, { dns: "b.test" }]), "not-allowed");
  assertEquals(verdict([{ cn: "client" }]), "trusted");
  assertEquals(verdict([{ ou: "operations" }, { dns: "a.test" }], FOO.certPem), "trusted");
  assertEquals(verdict([{ ou: "operations" }, { dns: "a.test" }], BAR.certPem), "not-allowed");
});

Deno.test("rules and trust domains that can't be meant are errors", () => {
  const ca = FOO.certPem;
  const bad: readonly (readonly [options: unknown, why: string])[] = [
    [{ allow: [{ all: [] }] }, "a list of one condition at least"],
    [{ allow: [{ all: { cn: "a" } }] }, "a list of one condition at least"],
    [{ allow: [{ all: [{ any: true }, { cn: "a" }] }] }, "no {any: true} in it"],
    [{ allow: [{ all: [{ cn: "a" }], cn: "b" }] }, "all alone, or with ca"],
    [{ allow: [{ all: [{ all: [{ cn: "a" }] }] }] }, "exactly one of any, dns"],
    [{ allow: [{ all: [{ cn: "a", ou: "b" }] }] }, "exactly one of any, dns"],
    [{ allow: [{ all: [{ uri: "spiffe://a.test/x" }, { uri: "spiffe://b.test/**" }] }] }, "one SPIFFE ID"],
    [{ allow: [{ all: [{ uri: "spiffe://a.test/x" }, { uri: "spiffe://a.test/y" }] }] }, "one SPIFFE ID"],
    [{ allow: [{ ca }] }, "exactly one of any, dns"],
    [{ allow: [{ cn: "a", ca: "garbage" }] }, "CAs in PEM as its ca"],
    [{ trustDomains: {} }, "trustDomains is empty"],
    [{ trustDomains: { "Foo.test": { ca } } }, '"Foo.test" is not a trust domain'],
    [{ trustDomains: { "spiffe://foo.test": { ca } } }, "is not a trust domain"],
    [{ trustDomains: { "foo.test": { ca: "garbage" } } }, "Cannot use the CA bundle"],
  ];
  for (const [options, why] of bad) {
    const error = assertThrows(() => new ClientTrust({ ca, ...options as ClientTrustOptions }), CulvertError);
    assertStringIncludes(error.message, why);
  }
});
