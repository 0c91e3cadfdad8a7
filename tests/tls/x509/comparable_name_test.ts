import { assertEquals, assertNotEquals } from "@std/assert";
import { verifyChain } from "../../../src/tls/x509/path/chain.ts";
import { comparableText, nameKey } from "../../../src/tls/x509/comparable_name.ts";
import { parseCrls } from "../../../src/tls/x509/crl/read_crls.ts";
import { CrlSet } from "../../../src/tls/x509/crl/set.ts";
import { TrustStore } from "../../../src/tls/x509/path/trust_store.ts";
import { testWith } from "../../support/installed.ts";
import { opensslVerify } from "../openssl.ts";
import {
  attribute,
  basicConstraints,
  commonName,
  ecdsaSigner,
  newKey,
  oid,
  rawCertificate,
  seq,
  StringTag,
  tlv,
  utcTime,
} from "./raw_certificate.ts";

const CN = "2.5.4.3";
const O = "2.5.4.10";
const ca = { text: "Lab  Root CÄ", tag: StringTag.utf8 };

/** Names as `[text, string type]`, and whether they are the name of the CA by RFC 5280 and by OpenSSL. */
const NAMES: readonly (readonly [text: string, tag: number, rfc: boolean, openssl: boolean])[] = [
  ["Lab  Root CÄ", StringTag.utf8, true, true],
  ["Lab  Root CÄ", StringTag.bmp, true, true],
  ["Lab  Root CÄ", StringTag.universal, true, true],
  ["Lab  Root CÄ", StringTag.teletex, true, true],
  ["lab root cÄ", StringTag.utf8, true, true],
  ["  LAB\tROOT   CÄ ", StringTag.bmp, true, true],
  // OpenSSL folds the case of ASCII letters only.
  ["Lab Root Cä", StringTag.utf8, true, false],
  ["Lab Root CA\u0308", StringTag.utf8, true, false],
  ["Lab Root CA", StringTag.utf8, false, false],
  ["LabRoot CÄ", StringTag.utf8, false, false],
  ["Lab Root CÄ\0", StringTag.utf8, false, false],
  ["Lab Root\u200b CÄ", StringTag.utf8, false, false],
];

testWith(["openssl"], "an issuer is found by its name in another string type, case or spacing", async () => {
  const root = rawCertificate({ subject: commonName(ca.text, ca.tag), extensions: [basicConstraints(true)] });
  const trust = new TrustStore(root.certPem);
  for (const [text, tag, rfc, openssl] of NAMES) {
    const leaf = rawCertificate({
      subject: commonName("leaf"),
      issuer: root,
      issuerName: commonName(text, tag),
      extensions: [basicConstraints(false)],
    });
    const verdict = verifyChain([leaf.der], { trust, now: new Date(), usage: "client" });
    const about = JSON.stringify([text, tag]);
    assertEquals(verdict.trusted ? "trusted" : verdict.reason, rfc ? "trusted" : "unknown-ca", about);
    const { good, said } = await opensslVerify({ trustPem: root.certPem, leafPem: leaf.certPem });
    assertEquals(good, openssl, `${about}: ${said}`);
  }
});

Deno.test("names of the same attributes in another order or grouping are different names", () => {
  const [cn, o] = [attribute(CN, "a"), attribute(O, "b")];
  const pairs = [seq(oid(CN), tlv(12, new Uint8Array([97]))), seq(oid(O), tlv(12, new Uint8Array([98])))];
  const keys = [
    seq(cn, o),
    seq(o, cn),
    seq(tlv(0x31, ...pairs)),
    seq(cn),
    seq(),
    seq(attribute(CN, "a,O=b")),
  ];
  assertEquals(new Set(keys.map(nameKey)).size, keys.length);
  assertEquals(nameKey(seq(tlv(0x31, ...pairs))), nameKey(seq(tlv(0x31, ...pairs.toReversed()))));
});

Deno.test("a value that is no text is compared by its bytes", () => {
  const of = (...octets: number[]) => seq(tlv(0x31, seq(oid("2.5.4.45"), tlv(3, new Uint8Array(octets)))));
  assertEquals(nameKey(of(0, 1)), nameKey(of(0, 1)));
  assertNotEquals(nameKey(of(0, 1)), nameKey(of(0, 2)));
});

Deno.test("texts are equal whatever their case, white space and compatibility form", () => {
  const equal: readonly [string, string][] = [
    ["Straße", "STRASSE"],
    ["ΣΊΣΥΦΟΣ", "σίσυφος"],
    ["ﬁle", "FILE"],
    ["ａｄｍｉｎ", "admin"],
    ["a\u00a0\u2003b", "a b"],
    ["", "   "],
  ];
  for (const [a, b] of equal) assertEquals(comparableText(a), comparableText(b), `${a} and ${b}`);
  assertNotEquals(comparableText("ı"), comparableText("i"));
  assertNotEquals(comparableText("é"), comparableText("e"));
  assertEquals(comparableText("a\0b"), undefined);
  assertEquals(comparableText("ad\u00admin"), undefined);
  assertEquals(comparableText("a".repeat(257)), undefined);
});

Deno.test("a name out of bounds, or malformed, is compared by its bytes", () => {
  const many = (text: string) => seq(...Array.from({ length: 33 }, () => attribute(CN, text)));
  const long = (text: string) => commonName(text.repeat(257));
  for (const name of [many, long]) {
    assertNotEquals(nameKey(name("a")), nameKey(name("A")));
    assertEquals(nameKey(name("a")), nameKey(name("a")));
  }
  assertEquals(nameKey(new Uint8Array([0x30, 5, 1])), "#300501");
});

Deno.test("a CRL is found by its issuer's name in another string type", () => {
  const key = newKey();
  const root = rawCertificate({
    subject: commonName("Lab CA", StringTag.printable),
    privateKey: key,
    extensions: [basicConstraints(true)],
  });
  const { algorithm, sign } = ecdsaSigner(key);
  const tbs = seq(
    tlv(2, new Uint8Array([1])),
    algorithm,
    commonName("LAB ca", StringTag.bmp),
    utcTime(-1),
    utcTime(1),
  );
  const crl = seq(tbs, algorithm, tlv(3, new Uint8Array([0]), sign(tbs)));
  const crls = new CrlSet(parseCrls(crl));
  const leaf = rawCertificate({ subject: commonName("a"), issuer: root });
  const options = { trust: new TrustStore(root.certPem), now: new Date(), usage: "client", crls } as const;
  assertEquals(verifyChain([leaf.der], options).trusted, true);
});
