import { assert, assertEquals } from "@std/assert";
import { verifyChain } from "../../../src/tls/x509/path/chain.ts";
import { Oid } from "../../../src/tls/x509/oids.ts";
import { TrustStore } from "../../../src/tls/x509/path/trust_store.ts";
import { testWith } from "../../support/installed.ts";
import { opensslVerify } from "../openssl.ts";
import {
  attribute,
  basicConstraints,
  bytes,
  commonName,
  newKey,
  rawCertificate,
  rawExtension,
  seq,
  tlv,
} from "./raw_certificate.ts";

const O = "2.5.4.10";
const key = newKey();

const dns = (name: string) => tlv(0x82, bytes(name));
const email = (name: string) => tlv(0x81, bytes(name));
const uri = (name: string) => tlv(0x86, bytes(name));
const ip = (hex: string) => tlv(0x87, Uint8Array.fromHex(hex));
const directory = (...names: readonly string[]) => tlv(0xa4, seq(...names.map((name) => attribute(O, name))));
const registeredId = tlv(0x88, new Uint8Array([42, 3]));

function constraints(
  lists: { readonly permitted?: readonly Uint8Array[]; readonly excluded?: readonly Uint8Array[] },
): Uint8Array<ArrayBuffer> {
  const { permitted = [], excluded = [] } = lists;
  return rawExtension(
    Oid.nameConstraints,
    seq(
      ...(permitted.length === 0 ? [] : [tlv(0xa0, ...permitted.map((base) => seq(base)))]),
      ...(excluded.length === 0 ? [] : [tlv(0xa1, ...excluded.map((base) => seq(base)))]),
    ),
    true,
  );
}

/** A row: bases of permitted and of excluded subtrees, the names of the leaf, and whether it is good. */
interface Row {
  readonly permitted?: readonly Uint8Array[];
  readonly excluded?: readonly Uint8Array[];
  readonly names?: readonly Uint8Array[];
  readonly subject?: Uint8Array;
  readonly good: boolean;
  /** Why OpenSSL decides otherwise. */
  readonly opensslDiffers?: string;
}

const DNS: readonly Row[] = [
  { permitted: [dns("a.test")], names: [dns("a.test")], good: true },
  { permitted: [dns("a.test")], names: [dns("B.A.test")], good: true },
  { permitted: [dns("A.TEST")], names: [dns("b.a.test")], good: true },
  { permitted: [dns("a.test")], names: [dns("ba.test")], good: false },
  { permitted: [dns("a.test")], names: [dns("test")], good: false },
  { permitted: [dns("a.test")], names: [dns("a.test"), dns("b.test")], good: false },
  { permitted: [dns("a.test"), dns("b.test")], names: [dns("x.a.test"), dns("x.b.test")], good: true },
  { permitted: [dns("a.test")], names: [ip("0a000001"), email("a@b.test")], good: true },
  { permitted: [dns("a.test")], good: true },
  { permitted: [dns("")], names: [dns("a.test")], good: true },
  { permitted: [dns(".a.test")], names: [dns("b.a.test")], good: true },
  { permitted: [dns("a.test")], names: [dns("*.a.test")], good: true },
  { permitted: [dns("b.a.test")], names: [dns("*.a.test")], good: false },
  { excluded: [dns("a.test")], names: [dns("a.test")], good: false },
  { excluded: [dns("a.test")], names: [dns("b.a.test")], good: false },
  { excluded: [dns("a.test")], names: [dns("ba.test")], good: true },
  { excluded: [dns("")], names: [dns("a.test")], good: false },
  { permitted: [dns("test")], excluded: [dns("a.test")], names: [dns("b.test")], good: true },
  { permitted: [dns("test")], excluded: [dns("a.test")], names: [dns("x.a.test")], good: false },
  {
    excluded: [dns("b.a.test")],
    names: [dns("*.a.test")],
    good: false,
    opensslDiffers: "it does not see that the wildcard stands for the excluded name",
  },
  { excluded: [dns(".b.a.test")], names: [dns("*.a.test")], good: true },
  { excluded: [dns("c.b.a.test")], names: [dns("*.a.test")], good: true },
  // A common name that other programs take for a host where there is no DNS name.
  { permitted: [dns("a.test")], subject: commonName("b.test"), good: false },
  { permitted: [dns("a.test")], subject: commonName("b.a.test"), good: true },
  { permitted: [dns("a.test")], subject: commonName("b.test"), names: [dns("a.test")], good: true },
  { permitted: [dns("a.test")], subject: commonName("alice"), good: true },
  { permitted: [dns("a.test")], subject: commonName("b.test"), names: [ip("0a000001")], good: false },
  {
    permitted: [dns("a.test")],
    subject: commonName("10.0.0.1"),
    good: true,
    opensslDiffers: "it takes an address for a name",
  },
];

const MAPPED = ip("00000000000000000000ffff0a010203");

