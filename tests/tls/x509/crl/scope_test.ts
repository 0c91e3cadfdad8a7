import { assertEquals } from "@std/assert";
import { verifyChain } from "../../../../src/tls/x509/path/chain.ts";
import { parseCrls, readCrls } from "../../../../src/tls/x509/crl/read_crls.ts";
import { CrlSet } from "../../../../src/tls/x509/crl/set.ts";
import { TrustStore } from "../../../../src/tls/x509/path/trust_store.ts";
import { testWith } from "../../../support/installed.ts";
import {
  attribute,
  basicConstraints,
  bytes,
  commonName,
  oid,
  rawCertificate,
  seq,
  tlv,
} from "../raw_certificate.ts";
import {
  directoryName,
  distributionPoints,
  issuingPoint,
  opensslCrlVerdict,
  rawCrl,
  Scope,
  uriName,
} from "./raw_crl.ts";

const root = rawCertificate({ subject: commonName("Lab CA"), extensions: [basicConstraints(true)] });
const trust = new TrustStore(root.certPem);
const place = Scope.place(uriName("http://crl.lab.test/1"));
const other = Scope.place(uriName("http://crl.lab.test/2"));
const below = seq(oid("2.5.4.3"), tlv(12, bytes("CRL 1")));
const directory = seq(attribute("2.5.4.3", "Lab CA"), attribute("2.5.4.3", "CRL 1"));

/** A client's certificate with these parts of its distribution points. */
function client(...points: readonly (readonly Uint8Array[])[]) {
  const extensions = points.length === 0 ? [] : [distributionPoints(...points)];
  return rawCertificate({
    subject: commonName("client"),
    issuer: root,
    extensions: [basicConstraints(false), ...extensions],
  });
}

/** What is said of a certificate by CRLs of these scopes: `good`, or the reason of the refusal. */
function judge(leaf: { der: Uint8Array }, crls: string): string {
  const set = new CrlSet(parseCrls(crls));
  const verdict = verifyChain([leaf.der], { trust, now: new Date(), usage: "client", crls: set });
  return verdict.trusted ? "good" : verdict.reason;
}

const anywhere = client();
const here = client([place]);
const elsewhere = client([other]);
const twoPlaces = client([other], [Scope.place(uriName("ldap://x"), uriName("http://crl.lab.test/1"))]);
const relative = client([Scope.relative(below)]);
const inDirectory = client([Scope.place(directoryName(directory))]);
const ofOtherIssuer = client([place, tlv(0xa2, directoryName(commonName("Other CA")))]);
const someReasons = client([place, tlv(0x81, new Uint8Array([5, 0x60]))]);

type Scoped = readonly (readonly Uint8Array[])[];

/** A certificate, the scopes of CRLs, and whether they cover it. */
const CASES: readonly (readonly [name: string, leaf: typeof here, scopes: Scoped, covered: boolean])[] = [
  ["the place is the same", here, [[place]], true],
  ["the place is another", elsewhere, [[place]], false],
  ["no place is named by the certificate", anywhere, [[place]], false],
  ["one of several places, and of several names, is the same", twoPlaces, [[place]], true],
  ["the CRL names no place", elsewhere, [[Scope.users]], true],
  ["an empty scope covers everything", anywhere, [[]], true],
  ["users only, at the same place", here, [[place, Scope.users]], true],
  ["CAs only", here, [[place, Scope.cas]], false],
  ["CAs only, no place", anywhere, [[Scope.cas]], false],
  ["attribute certificates only", anywhere, [[Scope.attributes]], false],
  ["two scopes, of which one covers it", here, [[other], [place]], true],
  ["CAs and users by two CRLs", anywhere, [[Scope.cas], [Scope.users]], true],
  ["a name relative to the issuer, on both sides", relative, [[Scope.relative(below)]], true],
  ["a relative name and the directory that it stands for", relative, [[
    Scope.place(directoryName(directory)),
  ]], true],
  ["a directory and the relative name that stands for it", inDirectory, [[Scope.relative(below)]], true],
  ["the same directory", inDirectory, [[Scope.place(directoryName(directory))]], true],
  ["another directory", inDirectory, [[Scope.place(directoryName(commonName("CRL 1")))]], false],
  ["a place whose CRLs another issuer signs", ofOtherIssuer, [[place]], false],
  ["a place for some reasons", someReasons, [[place]], false],
  ["some reasons only", anywhere, [[Scope.reasons(0x60)]], false],
  ["all reasons, in two CRLs", anywhere, [[Scope.reasons(0x60)], [Scope.reasons(0x1f, 0x80)]], true],
];

