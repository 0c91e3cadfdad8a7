import { assertEquals } from "@std/assert";
import { verifyChain } from "../../../../src/tls/x509/path/chain.ts";
import { parseCrls } from "../../../../src/tls/x509/crl/read_crls.ts";
import { CrlSet, type CrlSetOptions } from "../../../../src/tls/x509/crl/set.ts";
import { TrustStore } from "../../../../src/tls/x509/path/trust_store.ts";
import { testWith } from "../../../support/installed.ts";
import {
  basicConstraints,
  commonName,
  type Raw,
  rawCertificate,
  rawExtension,
  tlv,
} from "../raw_certificate.ts";
import { opensslCrlVerdict, rawCrl } from "./raw_crl.ts";

const CA = [basicConstraints(true)];
const root = rawCertificate({ subject: commonName("Lab CA"), extensions: CA });
const client = rawCertificate({ subject: commonName("client"), issuer: root });
const revoked = [client.serial];

interface Judged extends CrlSetOptions {
  readonly trusted?: readonly Raw[];
  readonly chain?: readonly Raw[];
  readonly crls: readonly string[];
}

/** What is said of a chain: `good`, or the reason of the refusal. */
function judge({ trusted = [root], chain = [client], crls, ...options }: Judged): string {
  const trust = new TrustStore(trusted.map(({ certPem }) => certPem).join(""));
  const set = new CrlSet(crls.flatMap(parseCrls), options);
  const now = new Date();
  const verdict = verifyChain(chain.map(({ der }) => der), { trust, now, usage: "client", crls: set });
  return verdict.trusted ? "good" : verdict.reason;
}

/** The same by OpenSSL: whether it is good. */
async function openssl({ trusted = [root], chain = [client], crls }: Judged): Promise<boolean> {
  const verdict = await opensslCrlVerdict({
    trusted: trusted.map(({ certPem }) => certPem).join(""),
    chain: chain.map(({ der }) => der),
    crls: crls.join(""),
  });
  return verdict === "OK";
}

testWith(["openssl"], "of two CRLs of one issuer the one with the higher number counts", async () => {
  const older = { issuer: root, number: 7, thisUpdate: -1 };
  const newer = { issuer: root, number: 8, thisUpdate: -0.5 };
  for (
    const [crls, wanted] of [
      [[rawCrl(older), rawCrl({ ...newer, revoked })], "revoked"],
      [[rawCrl({ ...older, revoked }), rawCrl(newer)], "good"],
    ] as const
  ) {
    for (const order of [crls, crls.toReversed()]) {
      assertEquals(judge({ crls: order }), wanted);
      assertEquals(await openssl({ crls: order }), wanted === "good");
    }
  }
  // Where the dates say the opposite, OpenSSL goes by them.
  const crls = [rawCrl(older), rawCrl({ ...newer, thisUpdate: -2, revoked })];
  assertEquals([judge({ crls }), judge({ crls: crls.toReversed() })], ["revoked", "revoked"]);
});

testWith(["openssl"], "CRL numbers are compared as signed integers", async () => {
  const numbers: readonly (readonly [lower: number[], higher: number[]])[] = [
    [[0xff], [0x01]],
    [[0x80], [0xff]],
    [[0xff], [0x00]],
    [[0x7f], [0x00, 0x80]],
    [[0xff, 0x7f], [0x80]],
    [[0x00, 0xff], [0x01, 0x00]],
  ];
  for (const [lower, higher] of numbers) {
    const older = rawCrl({ issuer: root, number: new Uint8Array(lower), thisUpdate: -1 });
    const newer = rawCrl({ issuer: root, number: new Uint8Array(higher), thisUpdate: -0.5, revoked });
    const about = `${lower} ${higher}`;
    const both = [[older, newer], [newer, older]];
    assertEquals(both.map((crls) => judge({ crls })), ["revoked", "revoked"], about);
    assertEquals(await Promise.all(both.map((crls) => openssl({ crls }))), [false, false], about);
  }
});

