import { assert, assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../../../src/core/errors.ts";
import { createAuthority } from "../../../../src/tls/authority/authority.ts";
import { parseCertificate } from "../../../../src/tls/x509/read_certificates.ts";
import { parseCrls } from "../../../../src/tls/x509/crl/read_crls.ts";
import { CrlSet } from "../../../../src/tls/x509/crl/set.ts";
import { DerCursor } from "../../../../src/tls/x509/der_cursor.ts";
import { output } from "../../../support/child.ts";
import { TemporaryFolder } from "../../../support/folder.ts";
import { testWith } from "../../../support/installed.ts";
import { crlSet, derOf, inDays, STRANGE } from "../../pki.ts";

const ca = await createAuthority();
const caCertificate = parseCertificate(derOf(ca.certPem)[0]!);

/** How many elements are read while `work` is done. */
function countElements(work: () => void): number {
  const original = DerCursor.prototype.read;
  let count = 0;
  DerCursor.prototype.read = function (start, limit) {
    count++;
    return original.call(this, start, limit);
  };
  try {
    work();
  } finally {
    DerCursor.prototype.read = original;
  }
  return count;
}

/** The CRL that OpenSSL makes for our CA of these lines of its database. */
async function opensslCrl(database: string): Promise<string> {
  await using folder = new TemporaryFolder();
  const config =
    `[ca]\ndefault_ca=d\n[d]\ndatabase=${folder.file("index")}\ncrlnumber=${folder.file("number")}\n` +
    "default_md=sha256\ndefault_crl_days=9\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n";
  const files = { conf: config, index: database, number: "2A\n", "ca.pem": ca.certPem, "ca.key": ca.keyPem };
  for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(folder.file(name), text);
  await output("openssl", [
    ...["ca", "-config", folder.file("conf"), "-gencrl", "-out", folder.file("crl")],
    ...["-cert", folder.file("ca.pem"), "-keyfile", folder.file("ca.key")],
  ]);
  return Deno.readTextFileSync(folder.file("crl"));
}

Deno.test("a CRL is read from PEM, from DER, and from several in one text", async () => {
  const other = await createAuthority({ name: "Other, CA" });
  other.revoke("0A", { at: new Date("2026-01-02T03:04:05Z"), reason: "superseded" });
  other.revoke("0B", { at: new Date("2026-01-02T03:04:05Z") });
  const pem = other.crl({
    now: new Date("2026-02-03T00:00:00Z"),
    nextUpdate: new Date("2052-01-01T00:00:00Z"),
  });
  const [der] = derOf(pem);
  for (
    const content of [pem, der!, new TextEncoder().encode(`a note\n${pem}`), pem.replaceAll("\n", "\r\n")]
  ) {
    const [crl, ...more] = parseCrls(content);
    assertEquals(more, []);
    assertEquals(crl!.size, 2);
    assertEquals(crl!.issuerName, "CN=Other\\, CA");
    assertEquals(new Date(crl!.thisUpdateMs), new Date("2026-02-03T00:00:00Z"));
    assertEquals(new Date(crl!.nextUpdateMs!), new Date("2052-01-01T00:00:00Z"));
    assertEquals(crl!.find("0A"), { at: new Date("2026-01-02T03:04:05Z"), reason: "superseded" });
    assertEquals(crl!.find("0B")!.reason, "unspecified");
    assertEquals(crl!.find("0C"), undefined);
  }
  assertEquals(parseCrls(pem + ca.crl()).map(({ issuerName }) => issuerName), [
    "CN=Other\\, CA",
    "CN=Culvert CA",
  ]);
});

Deno.test("serial numbers are found whatever zeros are in front of them", () => {
  ca.revoke("00ff");
  ca.revoke("80000000000000000000000000000001");
  const [crl] = parseCrls(ca.crl());
  assert(crl!.find("FF") !== undefined);
  assert(crl!.find("80000000000000000000000000000001") !== undefined);
});

Deno.test("what is no CRL, or not all of one, is refused", () => {
  const pem = ca.crl();
  const [der] = derOf(pem);
  const bad: (string | Uint8Array)[] = [
    "",
    "no PEM",
    ca.certPem,
    pem.slice(0, -40),
    pem.replace("MII", "M!!"),
    new Uint8Array(),
    der!.subarray(0, der!.length - 1),
    new Uint8Array([...der!, 0]),
    derOf(ca.certPem)[0]!,
    crypto.getRandomValues(new Uint8Array(300)),
  ];
  for (const content of bad) {
    const error = assertThrows(() => parseCrls(content), CulvertError);
    assertEquals(error.code, "bad_certificate");
  }
});

Deno.test("a CRL that says what is not understood is refused", () => {
  const value = new Uint8Array([0x30, 0]);
  const bad: [Parameters<typeof ca.crl>[0], string][] = [
    [{ extensions: [{ ...STRANGE, critical: true }] }, "critical and not known"],
    [{ extensions: [{ oid: "2.5.29.27", critical: true, value: new Uint8Array([2, 1, 1]) }] }, "delta CRL"],
    [{ extensions: [{ oid: "2.5.29.27", critical: false, value: new Uint8Array([2, 1, 1]) }] }, "delta CRL"],
    [{ extensions: [{ oid: "2.5.29.29", critical: true, value }] }, "certificates of other issuers"],
  ];
  for (const [options, message] of bad) {
    const error = assertThrows(() => parseCrls(ca.crl(options)), CulvertError, message);
    assertEquals(error.code, "bad_certificate");
  }
  assertEquals(parseCrls(ca.crl({ extensions: [{ ...STRANGE, critical: false }] })).length, 1);
});

Deno.test("a set tells what is wrong with it, and when it will expire", async () => {
  const other = await createAuthority({ name: "Other" });
  const set = crlSet(ca.crl({ nextUpdate: inDays(5) }), other.crl({ nextUpdate: inDays(2) }));
  const now = Date.now();
  assertEquals(set.problem(now), undefined);
  assertEquals(Math.round((set.nextUpdateMs! - now) / 86_400_000), 2);
  assertEquals(set.problem(inDays(3).getTime())!.reason, "crl-expired");
  assertEquals(set.problem(now - 86_400_000)!.reason, "crl-not-yet-valid");
  assertEquals(new CrlSet([]).nextUpdateMs, undefined);
  assertEquals(CrlSet.unreadable("gone").problem(now), { reason: "crl-unreadable", detail: "gone" });
  // The newest of an issuer counts, in whatever order they come.
  const old = ca.crl({ now: inDays(-9), nextUpdate: inDays(-5) });
  const fresh = ca.crl();
  assertEquals(crlSet(old, fresh).problem(Date.now()), undefined);
  assertEquals(crlSet(fresh, old).problem(Date.now()), undefined);
});

Deno.test("a list that is published ahead of its time leaves the one in force that holds until then", async () => {
  const revoked = await ca.issueClient({ cn: "mallory" });
  const [issuer] = derOf(ca.certPem).map(parseCertificate);
  const [mallory] = derOf(revoked.certPem).map(parseCertificate);
  const before = ca.crl({ nextUpdate: inDays(3) });
  ca.revoke(revoked.serial);
  const ahead = ca.crl({ now: inDays(1), nextUpdate: inDays(9) });
  for (const set of [crlSet(before, ahead), crlSet(ahead, before)]) {
    const now = Date.now();
    assertEquals([set.problem(now), set.check(mallory!, { issuer: issuer!, nowMs: now })], [
      undefined,
      undefined,
    ]);
    assertEquals(set.check(mallory!, { issuer: issuer!, nowMs: inDays(2).getTime() })?.reason, "revoked");
    assertEquals(set.problem(inDays(4).getTime()), undefined);
  }
  assertEquals(crlSet(ahead).problem(Date.now())?.reason, "crl-not-yet-valid");
});

Deno.test("a problem says whether it affects every client", async () => {
  const other = await createAuthority({ name: "Other" });
  const authorities = [ca, other].map(({ certPem }) => parseCertificate(derOf(certPem)[0]!));
  const now = inDays(3).getTime();
  const [short, long] = [{ nextUpdate: inDays(2) }, { nextUpdate: inDays(5) }];
  const rejects = (...crls: string[]) => crlSet(...crls).problemOf(authorities, now)?.rejects;
  assertEquals(rejects(ca.crl(short), other.crl(long)), "some");
  assertEquals(rejects(ca.crl(short), other.crl(short)), "all");
  assertEquals(rejects(ca.crl(short)), "all");
  assertEquals(rejects(ca.crl(long), other.crl(long)), undefined);
  assertEquals(CrlSet.unreadable("gone").problemOf(authorities, now)?.rejects, "all");
});

Deno.test("a set without a good CRL of any of the CAs is of no use, and of one of them is enough", async () => {
  const [other, impostor] = [
    await createAuthority({ name: "Other" }),
    await createAuthority(),
  ];
  const authorities = [ca, other].map(({ certPem }) => parseCertificate(derOf(certPem)[0]!));
  // A CRL that is made a second later than the time would not be valid yet.
  const problem = (...crls: string[]) => crlSet(...crls).problemOf(authorities, Date.now())?.reason;
  assertEquals(problem(impostor.crl()), "crl-unreadable");
  assertEquals(problem((await createAuthority({ name: "Third" })).crl()), "crl-missing");
  assertEquals([problem(ca.crl()), problem(other.crl())], [undefined, undefined]);
  const set = crlSet(other.crl());
  const nowMs = Date.now();
  assertEquals(authorities.map((authority) => set.standing(authority, { authorities, nowMs })?.reason), [
    "crl-missing",
    undefined,
  ]);
});

testWith(
  ["openssl"],
  "a CRL of a hundred thousand entries is read once, and looked up without reading it",
  async () => {
    const { keyPem } = await ca.issueClient({ cn: "a" });
    const serialOf = (i: number) => (0x5000_0000_0000 + i * 7).toString(16).toUpperCase();
    const lines = Array.from({ length: 100_000 }, (_, i) => {
      const reason = i % 2 === 0 ? "" : ",keyCompromise";
      return `R\t400101000000Z\t250101000000Z${reason}\t${serialOf(i)}\tunknown\t/CN=x\n`;
    });
    const pem = await opensslCrl(lines.join(""));
    let set!: CrlSet;
    const forReading = countElements(() => {
      const crls = parseCrls(pem);
      assertEquals(crls[0]!.size, 100_000);
      set = new CrlSet(crls);
    });
    // Seven for the form of an entry, two to put it into the table, and two for each place that is taken already.
    assert(forReading < 1_200_000, `${forReading}`);

    const now = Date.now() + 1000;
    const read = async (options: { serial?: string }) =>
      parseCertificate(derOf((await ca.issueClient({ cn: "a", keyPem, ...options })).certPem)[0]!);
    // Its name is read when it is first compared.
    void caCertificate.subject;
    const [free, taken] = [await read({}), await read({ serial: serialOf(99_999) })];
    const options = { issuer: caCertificate, nowMs: now };
    const forLookup = countElements(() => {
      for (let i = 0; i < 1000; i++) {
        assertEquals(set.check(free, options), undefined);
        assertEquals(set.check(taken, options)!.reason, "revoked");
      }
    });
    // Of all entries only those whose place in the table is that of the serial number, or next to it.
    assert(forLookup < 2000 * 64, `${forLookup}`);
  },
);

testWith(["openssl"], "a CRL that OpenSSL has made is read and its signature found good", async () => {
  const pem = await opensslCrl(
    "R\t400101000000Z\t250101000000Z,keyCompromise\t0A0B\tunknown\t/CN=x\n" +
      "R\t400101000000Z\t250201000000Z\tFF00\tunknown\t/CN=y\n",
  );
  const [crl] = parseCrls(pem);
  assertEquals(crl!.find("0A0B"), { at: new Date("2025-01-01T00:00:00Z"), reason: "keyCompromise" });
  assertEquals(crl!.find("FF00")!.reason, "unspecified");
  const client = parseCertificate(derOf((await ca.issueClient({ cn: "a" })).certPem)[0]!);
  // OpenSSL wrote down this second, which may have begun after the last one was looked at.
  const now = crl!.thisUpdateMs;
  assertEquals(crlSet(pem).check(client, { issuer: caCertificate, nowMs: now }), undefined);
  const revoked = parseCertificate(derOf((await ca.issueClient({ cn: "a", serial: "FF00" })).certPem)[0]!);
  assertEquals(crlSet(pem).check(revoked, { issuer: caCertificate, nowMs: now })!.reason, "revoked");
});
