import { assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { createAuthority } from "../../../src/tls/authority/authority.ts";
import { readCertificates } from "../../../src/tls/x509/read_certificates.ts";
import { checkCredentials } from "../../../src/tls/session/credentials.ts";
import { readPem, writePem } from "../../../src/tls/x509/pem.ts";
import { output, run } from "../../support/child.ts";
import { TemporaryFolder } from "../../support/folder.ts";
import { testWith } from "../../support/installed.ts";

const ca = await createAuthority();
const other = await createAuthority({ name: "Other" });
const body = ca.certPem.trim();
const params = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
const encrypted =
  "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n" +
  "-----END RSA PRIVATE KEY-----\n";
const bag =
  "Bag Attributes\n    localKeyID: 01 02\n    friendlyName: web\nsubject=CN = a\n\nissuer=CN = b\n\n";

/** Texts, and how many certificates OpenSSL finds in them. */
const TEXTS: readonly (readonly [what: string, text: string, count: number])[] = [
  ["one", body, 1],
  ["no line end at the end", body, 1],
  ["lines of Windows", body.replaceAll("\n", "\r\n"), 1],
  ["white space behind lines", body.replaceAll("\n", " \t\n"), 1],
  ["comments around", `# Root\n${body}\n=== next ===\n${other.certPem}`, 2],
  ["a comment with dashes", `----- not a block -----\n# -----BEGIN CERTIFICATE-----\n${body}`, 1],
  ["a block whose beginning is a comment", `# ${body}\n${other.certPem}`, 1],
  ["bag attributes", bag + body + "\n" + bag + other.certPem, 2],
  ["the old name", body.replaceAll("CERTIFICATE", "X509 CERTIFICATE"), 1],
  ["parameters of a curve in front", params + body, 1],
  ["parameters of DH behind", `${body}\n${writePem("DH PARAMETERS", new Uint8Array([48, 0]))}`, 1],
  ["a key in the same file", `${ca.keyPem}${body}`, 1],
  ["an encrypted key in the same file", encrypted + body, 1],
  ["a CRL in the same file", ca.crl() + body, 1],
  ["an unknown block", writePem("SOME OTHER THING (1)", new Uint8Array([1])) + body, 1],
  [
    "one long line",
    `-----BEGIN CERTIFICATE-----\n${body.split("\n").slice(1, -1).join("")}\n-----END CERTIFICATE-----`,
    1,
  ],
  ["empty lines around", `\n\n${body}\n\n`, 1],
];

testWith(["openssl"], "blocks and text around certificates are left aside, as by OpenSSL", async () => {
  await using folder = new TemporaryFolder();
  for (const [what, text, count] of TEXTS) {
    assertEquals(readCertificates(text).length, count, what);
    Deno.writeTextFileSync(folder.file("bundle.pem"), text);
    const { stdout } = await run("openssl", ["storeutl", "-certs", "-noout", folder.file("bundle.pem")]);
    assertEquals(/Total found: (\d+)/.exec(stdout)?.[1], `${count}`, what);
  }
  // These OpenSSL does not see, as a mark or a space is in front of the line.
  assertEquals(readCertificates(`\ufeff${body}`).length, 1);
  assertEquals(readCertificates(body.replaceAll(/^/gm, "    ")).length, 1);
});

Deno.test("a block that is begun and broken is an error with its line", () => {
  const cut = body.split("\n").slice(0, 3).join("\n");
  const broken: readonly (readonly [text: string, why: string])[] = [
    [`# one\n${cut}`, "line 2: the block of CERTIFICATE has no end"],
    [`${cut}\n${body}`, "line 1: the block of CERTIFICATE has no end"],
    [
      `${body}\n-----BEGIN CERTIFICATE`,
      `line ${body.split("\n").length + 1}: the first line of a block is cut off`,
    ],
    [body.replace("END CERTIFICATE", "END X"), "a block of CERTIFICATE does not end as it began"],
    [body.replace("MII", "M%I"), "line 1: the block of CERTIFICATE is not base64"],
    [encrypted.replace("\n\n", "\n"), "line 1: the headers of the block of RSA PRIVATE KEY have no end"],
  ];
  for (const [text, why] of broken) {
    const error = assertThrows(() => readPem(text), CulvertError, why);
    assertEquals(error.code, "bad_certificate");
  }
});

testWith(
  ["openssl"],
  "OpenSSL's trusted certificates are read, but for those that are not trusted for TLS",
  async () => {
    await using folder = new TemporaryFolder();
    Deno.writeTextFileSync(folder.file("ca.pem"), ca.certPem);
    const trusted = (...args: readonly string[]) =>
      output("openssl", ["x509", "-trustout", "-in", folder.file("ca.pem"), ...args]);
    const rows: readonly (readonly [args: readonly string[], count: number])[] = [
      [[], 1],
      [["-setalias", "Root"], 1],
      [["-addtrust", "clientAuth", "-addtrust", "serverAuth", "-addtrust", "emailProtection"], 1],
      [["-addtrust", "anyExtendedKeyUsage"], 1],
      [["-addtrust", "emailProtection"], 0],
      [["-addreject", "clientAuth"], 0],
    ];
    for (const [args, count] of rows) {
      const [certificate, ...more] = readCertificates(await trusted(...args));
      assertEquals([certificate === undefined ? 0 : 1, more.length], [count, 0], args.join(" "));
      const [plain] = readCertificates(ca.certPem);
      if (certificate !== undefined) assertEquals(certificate.fingerprint, plain!.fingerprint);
    }
  },
);

Deno.test("certificate and key may stand in one file, with text around", async () => {
  const { certPem, keyPem } = await ca.issueServer({ names: ["a.test"] });
  const both = `${bag}${keyPem}${params}${bag}${certPem}`.replaceAll("\n", "\r\n");
  assertEquals(checkCredentials({ certPem: both, keyPem: both }, new Date()).warnings, []);
  const error = assertThrows(
    () => checkCredentials({ certPem, keyPem: encrypted }, new Date()),
    CulvertError,
  );
  assertEquals(error.message, "Cannot use the key: it is encrypted, which is not supported");
});