Deno.test("without numbers the newest CRL counts, and an expired one with a higher number counts too", () => {
  const bare = { issuer: root, number: null };
  const crls = [rawCrl({ ...bare, thisUpdate: -2 }), rawCrl({ ...bare, thisUpdate: -1, revoked })];
  assertEquals([judge({ crls }), judge({ crls: crls.toReversed() })], ["revoked", "revoked"]);
  const expired = [
    rawCrl({ issuer: root, number: 9, nextUpdate: -0.5 }),
    rawCrl({ issuer: root, number: 8 }),
  ];
  assertEquals(judge({ crls: expired }), "crl-expired");
});

/** Serial numbers as the content of an INTEGER: one in a certificate, one in a CRL, and whether they are the same. */
const SERIALS: readonly (readonly [certificate: number[], crl: number[], same: boolean])[] = [
  [[0x00, 0x80], [0x00, 0x80], true],
  [[0x00, 0x80], [0x80], false],
  [[0x80], [0x80], true],
  [[0x80], [0x00, 0x80], false],
  [[0xff], [0x00, 0xff], false],
  [[0x7f], [0x7f], true],
  [[0x00], [0x00], true],
  [[0x01, ...Array(19).fill(0xab)], [0x01, ...Array(19).fill(0xab)], true],
  [[0x00, ...Array(20).fill(0xfe)], [0x00, ...Array(20).fill(0xfe)], true],
  [[0x00, ...Array(20).fill(0xfe)], Array(20).fill(0xfe), false],
  [[0x80, ...Array(19).fill(0x01)], [0x80, ...Array(19).fill(0x01)], true],
  [[0x01, 0x02], [0x02, 0x01], false],
];

testWith(["openssl"], "serial numbers are compared as signed integers", async () => {
  for (const [own, listed, same] of SERIALS) {
    const leaf = rawCertificate({ subject: commonName("leaf"), issuer: root, serial: new Uint8Array(own) });
    const crls = [rawCrl({ issuer: root, revoked: [new Uint8Array(listed)] })];
    const about = `${own} ${listed}`;
    assertEquals(judge({ chain: [leaf], crls }), same ? "revoked" : "good", about);
    assertEquals(await openssl({ chain: [leaf], crls }), !same, about);
  }
});

Deno.test("leading octets of a serial number that only repeat its sign make no difference", () => {
  for (const [own, listed] of [[[0x05], [0x00, 0x00, 0x05]], [[0x80], [0xff, 0xff, 0x80]]]) {
    const leaf = rawCertificate({ subject: commonName("leaf"), issuer: root, serial: new Uint8Array(own!) });
    const crls = [rawCrl({ issuer: root, revoked: [new Uint8Array(listed!)] })];
    assertEquals(judge({ chain: [leaf], crls }), "revoked");
  }
});

Deno.test("a CRL may be signed by another key of the CA that is trusted", () => {
  const other = rawCertificate({ subject: root.subject, extensions: CA });
  const trusted = [root, other];
  const byOther = rawCrl({ issuer: other });
  assertEquals(judge({ crls: [byOther] }), "crl-unreadable");
  assertEquals(judge({ trusted, crls: [byOther] }), "good");
  assertEquals(judge({ trusted, crls: [rawCrl({ issuer: other, revoked })] }), "revoked");
  // Each of two keys can revoke, whatever the numbers.
  const own = rawCrl({ issuer: root, revoked, number: 1 });
  assertEquals(judge({ trusted, crls: [own, rawCrl({ issuer: other, number: 2 })] }), "revoked");
  const expired = rawCrl({ issuer: root, number: 1, nextUpdate: -0.5 });
  assertEquals(judge({ trusted, crls: [expired, byOther] }), "good");
  const signer = rawExtension("2.5.29.15", tlv(3, new Uint8Array([2, 4])), true);
  const noCrls = rawCertificate({ subject: root.subject, extensions: [...CA, signer] });
  assertEquals(judge({ trusted: [root, noCrls], crls: [rawCrl({ issuer: noCrls })] }), "crl-unreadable");
  const ended = rawCertificate({
    subject: root.subject,
    extensions: CA,
    validity: new Uint8Array([...tlvOf("240101000000Z", "250101000000Z")]),
  });
  assertEquals(judge({ trusted: [root, ended], crls: [rawCrl({ issuer: ended })] }), "crl-unreadable");
});

