import { assertEquals } from "@std/assert";
import { verifyChain } from "../../src/tls/x509/path/chain.ts";
import { Oid } from "../../src/tls/x509/oids.ts";
import { TrustStore } from "../../src/tls/x509/path/trust_store.ts";
import { testWith } from "../support/installed.ts";
import { opensslVerify } from "./openssl.ts";
import {
  basicConstraints,
  bytes,
  commonName,
  newKey,
  oid,
  rawCertificate,
  rawExtension,
  seq,
  tlv,
  utcTime,
} from "./x509/raw_certificate.ts";

const key = newKey();
const POLICY = "2.16.840.1.101.3.2.1.48.1";
const policies = rawExtension(Oid.certificatePolicies, seq(seq(oid(POLICY))), true);
const mappings = rawExtension(Oid.policyMappings, seq(seq(oid(POLICY), oid(`${POLICY}.1`))), true);
const policyConstraints = rawExtension(Oid.policyConstraints, seq(tlv(0x81, new Uint8Array([0]))), true);
const inhibitAny = rawExtension(Oid.inhibitAnyPolicy, tlv(2, new Uint8Array([0])), true);
const point = tlv(0xa0, tlv(0xa0, tlv(0x86, bytes("http://crl.test/ca.crl"))));
const crlPoints = rawExtension(Oid.crlDistributionPoints, seq(seq(point)), true);
const usage = (bits: number) => rawExtension(Oid.keyUsage, tlv(3, new Uint8Array([0, bits])), true);
const uniqueIds = [0x81, 0x82].map((tag) => tlv(tag, new Uint8Array([0, 1, 2])));
const time = (text: string) => tlv(text.length > 13 ? 24 : 23, bytes(text));

type Parts = Partial<Parameters<typeof rawCertificate>[0]>;

const netscape = (...octets: readonly number[]) =>
  rawExtension(Oid.netscapeCertType, tlv(3, new Uint8Array(octets)), true);
const purposes = (...oids: readonly string[]) => rawExtension(Oid.extendedKeyUsage, seq(...oids.map(oid)));
const keyIds = {
  authority: rawExtension(Oid.authorityKeyIdentifier, seq(), true),
  subject: rawExtension(Oid.subjectKeyIdentifier, tlv(4, new Uint8Array([1])), true),
};
const onlyBelow = rawExtension(Oid.nameConstraints, seq(tlv(0xa0, seq(tlv(0x82, bytes("a.test"))))), true);

/** A leaf, and a CA between it and the root, as they are otherwise than usual; and whether the leaf is good. */
interface Row {
  readonly name: string;
  readonly leaf?: Parts;
  readonly ca?: Parts;
  readonly good: boolean;
  /** Why OpenSSL decides otherwise. */
  readonly opensslDiffers?: string;
}

