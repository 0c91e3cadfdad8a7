import { assert, assertEquals, assertThrows } from "@std/assert";
import { sign } from "node:crypto";
import { runAtOnce } from "../../../../src/core/slices.ts";
import { CulvertError } from "../../../../src/core/errors.ts";
import { parseCertificate } from "../../../../src/tls/x509/read_certificates.ts";
import { parseCrls } from "../../../../src/tls/x509/crl/read_crls.ts";
import { CrlEntries } from "../../../../src/tls/x509/crl/entries.ts";
import { isCrlSignedBy, verifyCrls } from "../../../../src/tls/x509/crl/signature.ts";
import { scanPem } from "../../../../src/tls/x509/pem_scan.ts";
import { writePem } from "../../../../src/tls/x509/pem.ts";
import { basicConstraints, commonName, rawCertificate, seq, tlv, utcTime } from "../raw_certificate.ts";
import { testKey } from "../../test_keys.ts";
import { rawCrl } from "./raw_crl.ts";

const date = utcTime(-1);

/** A serial number of three octets. */
function serial(i: number): Uint8Array {
  return new Uint8Array([1 + (i >> 16), i >> 8 & 255, i & 255]);
}

function list(count: number): Uint8Array {
  const entries = Array.from({ length: count }, (_, i) => seq(tlv(2, serial(i)), date));
  const size = entries[0]!.length;
  const all = new Uint8Array(count * size);
  for (const [i, entry] of entries.entries()) all.set(entry, i * size);
  return all;
}

/** How often work may pause. */
function pauses(steps: Iterable<void>): number {
  let count = 0;
  for (const _ of steps) count++;
  return count;
}

Deno.test("every entry is found, and nothing else, and reading may pause at every thousandth", () => {
  const content = list(20_000);
  assert(pauses(CrlEntries.read(content)) >= 40);
  const entries = runAtOnce(CrlEntries.read(content));
  assertEquals(entries.size, 20_000);
  for (let i = 0; i < 20_000; i++) assert(entries.find(serial(i)) !== undefined, `${i}`);
  for (let i = 20_000; i < 40_000; i++) assertEquals(entries.find(serial(i)), undefined, `${i}`);
  assertEquals(entries.find(new Uint8Array()), undefined);
  assertEquals(runAtOnce(CrlEntries.read(new Uint8Array())).find(serial(1)), undefined);
});

Deno.test("of two entries of one serial number the first counts", () => {
  const [first, second] = [seq(tlv(2, serial(1)), utcTime(-9)), seq(tlv(2, serial(1)), date)];
  const entries = runAtOnce(CrlEntries.read(new Uint8Array([...first, ...second])));
  assertEquals(entries.find(serial(1)), first);
});

Deno.test("entries that are broken anywhere are refused", () => {
  const good = seq(tlv(2, serial(1)), date);
  for (let length = 1; length < good.length; length++) {
    assertThrows(() => runAtOnce(CrlEntries.read(good.subarray(0, length))), CulvertError);
  }
  const bad = [
    seq(),
    seq(tlv(2)),
    seq(tlv(2), date),
    seq(tlv(4, serial(1)), date),
    seq(tlv(2, serial(1)), tlv(4)),
  ];
  for (
    const entry of [...bad, seq(tlv(2, serial(1)), date, seq(), seq()), tlv(0x31, tlv(2, serial(1)), date)]
  ) {
    assertThrows(() => runAtOnce(CrlEntries.read(entry)), CulvertError);
  }
});

Deno.test("base64 is decoded in pieces, wherever these end, and reading may pause between them", () => {
  const der = crypto.getRandomValues(new Uint8Array(60_000));
  const large = new Uint8Array(der.length * 20);
  for (let i = 0; i < 20; i++) large.set(der, i * der.length);
  for (const text of [writePem("X509 CRL", large), writePem("X509 CRL", large).replaceAll("\n", "\r\n")]) {
    const bytes = new TextEncoder().encode(`note\n${text}\n-- ${text}`);
    assert(pauses(scanPem(bytes)) >= 12);
    const blocks = runAtOnce(scanPem(bytes));
    assertEquals(blocks.map(({ label }) => label), ["X509 CRL", "X509 CRL"]);
    for (const block of blocks) assertEquals(block.der!.toBase64(), large.toBase64());
  }
});

Deno.test("a large CRL is hashed in pieces, with every kind of key", async () => {
  const revoked = Array.from({ length: 20_000 }, (_, i) => serial(i));
  const pss = await testKey("rsa-2048");
  const root = rawCertificate({ subject: commonName("Lab CA"), extensions: [basicConstraints(true)] });
  const byRsa = rawCertificate({
    subject: commonName("Lab CA"),
    privateKey: pss,
    extensions: [basicConstraints(true)],
  });
  const rsa = {
    algorithm: new Uint8Array([...seq(new Uint8Array([6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 11, 5, 0]))]),
    sign: (tbs: Uint8Array) => new Uint8Array(sign("sha256", tbs, pss)),
  };
  const issuers = [root, byRsa].map(({ der }) => parseCertificate(der));
  for (const [index, signer] of [undefined, rsa].entries()) {
    const make = () => parseCrls(rawCrl({ issuer: root, revoked, ...(signer && { signer }) }))[0]!;
    const wanted = issuers.map((_, i) => i === index);
    const known = make();
    await verifyCrls([known], issuers);
    assertEquals(issuers.map((issuer) => isCrlSignedBy(known, issuer)), wanted);
    // Of an issuer that is not known before: the digest is good for one check, and later ones make their own.
    const unknown = make();
    await verifyCrls([unknown], []);
    assertEquals(issuers.map((issuer) => isCrlSignedBy(unknown, issuer)), wanted);
  }
});