testWith(
  ["openssl"],
  "a CRL may be signed by a key for CRLs alone, whose certificate the peer sends",
  async () => {
    const crlSign = rawExtension("2.5.29.15", tlv(3, new Uint8Array([1, 2])), true);
    const signer = rawCertificate({ subject: root.subject, issuer: root, extensions: [crlSign] });
    const own = rawCrl({ issuer: root });
    const place = { trusted: [root], chain: [client, signer] };
    const impostor = rawCertificate({
      subject: root.subject,
      privateKey: signer.privateKey,
      extensions: [crlSign],
    });
    const unfit = rawCertificate({ subject: root.subject, issuer: root, privateKey: signer.privateKey });
    // OpenSSL finds the signer by the identifiers of keys, or not at all.
    const [ski, otherSki] = [1, 2].map((id) => rawExtension("2.5.29.14", tlv(4, new Uint8Array([id]))));
    const aki = rawExtension("2.5.29.35", tlv(0x30, tlv(0x80, new Uint8Array([1]))));
    const middle = rawCertificate({
      subject: commonName("Middle"),
      issuer: root,
      extensions: [...CA, otherSki!],
    });
    const leaf = rawCertificate({ subject: commonName("leaf"), issuer: middle });
    const ofMiddle = rawCertificate({ subject: middle.subject, issuer: root, extensions: [crlSign, ski!] });
    const below = { trusted: [root], chain: [leaf, middle, ofMiddle] };
    const byMiddle = (
      serials: readonly Uint8Array[],
    ) => [own, rawCrl({ issuer: ofMiddle, revoked: serials, extensions: [aki] })];
    const cases: readonly (readonly [Judged, wanted: string])[] = [
      [{ ...below, crls: byMiddle([]) }, "good"],
      [{ ...below, crls: byMiddle([leaf.serial]) }, "revoked"],
      [{ ...below, crls: byMiddle([]).slice(1) }, "crl-unreadable"],
      [
        { ...below, crls: [rawCrl({ issuer: root, revoked: [ofMiddle.serial] }), byMiddle([])[1]!] },
        "crl-unreadable",
      ],
      [{ ...place, chain: [client], crls: [rawCrl({ issuer: signer })] }, "crl-unreadable"],
      [{ ...place, chain: [client, impostor], crls: [rawCrl({ issuer: impostor })] }, "crl-unreadable"],
      [{ ...place, chain: [client, unfit], crls: [rawCrl({ issuer: unfit })] }, "crl-unreadable"],
    ];
    for (const [judged, wanted] of cases) {
      const about = JSON.stringify([cases.findIndex(([each]) => each === judged), wanted]);
      assertEquals(judge(judged), wanted, about);
      // OpenSSL checks neither the key usage of the signer nor, with -crl_check, its revocation.
      if (wanted !== "crl-unreadable") assertEquals(await openssl(judged), wanted === "good", about);
    }
  },
);