/** What has two spellings, of which a constraint has one: excluded names must not be accepted by the other. */
const SPELLINGS: readonly Row[] = [
  { excluded: [ip("0a000000ff000000")], names: [MAPPED], good: false, opensslDiffers: "it compares octets" },
  { permitted: [ip("0a000000ff000000")], names: [MAPPED], good: false },
  {
    permitted: [ip("00".repeat(32)), ip("0b000000ff000000")],
    names: [MAPPED],
    good: false,
    opensslDiffers: "it takes a mapped address for one of IPv6",
  },
  { names: [MAPPED], excluded: [dns("a.test")], good: true },
  ...["https://b.test./", "https://b%2etest/", "https://%62.test/", "https://b.te\u00df"].map((name) => ({
    excluded: [uri("b.test")],
    names: [uri(name)],
    good: false,
    opensslDiffers: "it compares octets",
  })),
  { excluded: [email("b.test")], names: [email("a@b.test.")], good: false, opensslDiffers: "the same" },
  { excluded: [dns("b.test.")], names: [dns("a.b.test")], good: false, opensslDiffers: "the same" },
  { excluded: [dns("*.b.test")], names: [dns("a.b.test")], good: false, opensslDiffers: "the same" },
  { permitted: [dns("b.test.")], names: [dns("a.b.test")], good: false },
  { permitted: [dns("b.test.")], names: [uri("https://a.test/")], good: true },
  { excluded: [uri("b.test.")], names: [uri("https://b.test/")], good: false, opensslDiffers: "the same" },
  { excluded: [email("b.test.")], names: [email("a@b.test")], good: false, opensslDiffers: "the same" },
];

const OTHERS: readonly Row[] = [
  { permitted: [email("a@b.test")], names: [email("a@B.test")], good: true },
  { permitted: [email("a@b.test")], names: [email("c@b.test")], good: false },
  { permitted: [email("b.test")], names: [email("a@b.test")], good: true },
  { permitted: [email("b.test")], names: [email("a@c.b.test")], good: false },
  { permitted: [email(".b.test")], names: [email("a@c.b.test")], good: true },
  { permitted: [email(".b.test")], names: [email("a@b.test")], good: false },
  { excluded: [email("b.test")], names: [email("a@b.test")], good: false },
  { excluded: [email("b.test")], names: [email("a@c.test")], good: true },
  {
    permitted: [email("b.test")],
    subject: seq(attribute(Oid.emailAddress, "a@c.test", 22)),
    good: false,
  },
  { permitted: [uri("b.test")], names: [uri("https://b.test/x")], good: true },
  { permitted: [uri("b.test")], names: [uri("https://B.test:8443")], good: true },
  { permitted: [uri("b.test")], names: [uri("https://c.b.test/")], good: false },
  { permitted: [uri(".b.test")], names: [uri("https://c.b.test/")], good: true },
  { permitted: [uri(".b.test")], names: [uri("https://b.test/")], good: false },
  { permitted: [uri("example.org")], names: [uri("spiffe://example.org/ns/a")], good: true },
  { permitted: [uri("example.org")], names: [uri("spiffe://example.com/ns/a")], good: false },
  { permitted: [uri("b.test")], names: [uri("urn:b.test")], good: false },
  {
    permitted: [uri("b.test")],
    names: [uri("https://c.test@b.test/")],
    good: true,
    opensslDiffers: "it sees no user",
  },
  { permitted: [uri("b.test")], names: [uri("https://c.test#@b.test/")], good: false },
  { excluded: [uri("b.test")], names: [uri("https://b.test/")], good: false },
  { excluded: [uri("b.test")], names: [uri("https://c.test/")], good: true },
  { excluded: [uri("b.test")], names: [uri("urn:x")], good: false },
  { permitted: [ip("0a000000ff000000")], names: [ip("0a010203")], good: true },
  { permitted: [ip("0a000000ff000000")], names: [ip("0b010203")], good: false },
  { permitted: [ip("0a000000ff000000")], names: [ip("20010db8000000000000000000000001")], good: false },
  { excluded: [ip("0a000000ff000000")], names: [ip("0a010203")], good: false },
  { excluded: [ip("0a000000ff000000")], names: [ip("0b010203")], good: true },
  { excluded: [ip("0000000000000000")], names: [ip("0b010203")], good: false },
  {
    permitted: [ip("20010db8000000000000000000000000" + "ffffffff000000000000000000000000")],
    names: [ip("20010db8000000000000000000000001")],
    good: true,
  },
  {
    permitted: [ip("0a000000ff00ff00")],
    names: [ip("0a010003")],
    good: false,
    opensslDiffers: "it takes masks with gaps",
  },
];

