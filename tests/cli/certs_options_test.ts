import { assert, assertEquals } from "@std/assert";
import { parseCrls } from "../../src/tls/x509/crl/read_crls.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { certs, identityIn, keyKindIn, names, read, refused, verdictOn } from "./certs_fixture.ts";

Deno.test("a new key is of the kind of the old one, unless another is asked for", async () => {
  await using folder = new TemporaryFolder();
  await certs(folder, "");
  await certs(folder, "client old --rsa");
  const before = identityIn(folder, "old.pem").spkiSha256;
  await certs(folder, "renew old --new-key");
  assert(identityIn(folder, "old.pem").spkiSha256 !== before);
  assertEquals(keyKindIn(folder, "old.pem"), "rsa");
  await certs(folder, "renew client --new-key");
  assertEquals(keyKindIn(folder, "client.pem"), "ec");
  await certs(folder, "renew client --new-key --rsa");
  assertEquals(keyKindIn(folder, "client.pem"), "rsa");
  // It is the certificate that tells: a key that was lost is a reason for a new one.
  Deno.removeSync(folder.file("pki/client.key"));
  await certs(folder, "renew client --new-key");
  assertEquals(keyKindIn(folder, "client.pem"), "rsa");
  assertEquals(verdictOn(folder, "client.pem", "client"), "trusted");

  // Without a certificate the kind of the key is not guessed.
  Deno.writeTextFileSync(folder.file("pki/client.pem"), "");
  const message = 'client.pem": there is no certificate in it with a key of a known kind';
  await refused(folder, "renew client --new-key", { code: "certs_unreadable", message });
  await certs(folder, "renew client --new-key --rsa");
  assertEquals(keyKindIn(folder, "client.pem"), "rsa");
});

Deno.test("a server has the names of its options besides those of its own", async () => {
  await using folder = new TemporaryFolder();
  await certs(folder, "");
  await certs(folder, "server db.a.test --dns extra.a.test --ip 10.9.9.9 --dns db.a.test");
  const { dnsNames, ips, commonNames } = identityIn(folder, "db.a.test.pem");
  assertEquals([dnsNames, ips, commonNames], [["db.a.test", "extra.a.test"], ["10.9.9.9"], ["db.a.test"]]);
  await certs(folder, "renew db.a.test");
  assertEquals(identityIn(folder, "db.a.test.pem").dnsNames, ["db.a.test", "extra.a.test"]);
  await refused(folder, "server b.test --dns 10.0.0.1", { code: "bad_name", message: "expected a DNS name" });
});

Deno.test("the CRL of a revocation holds for as long as it is asked to", async () => {
  await using folder = new TemporaryFolder();
  await certs(folder, "");
  await certs(folder, "revoke client --days 3");
  const daysOfCrl = () =>
    Math.round((parseCrls(read(folder, "ca.crl"))[0]!.nextUpdateMs! - Date.now()) / 86_400_000);
  assertEquals(daysOfCrl(), 3);
  await certs(folder, "revoke server");
  assertEquals(daysOfCrl(), 30);
});

Deno.test("an option that a command does not take is bad usage, and those that it takes are named", async () => {
  await using folder = new TemporaryFolder();
  await certs(folder, "");
  const before = names(folder).map((name) => read(folder, name));
  const takes: Record<string, string[]> = {
    "": ["--name", "--cn", "--ou", "--dns", "--uri", "--ip", "--email", "--days", "--rsa", "--force"],
    "client c2": ["--cn", "--ou", "--dns", "--uri", "--ip", "--email", "--days", "--rsa", "--force"],
    "server s2": ["--dns", "--ip", "--days", "--rsa", "--force"],
    "renew client": ["--days", "--new-key", "--rsa"],
    "revoke client": ["--days", "--reason"],
    "crl": ["--days"],
  };
  const options: Record<string, string> = {
    "--name": "foo",
    "--cn": "foo",
    "--ou": "foo",
    "--dns": "foo",
    "--uri": "urn:a:b",
    "--ip": "10.0.0.1",
    "--email": "a@b.test",
    "--days": "3",
    "--reason": "superseded",
    "--rsa": "",
    "--new-key": "",
    "--force": "",
  };
  for (const [command, known] of Object.entries(takes)) {
    const called = ["certs DIR", command.split(" ")[0]].join(" ").trim();
    for (const [option, value] of Object.entries(options).filter(([option]) => !known.includes(option))) {
      const message = `${called} takes no ${option}, only ${known.join(", ")}; see certs --help`;
      await refused(folder, `${command} ${option} ${value}`, { code: "bad_usage", message });
    }
  }
  await refused(folder, "renew server --rsa", {
    code: "bad_usage",
    message: "certs DIR renew takes --rsa only with --new-key: the key stays as it is otherwise",
  });
  assertEquals(names(folder).map((name) => read(folder, name)), before);
  for (const [command, known] of Object.entries(takes)) {
    // A key of RSA takes half a second.
    const quick = known.filter((option) => option !== "--rsa" || command === "renew client");
    const all = quick.map((option) => `${option} ${options[option]}`).join(" ");
    await certs(folder, command === "" ? `${all} --force` : `${command} ${all}`);
  }
});