testWith(["openssl"], "the signer of a CRL and the certificate lead to the same trusted CA", async () => {
  const keyId = (id: number) => rawExtension("2.5.29.14", tlv(4, new Uint8Array([id])));
  const crlSign = rawExtension("2.5.29.15", tlv(3, new Uint8Array([1, 2])), true);
  const other = rawCertificate({ subject: commonName("Other CA"), extensions: CA });
  const X = commonName("Shared name");
  const middle = rawCertificate({ subject: X, issuer: root, extensions: [...CA, keyId(2)] });
  const leaf = rawCertificate({ subject: commonName("leaf"), issuer: middle });
  const signerOf = (issuer?: Raw) =>
    rawCertificate({ subject: X, ...(issuer && { issuer }), extensions: [...CA, crlSign, keyId(1)] });
  const crlBy = (issuer: Raw, serials: readonly Uint8Array[] = []) => {
    const aki = rawExtension("2.5.29.35", tlv(0x30, tlv(0x80, new Uint8Array([1]))));
    return [root, other].map((each) => rawCrl({ issuer: each })).concat(
      rawCrl({ issuer, revoked: serials, extensions: [aki] }),
    );
  };
  const [own, foreign, bare] = [signerOf(root), signerOf(other), signerOf()];
  const cases: readonly (readonly [about: string, Judged, wanted: string])[] = [
    [
      "sent, of the same CA",
      { trusted: [root, other], chain: [leaf, middle, own], crls: crlBy(own) },
      "good",
    ],
    [
      "sent, of the same CA, which names it",
      { trusted: [root, other], chain: [leaf, middle, own], crls: crlBy(own, [leaf.serial]) },
      "revoked",
    ],
    [
      "sent, of another CA",
      { trusted: [root, other], chain: [leaf, middle, foreign], crls: crlBy(foreign) },
      "crl-unreadable",
    ],
    [
      "sent, of another CA, which names it",
      { trusted: [other, root], chain: [leaf, middle, foreign], crls: crlBy(foreign, [leaf.serial]) },
      "crl-unreadable",
    ],
    [
      "trusted, of another CA",
      { trusted: [root, other, foreign], chain: [leaf, middle], crls: crlBy(foreign) },
      "crl-unreadable",
    ],
    [
      "trusted as a root of the same name",
      { trusted: [root, bare], chain: [leaf, middle], crls: crlBy(bare) },
      "crl-unreadable",
    ],
    [
      "trusted beside the issuer, each by another CA",
      { trusted: [root, other, middle, foreign], chain: [leaf], crls: crlBy(foreign) },
      "crl-unreadable",
    ],
    [
      "sent, of the CA above the issuer, which is trusted itself",
      { trusted: [middle, root], chain: [leaf, own], crls: crlBy(own) },
      "good",
    ],
  ];
  for (const [about, judged, wanted] of cases) {
    assertEquals(judge(judged), wanted, about);
    assertEquals(await openssl(judged), wanted === "good", about);
  }
  // OpenSSL looks for signers among what is sent only.
  const trusted = [root, middle, own];
  assertEquals(judge({ trusted, chain: [leaf], crls: crlBy(own) }), "good");
});

Deno.test("with leaf only the client's certificate is looked up", () => {
  const middle = rawCertificate({ subject: commonName("Middle"), issuer: root, extensions: CA });
  const leaf = rawCertificate({ subject: commonName("leaf"), issuer: middle });
  const chain = [leaf, middle];
  const crls = [rawCrl({ issuer: middle })];
  assertEquals(judge({ chain, crls }), "crl-missing");
  assertEquals(judge({ chain, crls, checks: "leaf" }), "good");
  const all = [...crls, rawCrl({ issuer: root, revoked: [middle.serial] })];
  assertEquals([judge({ chain, crls: all }), judge({ chain, crls: all, checks: "leaf" })], [
    "revoked",
    "good",
  ]);
  const own = [rawCrl({ issuer: middle, revoked: [leaf.serial] })];
  assertEquals(judge({ chain, crls: own, checks: "leaf" }), "revoked");
});

Deno.test("a CRL without nextUpdate is used up to its greatest age, and not at all where that is not given", () => {
  const crls = [rawCrl({ issuer: root, nextUpdate: null, thisUpdate: -2 })];
  const hours = (count: number) => ({ crls, maxAgeMs: count * 3_600_000 });
  assertEquals([judge({ crls }), judge(hours(47)), judge(hours(49))], [
    "crl-unreadable",
    "crl-expired",
    "good",
  ]);
  const set = new CrlSet(crls.flatMap(parseCrls));
  assertEquals(
    set.problem(Date.now())!.detail,
    "the CRL of CN=Lab CA does not say when the next one is due (nextUpdate); crlMaxAge says how long such a CRL may " +
      "be used",
  );
  // It does not prolong one that says when the next is due.
  const due = [rawCrl({ issuer: root, thisUpdate: -2, nextUpdate: -1 })];
  assertEquals(judge({ crls: due, maxAgeMs: 49 * 3_600_000 }), "crl-expired");
});

/** A validity from one time to another. */
function tlvOf(from: string, to: string): Uint8Array {
  const time = (text: string) => tlv(23, new TextEncoder().encode(text));
  return tlv(0x30, time(from), time(to));
}
