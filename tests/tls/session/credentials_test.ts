import { assertEquals, assertStrictEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { createAuthority } from "../../../src/tls/authority/authority.ts";
import { KEY_ALGORITHMS } from "../../../src/tls/authority/generate_key.ts";
import {
  checkCredentials,
  type CredentialLabels,
  type CredentialsPem,
  readCredentials,
} from "../../../src/tls/session/credentials.ts";
import { ClientTrust } from "../../../src/tls/authorize/client_trust.ts";
import { TlsGate } from "../../../src/tls/gate.ts";
import { output } from "../../support/child.ts";
import { TemporaryFolder } from "../../support/folder.ts";
import { testWith } from "../../support/installed.ts";
import { openssl } from "../openssl.ts";
import { inDays } from "../pki.ts";
import { testKey } from "../test_keys.ts";

const ca = await createAuthority({ newKey: testKey });
const server = await ca.issueServer({ names: ["a.test"] });
const labels = { certLabel: '"server.pem"', keyLabel: '"server.key"' };

function refusal(material: Partial<CredentialsPem & CredentialLabels & { usage: "client" }>): string {
  const whole = { certPem: server.certPem, keyPem: server.keyPem, ...labels, ...material };
  const error = assertThrows(() => checkCredentials(whole, new Date()), CulvertError);
  assertEquals(error.code, "bad_certificate");
  return error.message;
}

for (const algorithm of KEY_ALGORITHMS) {
  Deno.test(`a chain and a key of ${algorithm} are accepted, also by the runtime`, async () => {
    const root = await createAuthority({ algorithm, newKey: testKey });
    const intermediate = await root.issueIntermediate({ notAfter: inDays(30) });
    const { chainPem: certPem, keyPem } = await intermediate.issueServer({ names: ["a.test", "10.0.0.1"] });
    const checked = checkCredentials({ certPem, keyPem }, new Date());
    assertEquals(checked.warnings, []);
    assertEquals(checked.chain.length, 2);
    assertEquals(checked.identity.dnsNames, ["a.test"]);
    assertEquals(checked.notAfter, new Date(checked.chain[1]!.notAfterMs));
    Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert: certPem, key: keyPem }).close();
  });
}

testWith(["openssl"], "keys in PKCS#8, SEC1 and PKCS#1 are read, with other things beside them", async () => {
  const rsa = await ca.issueServer({ names: ["a.test"], algorithm: "rsa-2048" });
  const forms: [string, string, string][] = [
    [server.certPem, server.keyPem, "BEGIN PRIVATE KEY"],
    [server.certPem, await openssl(["ec"], server.keyPem), "BEGIN EC PRIVATE KEY"],
    [rsa.certPem, await openssl(["rsa", "-traditional"], rsa.keyPem), "BEGIN RSA PRIVATE KEY"],
  ];
  const parameters = await openssl(["ecparam", "-name", "prime256v1"], "");
  for (const [certPem, keyPem, label] of forms) {
    assertStringIncludes(keyPem, label);
    for (
      const key of [
        keyPem,
        parameters + keyPem,
        `a note\n${certPem}${keyPem}`,
        keyPem.replaceAll("\n", "\r\n"),
      ]
    ) {
      const checked = checkCredentials({ certPem, keyPem: key }, new Date());
      assertEquals(checked.warnings, []);
      const { certPem: cert, keyPem: clean } = checked;
      assertEquals(
        await openssl(["pkey", "-pubout"], clean),
        await openssl(["x509", "-pubkey", "-noout"], cert),
      );
      Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key: clean }).close();
    }
  }
});