const ROWS: readonly Row[] = [
  { name: "nothing special", good: true },
  { name: "critical policies", leaf: { extensions: [policies] }, ca: { extensions: [policies] }, good: true },
  { name: "critical policy mappings", ca: { extensions: [policies, mappings] }, good: true },
  { name: "critical policy constraints", ca: { extensions: [policies, policyConstraints] }, good: true },
  { name: "critical inhibitAnyPolicy", ca: { extensions: [policies, inhibitAny] }, good: true },
  {
    name: "critical CRL distribution points",
    leaf: { extensions: [crlPoints] },
    ca: { extensions: [crlPoints] },
    good: true,
  },
  { name: "a leaf that is a CA", leaf: { extensions: [basicConstraints(true)] }, good: true },
  { name: "a leaf that only agrees on keys", leaf: { extensions: [usage(0x08)] }, good: true },
  { name: "a leaf that only enciphers keys", leaf: { extensions: [usage(0x20)] }, good: false },
  { name: "a leaf of version 1", leaf: { version: 1 }, good: true },
  { name: "a leaf of version 2 with unique ids", leaf: { version: 2, uniqueIds }, good: true },
  { name: "a leaf of version 3 with unique ids", leaf: { uniqueIds }, good: true },
  { name: "a CA with unique ids", ca: { uniqueIds }, good: true },
  { name: "a critical authority key identifier", leaf: { extensions: [keyIds.authority] }, good: false },
  { name: "a critical subject key identifier", leaf: { extensions: [keyIds.subject] }, good: false },
  { name: "a CA with a critical key identifier", ca: { extensions: [keyIds.authority] }, good: false },
  { name: "a client by Netscape's type", leaf: { extensions: [netscape(7, 0x80)] }, good: true },
  { name: "a server by Netscape's type", leaf: { extensions: [netscape(6, 0x40)] }, good: false },
  { name: "any purpose", leaf: { extensions: [purposes(Oid.anyExtendedKeyUsage)] }, good: false },
  { name: "a CA for clients", ca: { extensions: [purposes(Oid.clientAuth)] }, good: true },
  { name: "a CA for servers", ca: { extensions: [purposes(Oid.serverAuth)] }, good: false },
  {
    name: "a CA for any purpose",
    ca: { extensions: [purposes(Oid.anyExtendedKeyUsage)] },
    good: true,
    opensslDiffers: "it wants the purpose itself, unlike Go",
  },
  {
    name: "a leaf that constrains names",
    leaf: { extensions: [onlyBelow] },
    good: false,
    opensslDiffers: "it does not look at what a leaf says of others",
  },
  {
    name: "a CA without a name",
    ca: { subject: seq() },
    good: false,
    opensslDiffers: "it asks for a name only with -x509_strict",
  },
  { name: "a CA of version 1 that is sent", ca: { version: 1 }, good: false },
  {
    name: "times of four digits before 2050",
    leaf: { validity: seq(time("20200101000000Z"), time("20490101000000Z")) },
    good: true,
  },
  {
    name: "a time with a fraction of a second",
    leaf: { validity: seq(time("20200101000000.5Z"), utcTime(5)) },
    good: false,
  },
  { name: "a time without seconds", leaf: { validity: seq(time("2001010000Z"), utcTime(5)) }, good: false },
  { name: "a time with a zone", leaf: { validity: seq(time("200101000000+0100"), utcTime(5)) }, good: false },
  { name: "a month 13", leaf: { validity: seq(time("201301000000Z"), utcTime(5)) }, good: false },
  {
    name: "a time of the 19th century",
    leaf: { validity: seq(time("18500101000000Z"), utcTime(5)) },
    good: true,
  },
];

testWith(["openssl"], "certificates of other CAs' making are good where OpenSSL takes them", async () => {
  const root = rawCertificate({
    subject: commonName("Root"),
    privateKey: key,
    extensions: [basicConstraints(true)],
  });
  const trust = new TrustStore(root.certPem);
  for (const { name, leaf, ca, good, opensslDiffers } of ROWS) {
    const isOld = (ca?.version ?? 3) < 3;
    const middle = rawCertificate({
      ...{ subject: commonName("Middle"), issuer: root, privateKey: key, ...ca },
      extensions: isOld ? [] : [basicConstraints(true), ...(ca?.extensions ?? [])],
    });
    const last = rawCertificate({ subject: commonName("leaf"), issuer: middle, privateKey: key, ...leaf });
    const chain = [last.der, middle.der];
    const verdict = verifyChain(chain, { trust, now: new Date(), usage: "client" });
    assertEquals(verdict.trusted, good, `${name}: ${verdict.trusted ? "" : verdict.detail}`);
    const [trustPem, leafPem, sentPem] = [root, last, middle].map(({ certPem }) => certPem);
    const judged = await opensslVerify({ trustPem: trustPem!, leafPem: leafPem!, sentPem: sentPem! });
    assertEquals(judged.good, good !== (opensslDiffers !== undefined), `${name}: ${judged.said}`);
  }
});
