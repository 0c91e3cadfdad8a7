import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { runCerts } from "../../src/cli/certs.ts";
import { CulvertError } from "../../src/core/errors.ts";
import { parseCrls } from "../../src/tls/x509/crl/read_crls.ts";
import { checkCredentials } from "../../src/tls/session/credentials.ts";
import { run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { opensslVerify } from "../tls/openssl.ts";
import { certs, FIRST, identityIn, names, read, refused, verdictOn, wrote } from "./certs_fixture.ts";

testWith(
  ["openssl"],
  "an empty folder gets a CA, a server, a client and a CRL that work together",
  async () => {
    await using folder = new TemporaryFolder();
    const said = await certs(folder, "--name db.test --name 10.0.0.9");
    assertEquals(names(folder), FIRST);
    assertEquals(said.sort(), wrote(folder, ...FIRST));
    assertEquals(verdictOn(folder, "client.pem", "client"), "trusted");
    assertEquals(verdictOn(folder, "server.pem", "server"), "trusted");
    const { dnsNames, ips } = identityIn(folder, "server.pem");
    assertEquals([dnsNames, ips], [["localhost", "db.test"], ["127.0.0.1", "::1", "10.0.0.9"]]);
    assertEquals(identityIn(folder, "client.pem").subject, "CN=client");
    for (const [name, usage] of [["client", "client"], ["server", "server"]] as const) {
      const material = { certPem: read(folder, `${name}.pem`), keyPem: read(folder, `${name}.key`), usage };
      assertEquals(checkCredentials(material, new Date()).warnings, []);
      const question = {
        leafPem: material.certPem,
        trustPem: read(folder, "ca.pem"),
        crlPem: read(folder, "ca.crl"),
      };
      const { good, said } = await opensslVerify({ ...question, usage });
      assertEquals(good, true, said);
    }
  },
);

Deno.test("keys can be read by their owner alone, whatever the umask", async () => {
  await using folder = new TemporaryFolder();
  const old = Deno.umask(0);
  try {
    await certs(folder, "");
  } finally {
    Deno.umask(old);
  }
  const modes = names(folder).map((name) => [name, Deno.statSync(folder.file(`pki/${name}`)).mode! & 0o777]);
  for (const [name, mode] of modes) {
    assertEquals(mode, String(name).endsWith(".key") ? 0o600 : 0o644, String(name));
  }
});

Deno.test("a client gets what it is to be called", async () => {
  await using folder = new TemporaryFolder();
  await certs(folder, "");
  await certs(
    folder,
    "client alice --ou ops --ou dev --dns a.test --uri spiffe://x/a --ip 10.0.0.1 --email a@b.test",
  );
  const alice = identityIn(folder, "alice.pem");
  assertEquals(alice.commonNames, ["alice"]);
  assertEquals(alice.organizationalUnits, ["ops", "dev"]);
  assertEquals([alice.dnsNames, alice.uris, alice.ips], [["a.test"], ["spiffe://x/a"], ["10.0.0.1"]]);
  await certs(folder, "client 1.0 --cn one --cn two --rsa --days 5");
  const bob = identityIn(folder, "1.0.pem");
  assertEquals(bob.commonNames, ["one", "two"]);
  assertEquals(Math.round((bob.notAfter.getTime() - Date.now()) / 86_400_000), 5);
  assertEquals(verdictOn(folder, "1.0.pem", "client"), "trusted");
  await certs(folder, "server *.a.test b.test ::1");
  assertEquals(identityIn(folder, "_.a.test.pem").dnsNames, ["*.a.test", "b.test"]);
});

Deno.test("a renewal has the names and the key of the old one, and --new-key a new one", async () => {
  await using folder = new TemporaryFolder();
  await certs(folder, "");
  await certs(folder, "client alice --uri spiffe://x/a");
  const [before, key] = [identityIn(folder, "alice.pem"), read(folder, "alice.key")];
  assertEquals(await certs(folder, "renew alice"), wrote(folder, "alice.pem", "index.json"));
  const after = identityIn(folder, "alice.pem");
  assertEquals([after.uris, after.spkiSha256, read(folder, "alice.key")], [
    before.uris,
    before.spkiSha256,
    key,
  ]);
  assert(after.serialNumber !== before.serialNumber);
  const said = await certs(folder, "renew alice --new-key");
  assertEquals(said, wrote(folder, "alice.pem", "alice.key", "index.json"));
  assert(identityIn(folder, "alice.pem").spkiSha256 !== before.spkiSha256);
  assertEquals(verdictOn(folder, "alice.pem", "client"), "trusted");
});

Deno.test("revoking a name revokes every certificate that it has had, and no other", async () => {
  await using folder = new TemporaryFolder();
  await certs(folder, "");
  await certs(folder, "client alice");
  const first = identityIn(folder, "alice.pem").serialNumber;
  await certs(folder, "renew alice");
  const second = identityIn(folder, "alice.pem").serialNumber;
  const said = await certs(folder, "revoke alice --reason keyCompromise");
  assertEquals(said.slice(0, 2), wrote(folder, "ca.crl", "index.json"));
  assertEquals(said.slice(2), [`revoked alice, serial ${first}`, `revoked alice, serial ${second}`]);
  assertEquals(verdictOn(folder, "alice.pem", "client"), "revoked");
  assertEquals(verdictOn(folder, "client.pem", "client"), "trusted");
  const [crl] = parseCrls(read(folder, "ca.crl"));
  assertEquals([crl!.size, crl!.find(first)?.reason], [2, "keyCompromise"]);
  await refused(folder, "revoke alice", { code: "certs_revoked", message: "is revoked already" });
  await refused(folder, "renew alice", { code: "certs_revoked", message: "it was revoked on" });
  // The next CRL still knows.
  await certs(folder, "crl --days 3");
  const [next] = parseCrls(read(folder, "ca.crl"));
  assertEquals([next!.size, Math.round((next!.nextUpdateMs! - Date.now()) / 86_400_000)], [2, 3]);
  const index = JSON.parse(read(folder, "index.json"));
  assertEquals(index.crlNumber, 3);
  assertMatch(index.certificates.at(-1).revoked.at, /^\d{4}-\d\d-\d\dT/);
});

Deno.test("nothing is replaced without --force", async () => {
  await using folder = new TemporaryFolder();
  await certs(folder, "");
  const before = names(folder).map((name) => read(folder, name));
  await refused(folder, "", { code: "certs_exist", message: "there is one already; see --force" });
  await refused(folder, "client client", {
    code: "certs_exist",
    message: 'client.pem": it is there already; see --force',
  });
  await refused(folder, "server server", { code: "certs_exist", message: "server.pem" });
  assertEquals(names(folder).map((name) => read(folder, name)), before);

  await certs(folder, "client client --ou new --force");
  assertEquals(identityIn(folder, "client.pem").organizationalUnits, ["new"]);
  await certs(folder, "--force");
  assertEquals(names(folder), FIRST);
  assert(read(folder, "ca.pem") !== before[2]);
});

Deno.test("a file that is in the way stops it before anything is written", async () => {
  await using folder = new TemporaryFolder();
  Deno.mkdirSync(folder.file("pki"));
  Deno.writeTextFileSync(folder.file("pki/server.key"), "mine");
  await refused(folder, "", { code: "certs_exist", message: "server.key" });
  assertEquals(names(folder), ["server.key"]);
  assertEquals(read(folder, "server.key"), "mine");
});

Deno.test("nothing is left behind when writing fails", async () => {
  await using folder = new TemporaryFolder();
  await certs(folder, "");
  // A file can't take the place of a folder.
  Deno.removeSync(folder.file("pki/ca.crl"));
  Deno.mkdirSync(folder.file("pki/ca.crl"));
  await assertRejects(() => certs(folder, "crl"));
  assertEquals(names(folder), FIRST);

  await using other = new TemporaryFolder();
  Deno.mkdirSync(other.file("pki/ca.crl"), { recursive: true });
  await assertRejects(() => certs(other, ""));
  assertEquals(names(other), ["ca.crl"]);
});

Deno.test("what is not understood is bad usage, and named", async () => {
  await using folder = new TemporaryFolder();
  const bad: [string, string][] = [
    [
      "frobnicate",
      'unknown command "certs DIR frobnicate"; expected one of client, server, renew, revoke, crl',
    ],
    ["init", "unknown command"],
    ["constructor", "unknown command"],
    ["client", "certs DIR client needs a NAME"],
    ["client a b", 'unexpected argument "b"'],
    ["crl a", 'unexpected argument "a"'],
    ["--days 0", "--days 0: expected a whole number"],
    ["revoke client --reason fun", "--reason fun: expected one of unspecified, keyCompromise"],
    ["--frob", 'unknown option "--frob"'],
  ];
  for (const [line, message] of bad) await refused(folder, line, { code: "bad_usage", message });
  const error = await assertRejects(() => runCerts([]), CulvertError, "certs needs a folder");
  assertEquals(error.code, "bad_usage");
  await refused(folder, "client a", { code: "certs_unreadable", message: "index.json" });
  assertStringIncludes((await certs(folder, "--help")).join("\n"), "culvert certs DIR revoke NAME");

  await certs(folder, "");
  const more: [string, string, string][] = [
    ["client ca", "bad_usage", "can't be called"],
    ["client ..", "bad_usage", "can't be called"],
    ["revoke missing", "bad_usage", "there are server, client"],
    ["client a --dns bücher", "bad_name", "expected a DNS name"],
    ["client a --ip 10", "bad_name", "expected an IP address"],
  ];
  for (const [line, code, message] of more) await refused(folder, line, { code, message });
  assertEquals(names(folder), FIRST);
  Deno.writeTextFileSync(folder.file("pki/index.json"), '{"version": 2}');
  await refused(folder, "client a", { code: "certs_unreadable", message: "not an index of certificates" });
});

Deno.test("it needs to read and write its folder, and nothing else", async () => {
  await using folder = new TemporaryFolder();
  const module = new URL("../../src/cli/certs.ts", import.meta.url);
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const script = folder.file("script.ts");
  Deno.writeTextFileSync(script, `import { runCerts } from "${module}";\nawait runCerts(Deno.args);\n`);
  const pki = folder.file("pki");
  const flags = [
    "run",
    "--no-prompt",
    "--quiet",
    "--config",
    config,
    `--allow-read=${pki}`,
    `--allow-write=${pki}`,
  ];
  for (const line of [[], ["client", "a"], ["renew", "a"], ["revoke", "a"]]) {
    const { code, stderr } = await run(Deno.execPath(), [...flags, script, pki, ...line]);
    assertEquals(code, 0, stderr);
  }
  assertEquals(verdictOn(folder, "a.pem", "client"), "revoked");
  const without = await run(Deno.execPath(), [...flags.slice(0, 5), script, pki, "crl"]);
  assertStringIncludes(without.stderr, `--allow-read=${pki} --allow-write=${pki}`);
});