Deno.test("an error says which of the two files is wrong, and how", async () => {
  const other = await ca.issueServer({ names: ["b.test"] });
  const rsa = await ca.issueServer({ names: ["b.test"], algorithm: "rsa-2048" });
  const bad: [Partial<CredentialsPem & CredentialLabels & { usage: "client" }>, string][] = [
    [{ certPem: "" }, 'Cannot use "server.pem": it has no certificate in PEM'],
    [{ certPem: server.keyPem }, 'Cannot use "server.pem": it has no certificate in PEM'],
    [
      { certPem: server.certPem.slice(0, -30) },
      'Cannot use "server.pem": Cannot read PEM: line 1: the block of CERTIFICATE has no end',
    ],
    [{ certPem: server.certPem.replace("MII", "MIJ") }, 'Cannot use "server.pem": Cannot read a certificate'],
    [{ certPem: server.certPem.replace("MII", "M?I") }, 'Cannot use "server.pem": Cannot read PEM'],
    [{ keyPem: "" }, 'Cannot use "server.key": it has no private key in PEM'],
    [{ keyPem: server.certPem }, 'Cannot use "server.key": it has no private key in PEM'],
    [{ keyPem: server.keyPem.replace("MIG", "MIJ") }, 'Cannot use "server.key": it is not a private key'],
    [
      { keyPem: server.keyPem + other.keyPem },
      'Cannot use "server.key": it has several private keys',
    ],
    [{ keyPem: other.keyPem }, 'Cannot use "server.key": it does not match the certificate in "server.pem"'],
    [{ keyPem: rsa.keyPem }, 'Cannot use "server.key": it does not match the certificate in "server.pem"'],
  ];
  for (const [material, message] of bad) assertStringIncludes(refusal(material), message);
});

Deno.test("a key of another certificate of the file than the first is an error that names that certificate", async () => {
  const intermediate = await ca.issueIntermediate({ cn: "Inter I" });
  const own = await intermediate.issueServer({ names: ["a.test"] });
  const { keyPem } = own;
  const mismatch = 'Cannot use "server.key": it does not match the certificate in "server.pem"';
  const hint =
    "; the first certificate there is CN=Inter I, but CN=a.test, which matches the key, must come first";
  assertEquals(refusal({ certPem: intermediate.certPem + own.certPem, keyPem }), mismatch + hint);
  assertEquals(
    refusal({ certPem: intermediate.certPem + ca.certPem + own.certPem, keyPem }),
    mismatch + hint,
  );
  // Of a key that goes with none of them the order says nothing.
  assertEquals(refusal({ certPem: intermediate.certPem + own.certPem, keyPem: server.keyPem }), mismatch);
});

testWith(["openssl"], "keys that the runtime cannot use are rejected with a reason", async () => {
  await using folder = new TemporaryFolder();
  const make = async (...args: string[]) => {
    await output("openssl", ["genpkey", "-out", folder.file("key"), "-algorithm", ...args]);
    return await Deno.readTextFile(folder.file("key"));
  };
  assertStringIncludes(
    refusal({ keyPem: await make("rsa", "-pkeyopt", "rsa_keygen_bits:1024") }),
    "RSA of 1024 bits is too short; expected at least 2048",
  );
  assertStringIncludes(
    refusal({ keyPem: await make("ec", "-pkeyopt", "ec_paramgen_curve:secp256k1") }),
    "curve secp256k1 is not supported",
  );
  assertStringIncludes(refusal({ keyPem: await make("ed448") }), "are not supported");
  const encrypted = await openssl(["pkcs8", "-topk8", "-passout", "pass:x"], server.keyPem);
  assertStringIncludes(refusal({ keyPem: encrypted }), "it is encrypted, which is not supported");
  const old = await openssl(["ec", "-aes128", "-passout", "pass:x"], server.keyPem);
  assertStringIncludes(refusal({ keyPem: old }), "it is encrypted, which is not supported");
});

Deno.test("dates, usage and order are warned of, with the file and the date", async () => {
  const now = new Date();
  const warningsOf = (
    certPem: string,
    keyPem: string,
    more: Partial<CredentialsPem & CredentialLabels & { usage: "client" }> = {},
  ) => checkCredentials({ certPem, keyPem, ...labels, ...more }, now).warnings;

  const past = await ca.issueServer({
    names: ["a.test"],
    notAfter: new Date("2020-01-02T03:04:05Z"),
    notBefore: inDays(-9999),
  });
  assertEquals(warningsOf(past.certPem, past.keyPem), [
    '"server.pem": CN=a.test expired on 2020-01-02T03:04:05.000Z',
  ]);
  const future = await ca.issueServer({
    names: ["a.test"],
    notBefore: new Date("2090-01-02T03:04:05Z"),
    notAfter: new Date("2091-01-01T00:00:00Z"),
  });
  assertEquals(warningsOf(future.certPem, future.keyPem), [
    '"server.pem": CN=a.test is not valid before 2090-01-02T03:04:05.000Z',
  ]);
  const client = await ca.issueClient({ cn: "me" });
  assertEquals(warningsOf(client.certPem, client.keyPem), [
    '"server.pem": its extended key usage does not include serverAuth, so most peers will reject it',
    '"server.pem": it has no DNS name and no IP address, so most clients will reject it',
  ]);
  assertEquals(warningsOf(client.certPem, client.keyPem, { usage: "client" }), []);
  const other = await createAuthority({ name: "Other" });
  assertEquals(warningsOf(server.certPem + other.certPem, server.keyPem), [
    '"server.pem": CN=Other follows CN=a.test, but has not issued it',
  ]);
});