testWith(["openssl"], "a CRL covers the certificates of its scope and no others, as in OpenSSL", async () => {
  for (const [name, leaf, scopes, covered] of CASES) {
    for (const revoked of [[], [leaf.serial]]) {
      const crls = scopes.map((scope) =>
        rawCrl({ issuer: root, revoked, extensions: [issuingPoint(...scope)] })
      ).join("");
      const about = `${name}, ${revoked.length} revoked`;
      const wanted = !covered ? undefined : revoked.length === 0 ? "good" : "revoked";
      const verdict = judge(leaf, crls);
      // Of a CRL that covers a part, what it revokes is revoked all the same.
      if (wanted === undefined) assertEquals(verdict === "good", false, about);
      else assertEquals(verdict, wanted, about);
      const openssl = await opensslCrlVerdict({ trusted: root.certPem, chain: [leaf.der], crls });
      assertEquals(openssl === "OK", wanted === "good", `${about}: ${openssl}`);
    }
  }
});

testWith(["openssl"], "a CRL of users only does not cover CAs, and one of CAs only does", async () => {
  const middle = rawCertificate({
    subject: commonName("Middle"),
    issuer: root,
    extensions: [basicConstraints(true)],
  });
  const leaf = rawCertificate({ subject: commonName("leaf"), issuer: middle });
  const ofMiddle = rawCrl({ issuer: middle });
  const chain = [leaf.der, middle.der];
  for (const [scope, covered] of [[Scope.users, false], [Scope.cas, true]] as const) {
    const crls = ofMiddle + rawCrl({ issuer: root, extensions: [issuingPoint(scope)] });
    const set = new CrlSet(parseCrls(crls));
    const verdict = verifyChain(chain, { trust, now: new Date(), usage: "client", crls: set });
    assertEquals(verdict.trusted, covered);
    // OpenSSL checks the root as well, which one of CAs only covers.
    const openssl = await opensslCrlVerdict({
      ...{ trusted: root.certPem, chain, crls },
      args: ["-crl_check_all"],
    });
    assertEquals(openssl === "OK", covered, openssl);
  }
});

Deno.test("a scope that is not supported, or contradicts itself, is refused in words", async () => {
  const bad: readonly (readonly [readonly Uint8Array[], string])[] = [
    [[Scope.indirect], "it is an indirect CRL, with certificates of other issuers, which is not supported"],
    [
      [place, Scope.indirect],
      "it is an indirect CRL, with certificates of other issuers, which is not supported",
    ],
    [[Scope.users, Scope.cas], "its issuingDistributionPoint contradicts itself"],
  ];
  for (const [scope, why] of bad) {
    const { crls, unusable } = await readCrls(rawCrl({ issuer: root, extensions: [issuingPoint(...scope)] }));
    assertEquals([crls.length, unusable.map((each) => [each.issuerName, each.why])], [0, [[
      "CN=Lab CA",
      why,
    ]]]);
  }
  for (const scope of [tlv(0x86, bytes("x")), seq(), tlv(0xa0, tlv(0xa5, bytes("x")))]) {
    const { crls, unusable } = await readCrls(rawCrl({ issuer: root, extensions: [issuingPoint(scope)] }));
    assertEquals([crls.length, unusable.length], [0, 1]);
  }
});

Deno.test("a certificate that no CRL covers is refused with the reason", () => {
  const set = new CrlSet(parseCrls(rawCrl({ issuer: root, extensions: [issuingPoint(place)] })));
  const verdict = verifyChain([elsewhere.der], { trust, now: new Date(), usage: "client", crls: set });
  assertEquals(!verdict.trusted && [verdict.reason, verdict.detail], [
    "crl-missing",
    "CN=client: no CRL of CN=Lab CA covers it: they are for other kinds of certificates, or for distribution " +
    "points that it does not name",
  ]);
});
