import { assertEquals } from "@std/assert";
import { sign } from "node:crypto";
import { createAuthority } from "../../../../src/tls/authority/authority.ts";
import { parseCertificate } from "../../../../src/tls/x509/read_certificates.ts";
import { MAX_CRL_BYTES, readCrls } from "../../../../src/tls/x509/crl/read_crls.ts";
import { CrlSet } from "../../../../src/tls/x509/crl/set.ts";
import { writePem } from "../../../../src/tls/x509/pem.ts";
import { derOf } from "../../pki.ts";
import {
  basicConstraints,
  commonName,
  oid,
  rawCertificate,
  rawExtension,
  seq,
  tlv,
} from "../raw_certificate.ts";
import { rawCrl } from "./raw_crl.ts";

const good = await createAuthority({ name: "Good" });
const bad = rawCertificate({ subject: commonName("Bad"), extensions: [basicConstraints(true)] });
const badCertificate = parseCertificate(bad.der);
const [goodCertificate] = derOf(good.certPem).map(parseCertificate);
const goodClient = parseCertificate(derOf((await good.issueClient({ cn: "a" })).certPem)[0]!);
const badClient = parseCertificate(rawCertificate({ subject: commonName("b"), issuer: bad }).der);
const authorities = [goodCertificate!, badCertificate];

const sha1 = {
  algorithm: seq(oid("1.2.840.10045.4.1")),
  sign: (tbs: Uint8Array) => new Uint8Array(sign("sha1", tbs, bad.privateKey)),
};
const delta = rawExtension("2.5.29.27", tlv(2, new Uint8Array([1])), true);
const otherIssuer = rawExtension("2.5.29.29", seq(), true);
const unknown = rawExtension("1.3.6.1.4.1.99999.1", seq(), true);
const [der] = derOf(rawCrl({ issuer: bad }));
const revoked = [new Uint8Array([1])];

/** A CRL of one issuer that can't be used, whether its issuer can be read, and the reason in words. */
const UNUSABLE: readonly (readonly [pem: string, known: boolean, why: string])[] = [
  [rawCrl({ issuer: bad, extensions: [delta] }), true, "it is a delta CRL, which is not supported"],
  [
    rawCrl({ issuer: bad, extensions: [unknown] }),
    true,
    "its extension 1.3.6.1.4.1.99999.1 is critical and not known",
  ],
  [
    rawCrl({ issuer: bad, signer: sha1 }),
    true,
    "its signature algorithm is not supported (ecdsa-with-SHA1: SHA-1 is too weak)",
  ],
  [
    rawCrl({ issuer: bad, revoked, entryExtensions: [otherIssuer] }),
    true,
    "it names certificates of other issuers (indirect CRL), which is not supported",
  ],
  [
    rawCrl({ issuer: bad, revoked, entryExtensions: [unknown] }),
    true,
    "an extension of an entry is critical and not known",
  ],
  [writePem("X509 CRL", der!.subarray(0, -1)), false, "not a CRL in DER"],
  [writePem("X509 CRL", new Uint8Array([1, 2, 3])), false, "not a CRL in DER"],
  [
    "-----BEGIN X509 CRL-----\nM!!\n-----END X509 CRL-----\n",
    false,
    "a PEM block (X509 CRL) is cut off or broken",
  ],
  ["-----BEGIN X509 CRL-----\nMIIB\n", false, "a PEM block (X509 CRL) is cut off or broken"],
  ["-----BEGIN X509 CRL\n", false, "a PEM block is cut off or broken"],
];

Deno.test("an unusable CRL rejects the clients of its issuer, and no others", async () => {
  for (const [pem, known, why] of UNUSABLE) {
    for (const text of [pem + good.crl(), good.crl() + pem]) {
      const reading = await readCrls(text);
      assertEquals(reading.crls.map(({ issuerName }) => issuerName), ["CN=Good"], why);
      assertEquals(reading.unusable.map((each) => [each.issuerName, each.why]), [[
        known ? "CN=Bad" : undefined,
        why,
      ]]);
      const set = new CrlSet(reading.crls, reading);
      const nowMs = Date.now();
      assertEquals(set.check(goodClient, { issuer: goodCertificate!, nowMs }), undefined, why);
      const detail = known ? `the CRL of CN=Bad cannot be used: ${why}` : why;
      const finding = { reason: "crl-unreadable", detail } as const;
      assertEquals(set.check(badClient, { issuer: badCertificate, nowMs }), finding);
      assertEquals(set.problemOf(authorities, nowMs), { ...finding, rejects: "some" });
    }
  }
});

Deno.test("an unusable CRL beside a usable one of the same issuer rejects no client", async () => {
  for (const [pem, known, why] of UNUSABLE) {
    const reading = await readCrls(good.crl() + rawCrl({ issuer: bad, number: null }) + pem);
    const set = new CrlSet(reading.crls, reading);
    const nowMs = Date.now();
    assertEquals(set.check(badClient, { issuer: badCertificate, nowMs }), undefined, why);
    // One of an issuer that is not known may keep out clients of an intermediate CA: the problem stays.
    assertEquals(set.problemOf(authorities, nowMs)?.rejects, known ? undefined : "some", why);
    const expired = await readCrls(rawCrl({ issuer: bad, nextUpdate: -0.5 }) + pem);
    const old = new CrlSet(expired.crls, expired);
    assertEquals(old.check(badClient, { issuer: badCertificate, nowMs })?.reason, "crl-expired", why);
  }
});

Deno.test("a file that is too large is refused before it is read", async () => {
  const { crls, unusable } = await readCrls(new Uint8Array(MAX_CRL_BYTES + 1));
  assertEquals([crls, unusable], [[], [{ why: "it has 65 MiB; at most 64 MiB are read" }]]);
});
