import { assertEquals, assertMatch, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { createAuthority, loadAuthority } from "../../../src/tls/authority/authority.ts";
import { readCertificates } from "../../../src/tls/x509/read_certificates.ts";
import { parseCrls } from "../../../src/tls/x509/crl/read_crls.ts";
import { KEY_ALGORITHMS } from "../../../src/tls/authority/generate_key.ts";
import { testWith } from "../../support/installed.ts";
import { openssl, opensslVerify } from "../openssl.ts";
import { inDays, STRANGE } from "../pki.ts";

for (const algorithm of KEY_ALGORITHMS) {
  testWith(["openssl"], `OpenSSL is content with all that a CA of ${algorithm} makes`, async () => {
    const ca = await createAuthority({ algorithm });
    const intermediate = await ca.issueIntermediate({ pathLen: 0 });
    const server = await ca.issueServer({ names: ["localhost", "127.0.0.1", "::1"] });
    const client = await intermediate.issueClient({ cn: "alice" });
    const crlPem = intermediate.crl() + ca.crl();

    const trustPem = ca.certPem;
    const asked = [
      { leafPem: server.certPem, trustPem, usage: "server" as const, crlPem },
      { leafPem: client.certPem, trustPem, sentPem: client.chainPem, crlPem },
    ];
    for (const question of asked) {
      const { good, said } = await opensslVerify(question);
      assertEquals(good, true, said);
    }
    intermediate.revoke(client.serial, { reason: "keyCompromise" });
    const revoked = await opensslVerify({ ...asked[1]!, crlPem: intermediate.crl() + ca.crl() });
    assertStringIncludes(revoked.said, "certificate revoked");
    assertEquals(
      await openssl(["pkey", "-pubout"], client.keyPem),
      await openssl(["x509", "-pubkey", "-noout"], client.certPem),
    );
  });
}

testWith(
  ["openssl"],
  "OpenSSL reads the names, the usages and the identifiers as they were meant",
  async () => {
    const ca = await createAuthority();
    const client = await ca.issueClient({
      cn: ["alice, OU=admin", "bob"],
      ou: ["ops", "dev"],
      dns: "a.example.org",
      uri: "spiffe://x/a, URI:spiffe://x/admin",
      ip: ["10.1.2.3", "2001:db8::1"],
      email: "a@example.org",
    });
    const text = await openssl(["x509", "-noout", "-text"], client.certPem);
    const expected = [
      'Subject: OU = ops, OU = dev, CN = "alice, OU=admin", CN = bob',
      "Basic Constraints: critical\n                CA:FALSE",
      "Key Usage: critical\n                Digital Signature\n",
      "Extended Key Usage: \n                TLS Web Client Authentication\n",
      "email:a@example.org, DNS:a.example.org, URI:spiffe://x/a, URI:spiffe://x/admin, " +
      "IP Address:10.1.2.3, IP Address:2001:DB8:0:0:0:0:0:1",
    ];
    for (const part of expected) assertStringIncludes(text, part);

    const caText = await openssl(["x509", "-noout", "-text"], ca.certPem);
    assertStringIncludes(caText, "Basic Constraints: critical\n                CA:TRUE");
    assertStringIncludes(caText, "Key Usage: critical\n                Certificate Sign, CRL Sign");
    const [, key] = /Subject Key Identifier: \n\s+(\S+)/.exec(caText)!;
    assertStringIncludes(text, `Authority Key Identifier: \n                ${key}`);
  },
);

testWith(["openssl"], "OpenSSL reads a CRL with its number, reasons and dates", async () => {
  const ca = await createAuthority();
  ca.revoke("0a", { reason: "superseded", at: new Date("2026-01-02T03:04:05Z") });
  ca.revoke("FF", {});
  const now = new Date("2026-02-03T04:05:06Z");
  const text = await openssl(
    ["crl", "-noout", "-text"],
    ca.crl({ now, nextUpdate: new Date("2051-01-01T00:00:00Z") }),
  );
  const expected = [
    "Last Update: Feb  3 04:05:06 2026 GMT",
    "Next Update: Jan  1 00:00:00 2051 GMT",
    "X509v3 CRL Number: \n                1\n",
    "Serial Number: 0A\n        Revocation Date: Jan  2 03:04:05 2026 GMT",
    "Superseded",
    "Serial Number: FF",
  ];
  for (const part of expected) assertStringIncludes(text, part);
  assertStringIncludes(
    await openssl(["crl", "-noout", "-text"], ca.crl()),
    "CRL Number: \n                2\n",
  );
});

Deno.test("serial numbers are random, of 128 bits, and never repeat", async () => {
  const ca = await createAuthority();
  const { keyPem } = await ca.issueClient({ cn: "a" });
  const serials: string[] = [];
  for (let i = 0; i < 50; i++) serials.push((await ca.issueClient({ cn: "a", keyPem })).serial);
  assertEquals(new Set(serials).size, 50);
  for (const serial of serials) assertMatch(serial, /^[0-9A-F]{24,32}$/);
});

Deno.test("what is issued holds 825 days, a CA ten years, and nothing longer than its issuer", async () => {
  const now = () => Date.UTC(2026, 0, 1);
  const days = ({ notAfter }: { notAfter: Date }) => (notAfter.getTime() - now()) / 86_400_000;
  const ca = await createAuthority({ now });
  assertEquals(days(await ca.issueClient({ cn: "a" })), 825);
  assertEquals(readCertificates(ca.certPem)[0]!.notAfterMs - now(), 3650 * 86_400_000);

  const short = await createAuthority({ now, notAfter: new Date(now() + 10 * 86_400_000) });
  assertEquals(days(await short.issueClient({ cn: "a" })), 10);
  assertEquals(days(short), 10);
});

Deno.test("a CRL holds 30 days, and not longer than its CA unless it is told to", async () => {
  const now = () => Date.UTC(2026, 0, 1);
  const at = (days: number) => new Date(now() + days * 86_400_000);
  const daysOf = (pem: string) => (parseCrls(pem)[0]!.nextUpdateMs! - now()) / 86_400_000;
  const [ca, short] = [await createAuthority({ now }), await createAuthority({ now, notAfter: at(10) })];
  assertEquals([daysOf(ca.crl()), daysOf(short.crl())], [30, 10]);
  assertEquals(daysOf((await loadAuthority({ ...short, keyPem: short.keyPem, now })).crl()), 10);
  assertEquals(daysOf(short.crl({ nextUpdate: at(40) })), 40);
});

Deno.test("a CA that is taken up again goes on where it was", async () => {
  const ca = await createAuthority();
  const { serial } = await ca.issueClient({ cn: "a" });
  ca.revoke(serial, { reason: "keyCompromise" });
  ca.crl();
  const { certPem, keyPem, revoked, crlNumber } = ca;
  const again = await loadAuthority({ certPem, keyPem, revoked, crlNumber });
  assertEquals(again.revoked, revoked);
  again.crl();
  assertEquals(again.crlNumber, 2);
  const client = await again.issueClient({ cn: "b" });
  assertEquals(readCertificates(client.certPem)[0]!.issuer, readCertificates(certPem)[0]!.subject);

  const other = await createAuthority();
  const error = await assertRejects(() => loadAuthority({ certPem, keyPem: other.keyPem }), CulvertError);
  assertEquals([error.code, error.message], [
    "bad_certificate",
    "Cannot load the CA: its key does not match its certificate",
  ]);
  await assertRejects(() => loadAuthority({ certPem, keyPem: "no key" }), CulvertError, "not a key in PEM");
  await assertRejects(() => loadAuthority({ certPem: "", keyPem }), CulvertError, "no certificate");
});

Deno.test("a name that can't stand in a certificate is refused", async () => {
  const ca = await createAuthority();
  await assertRejects(
    () => ca.issueClient({ cn: "a", dns: "bücher.example" }),
    CulvertError,
    "expected ASCII",
  );
  await assertRejects(() => ca.issueClient({ cn: "a", uri: "" }), CulvertError, "expected ASCII");
  await assertRejects(() => ca.issueClient({ cn: "a", ip: "10.0.0.0/8" }), CulvertError, "expected an IP");
  assertThrows(() => ca.issueServer({ names: [] }), CulvertError, "without a name");
});

testWith(["openssl"], "the alternative names of a certificate without a subject are critical", async () => {
  const ca = await createAuthority();
  const { certPem } = await ca.issueClient({ uri: "spiffe://x/a", notAfter: inDays(1) });
  const text = await openssl(["x509", "-noout", "-text"], certPem);
  assertStringIncludes(text, "Subject Alternative Name: critical");
});

Deno.test("an unknown extension comes out as it went in", async () => {
  const ca = await createAuthority();
  const { certPem } = await ca.issueClient({ cn: "a", extensions: [{ ...STRANGE, critical: true }] });
  assertEquals(readCertificates(certPem)[0]!.unsupported, [STRANGE.oid]);
});
