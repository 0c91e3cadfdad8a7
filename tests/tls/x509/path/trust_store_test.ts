import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../../../src/core/errors.ts";
import { createAuthority } from "../../../../src/tls/authority/authority.ts";
import { certificatesIn, readCertificates } from "../../../../src/tls/x509/read_certificates.ts";
import { TrustStore } from "../../../../src/tls/x509/path/trust_store.ts";
import { run } from "../../../support/child.ts";

const ca = await createAuthority();

Deno.test("a bundle that is empty, garbage, or broken anywhere is refused", () => {
  const bad = [
    "",
    "garbage",
    ca.keyPem,
    ca.certPem.slice(0, 100),
    ca.certPem.replace("MII", "MIJ"),
    `${ca.certPem}-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n`,
    `${ca.certPem}-----BEGIN CERTIFICATE-----\nMIIB\n`,
    `${ca.certPem}-----BEGIN CERTIFICATE-----\nM%%B\n-----END CERTIFICATE-----\n`,
  ];
  for (const pem of bad) {
    const error = assertThrows(() => new TrustStore(pem), CulvertError, "Cannot use the CA bundle");
    assertEquals(error.code, "bad_certificate");
  }
});

Deno.test("a bundle may have notes, other blocks, and a certificate twice in it", async () => {
  const other = await createAuthority({ name: "Other" });
  const store = new TrustStore(
    `# ours\n${ca.certPem}\n${ca.crl()}${other.certPem}${ca.certPem.replaceAll("\n", "\r\n")}`,
  );
  const [ours, theirs] = readCertificates(ca.certPem + other.certPem);
  assertEquals(store.certificates.map(({ fingerprint }) => fingerprint), [
    ours!.fingerprint,
    theirs!.fingerprint,
  ]);
  assertEquals(store.bySubject(theirs!.subject).map(({ fingerprint }) => fingerprint), [theirs!.fingerprint]);
  assertEquals([store.has(ours!), store.bySubject("00")], [true, []]);
});

Deno.test("reading, judging and making certificates needs no permission at all", async () => {
  const script = [
    ["authority", "authority/authority"],
    ["identity", "x509/identity"],
    ["rules", "authorize/rules"],
    ["chain", "x509/path/chain"],
    ["crl_set", "x509/crl/set"],
    ["credentials", "session/credentials"],
  ]
    .map(([name, path]) =>
      `import * as ${name} from "${new URL(`../../../../src/tls/${path}.ts`, import.meta.url)}";`
    );
  const config = new URL("../../../../deno.json", import.meta.url).pathname;
  const input = `${script.join("\n")}
const ca = await authority.createAuthority();
const { certPem, keyPem } = await ca.issueServer({ names: ["a.test"] });
console.log(credentials.checkCredentials({ certPem, keyPem }, new Date()).warnings.length);
`;
  const args = ["run", "--quiet", "--no-prompt", "--config", config, "--ext=ts", "-"];
  const { code, stdout, stderr } = await run(Deno.execPath(), args, { input });
  assertEquals([code, stdout.trim()], [0, "0"], stderr);
});

Deno.test("a bundle is read in steps of one certificate, and once for all users", async () => {
  const pem = ca.certPem + (await createAuthority({ name: "Second" })).certPem;
  let steps = 0;
  for (const _ of certificatesIn(pem)) steps++;
  assertEquals(steps, 4); // One for its block, and one for what is in it.
  const store = await TrustStore.read(pem);
  const again = new TrustStore(`${pem.slice(0, 100)}${pem.slice(100)}`);
  assertStrictEquals(again.certificates, store.certificates);
  assertStrictEquals((await TrustStore.read(pem)).certificates, store.certificates);
  assertEquals(new TrustStore(`${pem}\n`).certificates === store.certificates, false);
  await assertRejects(() => TrustStore.read(pem.slice(0, -40)), CulvertError, "Cannot use the CA bundle");
});