Deno.test("the dates of CAs in the chain are warned of like those of the leaf", async () => {
  const ended = await ca.issueIntermediate({
    cn: "Inter I",
    notBefore: inDays(-9999),
    notAfter: new Date("2020-01-02T03:04:05Z"),
  });
  const { chainPem: certPem, keyPem } = await ended.issueServer({ names: ["a.test"], notAfter: inDays(30) });
  const checked = checkCredentials({ certPem, keyPem, ...labels }, new Date());
  assertEquals(checked.warnings, ['"server.pem": CN=Inter I expired on 2020-01-02T03:04:05.000Z']);
  assertEquals(checked.notAfter, new Date("2020-01-02T03:04:05Z"));
  const early = await ca.issueIntermediate({
    cn: "Inter I",
    notBefore: new Date("2090-01-02T03:04:05Z"),
    notAfter: new Date("2091-01-02T03:04:05Z"),
  });
  const own = await early.issueServer({ names: ["a.test"], notAfter: inDays(30) });
  const material = { certPem: own.chainPem, keyPem: own.keyPem, ...labels };
  assertEquals(checkCredentials(material, new Date()).warnings, [
    '"server.pem": CN=Inter I is not valid before 2090-01-02T03:04:05.000Z',
  ]);
});

testWith(["openssl"], "a client key that servers without TLS 1.3 reject is warned of", async () => {
  const text = await openssl(["ecparam", "-name", "secp521r1", "-genkey", "-noout"], "");
  const plain = await openssl(["pkcs8", "-topk8", "-nocrypt"], text);
  const certPem = await openssl(
    ["req", "-x509", "-key", "/dev/stdin", "-subj", "/CN=me", "-days", "2"],
    plain,
  );
  const warningsOf = (usage: "server" | "client") =>
    checkCredentials({ certPem, keyPem: text, ...labels, usage }, new Date()).warnings;
  assertEquals(warningsOf("client"), [
    '"server.pem": its key is on curve P-521, so servers without TLS 1.3 will reject it',
  ]);
  assertEquals(warningsOf("server").filter((warning) => warning.includes("P-521")), []);
});

Deno.test("credentials in use are parsed once: in checks, in gates and when a gate gets another trust", () => {
  const certPem = server.certPem;
  const checked = checkCredentials({ certPem, keyPem: `a note\n${server.keyPem}`, ...labels }, new Date());
  // What the check gives is another text for the same credentials.
  assertStrictEquals(readCredentials(checked), checked.own);
  const gate = new TlsGate({
    cert: checked.certPem,
    key: checked.keyPem,
    clientAuth: "require",
    ca: ca.certPem,
  });
  const renewed = gate.withTrust({ ca: ca.certPem, allow: [{ cn: "a" }] });
  for (const each of [gate, renewed]) assertStrictEquals(each.credentials, checked.own);
  assertStrictEquals(renewed.trust.store!.certificates, gate.trust.store!.certificates);
});

Deno.test("the CAs of trust domains are those of their bundles, which are parsed once", async () => {
  const other = await createAuthority({ name: "Other" });
  const trustDomains = { "a.test": { ca: ca.certPem }, "b.test": { ca: other.certPem } };
  const trust = new ClientTrust({ trustDomains });
  const domains = ["a.test", "b.test"].flatMap((name) => trust.authoritiesOf(name));
  assertEquals(trust.store!.certificates.every((each, index) => each === domains[index]), true);
  assertEquals(trust.store!.certificates.length, 2);
});