const DIRECTORIES: readonly Row[] = [
  { permitted: [directory("a")], subject: seq(attribute(O, "A ", 19)), good: true },
  { permitted: [directory("a")], subject: seq(attribute(O, "a"), attribute(O, "b")), good: true },
  { permitted: [directory("a")], subject: seq(attribute(O, "b"), attribute(O, "a")), good: false },
  { permitted: [directory("a", "b")], subject: seq(attribute(O, "a")), good: false },
  { permitted: [directory("a")], subject: seq(), names: [dns("a.test")], good: true },
  { permitted: [directory("a")], subject: seq(attribute(O, "a")), names: [directory("a", "b")], good: true },
  { permitted: [directory("a")], subject: seq(attribute(O, "a")), names: [directory("b")], good: false },
  { permitted: [tlv(0xa4, seq())], subject: commonName("x"), good: true },
  { excluded: [directory("a")], subject: seq(attribute(O, "A")), good: false },
  { excluded: [directory("a")], subject: seq(attribute(O, "b")), good: true },
  {
    excluded: [directory("a")],
    subject: seq(attribute(O, "a\u200b")),
    good: false,
    opensslDiffers: "it compares characters that cannot be seen",
  },
  { permitted: [registeredId], names: [registeredId], good: false },
  { excluded: [registeredId], names: [registeredId], good: false },
  { permitted: [registeredId], names: [dns("a.test")], good: true },
];

for (const [what, rows] of Object.entries({ DNS, SPELLINGS, OTHERS, DIRECTORIES })) {
  testWith(["openssl"], `name constraints are those of RFC 5280, as OpenSSL has them: ${what}`, async () => {
    for (const [index, row] of rows.entries()) {
      const root = rawCertificate({
        subject: commonName("Root"),
        privateKey: key,
        extensions: [basicConstraints(true), constraints(row)],
      });
      const names = row.names === undefined ? [] : [rawExtension(Oid.subjectAltName, seq(...row.names))];
      const subject = row.subject ?? commonName("leaf");
      const leaf = rawCertificate({ subject, issuer: root, privateKey: key, extensions: names });
      assertEquals(isGood([leaf.der], root.certPem), row.good, `${what} ${index}`);
      const { good, said } = await opensslVerify({ trustPem: root.certPem, leafPem: leaf.certPem });
      assertEquals(
        good,
        row.good !== (row.opensslDiffers !== undefined),
        `${what} ${index}: ${said}`,
      );
    }
  });
}

function isGood(chain: readonly Uint8Array[], trusted: string): boolean {
  let trust: TrustStore;
  try {
    trust = new TrustStore(trusted);
  } catch {
    return false;
  }
  return verifyChain(chain, { trust, now: new Date(), usage: "client" }).trusted;
}

Deno.test("constraints hold for CAs below too, but not for one that carries itself over to a new key", () => {
  const onlyA = constraints({ permitted: [directory("a")] });
  const root = rawCertificate({
    subject: seq(attribute(O, "root")),
    privateKey: key,
    extensions: [basicConstraints(true), onlyA],
  });
  const chainOf = (...subjects: readonly Uint8Array[]) => {
    const [leaf, ...cas] = subjects;
    let issuer = root;
    const sent = cas.toReversed().map((subject) =>
      issuer = rawCertificate({ subject, issuer, privateKey: key, extensions: [basicConstraints(true)] })
    );
    return [rawCertificate({ subject: leaf!, issuer, privateKey: key }), ...sent].map(({ der }) => der);
  };
  const [a, b] = [seq(attribute(O, "a")), seq(attribute(O, "b"))];
  assertEquals(isGood(chainOf(a, a), root.certPem), true);
  assertEquals(isGood(chainOf(a, b), root.certPem), false);
  assertEquals(isGood(chainOf(a, root.subject), root.certPem), true);
  assertEquals(isGood(chainOf(root.subject, root.subject), root.certPem), false);
});

Deno.test("what a hostile CA below a trusted one makes us compare is bounded", () => {
  const root = rawCertificate({
    subject: commonName("Root"),
    privateKey: key,
    extensions: [basicConstraints(true)],
  });
  const many = (count: number) => Array.from({ length: count }, (_, index) => dns(`${index}.test`));
  const middle = rawCertificate({
    subject: commonName("Middle"),
    issuer: root,
    privateKey: key,
    extensions: [basicConstraints(true), constraints({ excluded: many(900), permitted: [dns("test")] })],
  });
  const leafOf = (count: number) =>
    rawCertificate({
      subject: commonName("leaf"),
      issuer: middle,
      privateKey: key,
      extensions: [rawExtension(Oid.subjectAltName, seq(...many(count).map(() => dns("a.test"))))],
    });
  const trust = new TrustStore(root.certPem);
  const verify = (count: number) =>
    verifyChain([leafOf(count).der, middle.der], { trust, now: new Date(), usage: "client" });
  assertEquals(verify(60).trusted, true);
  const verdict = verify(900);
  assert(!verdict.trusted && verdict.detail.includes("more names than can be compared"));
});
