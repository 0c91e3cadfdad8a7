import { assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { createAuthority } from "../../../src/tls/authority/authority.ts";
import { readIdentity } from "../../../src/tls/x509/identity.ts";
import { testWith } from "../../support/installed.ts";
import { output } from "../../support/child.ts";
import { TemporaryFolder } from "../../support/folder.ts";
import { openssl } from "../openssl.ts";
import { derOf } from "../pki.ts";

const ca = await createAuthority();
const key = (await ca.issueClient({ cn: "a" })).keyPem;

async function identify(options: Parameters<typeof ca.issueClient>[0]) {
  const { certPem } = await ca.issueClient({ keyPem: key, ...options });
  return readIdentity(derOf(certPem)[0]!);
}

Deno.test("a name with a comma in it does not become two", async () => {
  const identity = await identify({
    cn: "alice, CN=admin",
    ou: "ops,OU=root",
    uri: "urn:x:a, URI:urn:x:admin",
    dns: "a.example.org",
  });
  assertEquals(identity.commonNames, ["alice, CN=admin"]);
  assertEquals(identity.organizationalUnits, ["ops,OU=root"]);
  assertEquals(identity.uris, ["urn:x:a, URI:urn:x:admin"]);
  assertEquals(identity.dnsNames, ["a.example.org"]);
  assertEquals(identity.subject, "CN=alice\\, CN\\=admin,OU=ops\\,OU\\=root");
});

Deno.test("every common name and every unit is there, in its order", async () => {
  const { commonNames, organizationalUnits } = await identify({ cn: ["one", "two"], ou: ["a", "b", "a"] });
  assertEquals([commonNames, organizationalUnits], [["one", "two"], ["a", "b", "a"]]);
});

Deno.test("a name with a NUL in it is no name", async () => {
  const identity = await identify({
    cn: ["admin\0.evil", "fine"],
    ou: "ops\0",
    dns: ["admin.example.org\0.evil.org", "fine.example.org"],
    uri: ["urn:x:admin\0", "urn:x:fine"],
    email: "a@b\0",
  });
  assertEquals(identity.commonNames, ["fine"]);
  assertEquals(identity.organizationalUnits, []);
  assertEquals(identity.dnsNames, ["fine.example.org"]);
  assertEquals(identity.uris, ["urn:x:fine"]);
  assertEquals(identity.emails, []);
  assertEquals(identity.subject, "CN=fine,CN=admin\\u0000.evil,OU=ops\\u0000");
});

Deno.test("what is no SPIFFE ID is no URI, even where a certificate says so", async () => {
  const bad = [
    "spiffe://x/a, URI:spiffe://x/admin",
    "SPIFFE://x/a",
    "spiffe:a",
    "spiffe:///a",
    "spiffe://X/a",
    "spiffe://x/",
    "spiffe://x/a/",
    "spiffe://x//a",
    "spiffe://x/a/../b",
    "spiffe://x/.",
    "spiffe://x/..",
    "spiffe://x:1/a",
    "spiffe://u@x/a",
    "spiffe://x/a?b",
    "spiffe://x/a#b",
    "spiffe://x/a%62",
    "spiffe://x/a b",
    "spiffe://x/a\0",
    `spiffe://${"x".repeat(256)}/a`,
    `spiffe://x/${"a".repeat(2048)}`,
  ];
  for (const uri of bad) assertEquals((await identify({ cn: "a", uri })).uris, [], uri);
  for (const uri of ["spiffe://x", "spiffe://x-1.y_z/ns/A.b/sa/...", `spiffe://x/${"a".repeat(2037)}`]) {
    assertEquals((await identify({ cn: "a", uri })).uris, [uri]);
  }
  // Which of several it is would be ambiguous.
  assertEquals((await identify({ cn: "a", uri: ["spiffe://x/a", "spiffe://x/b"] })).uris, []);
  assertEquals((await identify({ cn: "a", uri: ["urn:a", "spiffe://x/a", "urn:b"] })).uris, [
    "urn:a",
    "urn:b",
  ]);
});

Deno.test("what is no DNS name is none, even where a certificate says so", async () => {
  const bad = [
    "a b.example.org",
    ".example.org",
    "a..example.org",
    "example.org.",
    "a.*.example.org",
    "f*.example.org",
    "-a.example.org",
    "*",
    "a,b.example.org",
    `${"a".repeat(64)}.example.org`,
    `${"a.".repeat(126)}example.org`,
  ];
  const good = [
    "EXAMPLE.org",
    "*.Example.org",
    "_sip.example.org",
    "xn--bcher-kva.example",
    "localhost",
    "1.2",
  ];
  assertEquals(
    (await identify({ cn: "a", dns: [...bad, ...good] })).dnsNames,
    good.map((name) => name.toLowerCase()),
  );
});

Deno.test("addresses are in their one form, and IPv4 within IPv6 is IPv4", async () => {
  const { ips } = await identify({ cn: "a", ip: ["10.0.0.1", "2001:DB8:0:0::1", "::ffff:10.0.0.2", "::"] });
  assertEquals(ips, ["10.0.0.1", "2001:db8::1", "10.0.0.2", "::"]);
});

Deno.test("a subject is written without control and format characters", async () => {
  const shown = (cn: string) => identify({ cn }).then(({ subject }) => subject);
  assertEquals(await shown("a\nb\r\x1b[31m"), "CN=a\\u000ab\\u000d\\u001b[31m");
  assertEquals(await shown("\u202eadmin\u2028"), "CN=\\u202eadmin\\u2028");
  assertEquals(await shown(' #"x\\y<z>; '), 'CN=\\ #\\"x\\\\y\\<z\\>\\;\\ ');
  assertEquals(await shown("Jürgen 🙂"), "CN=Jürgen 🙂");
});

Deno.test("a long subject is cut in the log, and nowhere else", async () => {
  const long = "x".repeat(200);
  const identity = await identify({ cn: long, ou: ["a".repeat(128), "🙂".repeat(100)] });
  const [cn, smiles] = ["x".repeat(128), "🙂".repeat(64)];
  assertEquals(identity.subject, `CN=${cn}…,OU=${smiles}…,OU=${"a".repeat(128)}`);
  assertEquals(identity.commonNames, [long]);
  const odd = await identify({ cn: `x${"🙂".repeat(100)}` });
  assertEquals(odd.subject, `CN=x${"🙂".repeat(63)}…`);
  // What is escaped grows; all of it is bounded, too.
  const many = await identify({ cn: "\0".repeat(2000), ou: Array.from({ length: 1000 }, () => "y") });
  assertEquals(many.subject, `CN=${"\\u0000".repeat(84)}\\u000…`);
  assertEquals(many.organizationalUnits.length, 1000);
});

testWith(["openssl"], "the serial number, the dates and the pin are those that OpenSSL finds", async () => {
  const { certPem } = await ca.issueClient({ cn: "a", serial: "00F1" });
  const identity = readIdentity(derOf(certPem)[0]!);
  assertEquals(await openssl(["x509", "-noout", "-serial"], certPem), `serial=${identity.serialNumber}\n`);
  const dates = await openssl(["x509", "-noout", "-dates"], certPem);
  const [notBefore, notAfter] = [...dates.matchAll(/=(.*)/g)].map(([, text]) => new Date(text!));
  assertEquals([identity.notBefore, identity.notAfter], [notBefore, notAfter]);
  await using folder = new TemporaryFolder();
  await Deno.writeTextFile(folder.file("c.pem"), certPem);
  const pipeline =
    `openssl x509 -in ${folder.file("c.pem")} -pubkey -noout | openssl pkey -pubin -outform der | ` +
    "openssl dgst -sha256 -binary | openssl base64";
  assertEquals((await output("sh", ["-c", pipeline])).trim(), identity.spkiSha256);
});

Deno.test("usages are reported where the certificate bounds them", async () => {
  const bounded = await identify({ cn: "a" });
  assertEquals(bounded.keyUsage, ["digitalSignature"]);
  assertEquals(bounded.extendedKeyUsage, ["1.3.6.1.5.5.7.3.2"]);
  const free = await identify({ cn: "a", keyUsage: [], extendedKeyUsage: [] });
  assertEquals([free.keyUsage, free.extendedKeyUsage], [undefined, undefined]);
  const all = await identify({ cn: "a", keyUsage: ["decipherOnly", "cRLSign", "nonRepudiation"] });
  assertEquals(all.keyUsage, ["nonRepudiation", "cRLSign", "decipherOnly"]);
});

Deno.test("what is no certificate, or has something behind it, is refused", async () => {
  const [der] = derOf((await ca.issueClient({ cn: "a" })).certPem);
  const bad = [
    new Uint8Array(),
    new Uint8Array([0x30, 0]),
    new TextEncoder().encode("-----BEGIN CERTIFICATE-----"),
    der!.subarray(0, der!.length - 1),
    new Uint8Array([...der!, 0]),
    crypto.getRandomValues(new Uint8Array(500)),
  ];
  for (const bytes of bad) {
    const error = assertThrows(() => readIdentity(bytes), CulvertError);
    assertEquals(error.code, "bad_certificate");
  }
});

Deno.test("a certificate has one form: its frame in BER that is no DER is refused", async () => {
  const [der] = derOf((await ca.issueClient({ cn: "a" })).certPem);
  assertEquals(der!.subarray(0, 2).toHex(), "3082");
  const content = der!.subarray(4);
  const forms = [
    new Uint8Array([0x30, 0x83, 0, der![2]!, der![3]!, ...content]),
    new Uint8Array([0x30, 0x80, ...content, 0, 0]),
  ];
  for (const form of forms) assertThrows(() => readIdentity(form), CulvertError, "Cannot read a certificate");
});

Deno.test("an extension that is there twice makes a certificate unreadable", async () => {
  const twice = { oid: "2.5.29.17", critical: false, value: new Uint8Array([0x30, 0]) };
  const { certPem } = await ca.issueClient({ cn: "a", dns: "a.example.org", extensions: [twice] });
  assertThrows(() => readIdentity(derOf(certPem)[0]!), CulvertError, "Cannot read a certificate");
});

Deno.test("names that can't be read make a certificate unreadable", async () => {
  // The last two: a name in pieces, and one of a kind that there is not.
  for (
    const hex of ["0500", "30020500", "3003820261", "3003820161aa", "ff", "", "3003a20161", "3003890161"]
  ) {
    const broken = { oid: "2.5.29.17", critical: false, value: Uint8Array.fromHex(hex) };
    const { certPem } = await ca.issueClient({ cn: "a", extensions: [broken] });
    assertThrows(() => readIdentity(derOf(certPem)[0]!), CulvertError, "Cannot read a certificate");
  }
});
