import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import { readCertificates } from "../../src/tls/x509/read_certificates.ts";
import { parseCrls } from "../../src/tls/x509/crl/read_crls.ts";
import { run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { DENO, MAIN } from "../support/program.ts";
import {
  certs,
  certsOf,
  FIRST,
  identityIn,
  names,
  read,
  refused,
  verdictOn,
  wrote,
} from "./certs_fixture.ts";

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 0, 1, 12, 0, 0, 250);

/** The command's clock, so many days after the CA was made. */
function after(days: number): { now: () => number } {
  return { now: () => START_MS + days * DAY_MS };
}

Deno.test("nothing that is made outlives its CA", async () => {
  await using folder = new TemporaryFolder();
  const tooLong = "nothing outlives its CA, which ends on 2035-12-30T12:00:00.000Z";
  await refused(folder, "--days 3651", {
    code: "bad_usage",
    message: `${tooLong}; 3650 is the longest possible`,
    ...after(0),
  });
  // As the certificates of the demo were made.
  await certs(folder, "--days 3650", after(0));
  const caEndMs = readCertificates(read(folder, "ca.pem"))[0]!.notAfterMs;
  for (const name of ["server.pem", "client.pem"]) {
    assertEquals(identityIn(folder, name).notAfter.getTime(), caEndMs);
  }
  const before = names(folder).map((name) => read(folder, name));
  for (const line of ["client long", "server long", "renew server", "renew client", "crl"]) {
    const message = `--days 3649: ${tooLong}; 3648 is the longest possible`;
    await refused(folder, `${line} --days 3649`, { code: "bad_usage", message, ...after(1.5) });
  }
  const message = `${tooLong}; it ends with the CA where --days is not given`;
  await refused(folder, "crl --days 1", { code: "bad_usage", message, ...after(3649.5) });
  assertEquals(names(folder).map((name) => read(folder, name)), before);

  await certs(folder, "client long --days 3648", after(1.5));
  assertEquals(identityIn(folder, "long.pem").notAfter.getTime(), caEndMs - DAY_MS / 2);
  await certs(folder, "crl --days 3648", after(1.5));
  assertEquals(parseCrls(read(folder, "ca.crl"))[0]!.nextUpdateMs, caEndMs - DAY_MS / 2);
  // Without a wish of one's own it is the usual time, or as much of it as there is.
  for (const line of ["client last", "renew server", "crl"]) await certs(folder, line, after(3649.5));
  const ends = ["last.pem", "server.pem"].map((name) => identityIn(folder, name).notAfter.getTime());
  assertEquals([...ends, parseCrls(read(folder, "ca.crl"))[0]!.nextUpdateMs], [caEndMs, caEndMs, caEndMs]);
});

Deno.test("a CA that has ended makes nothing more", async () => {
  await using folder = new TemporaryFolder();
  await certs(folder, "", after(0));
  for (const line of ["client a", "renew client", "crl", "revoke client"]) {
    await refused(folder, line, {
      code: "certs_expired",
      message: `it has expired on 2035-12-30T12:00:00.000Z; "certs ${folder.file("pki")} --force" makes`,
      ...after(3651),
    });
  }
  await certs(folder, "--force", after(3651));
  await certs(folder, "client a", after(3652));
});

Deno.test("a place where no folder can be is reported in one line", async () => {
  await using folder = new TemporaryFolder();
  const file = folder.file("file");
  Deno.writeTextFileSync(file, "");
  const bad = [
    [`${file}/x`, `Cannot make the folder "${file}/x": Not a directory`],
    [file, `Cannot make the folder "${file}": File exists`],
    ["/proc/nope", `Cannot make the folder "/proc/nope": No such file or directory`],
  ] as const;
  for (const [path, message] of bad) {
    const { code, stdout, stderr } = await run(DENO, ["run", "-A", MAIN, "certs", path]);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, /^culvert: [^\n]+\n$/);
    assertStringIncludes(stderr, message);
  }
  const { code, stderr } = await run(DENO, ["run", "-A", MAIN, "certs", `${file}/x`, "client", "a"]);
  assertEquals(code, 1);
  assertMatch(stderr, /^culvert: Cannot read "[^"]+\/x\/index\.json": Not a directory[^\n]+\n$/);
});

Deno.test("a folder without a CA is told how to get one", async () => {
  await using folder = new TemporaryFolder();
  const pki = folder.file("pki");
  const message = `Cannot read "${pki}/index.json": there is no such file; "certs ${pki}" makes a CA there`;
  await refused(folder, "client a", { code: "certs_unreadable", message });
});

Deno.test("names that are no names are refused before anything is made", async () => {
  await using folder = new TemporaryFolder();
  await certs(folder, "");
  const dns = "expected a DNS name";
  const uri = "expected a URI with a scheme";
  const label = "a".repeat(63);
  const bad: [string[], string][] = [
    ...["foo bar", "", "a..b", ".a", "a.", "-a.test", "a-.test", "a_b.test", "bücher.test", "a.*.test", "*"]
      .map((name): [string[], string] => [["client", "x", `--dns=${name}`], dns]),
    [["client", "x", "--dns", `${label}a.test`], dns],
    [["client", "x", "--dns", `${label}.${label}.${label}.${label}`], dns],
    [["client", "x", "--dns", "10.0.0.1"], "expected a DNS name, and this is an IP address"],
    ...[
      "not a uri",
      "",
      "/a/b",
      "//host/a",
      "a.test",
      "spiffe:",
      "1a://b",
      "spiffe://x/a b",
      "spiffe://x/%zz",
    ]
      .map((name): [string[], string] => [["client", "x", `--uri=${name}`], uri]),
    [["client", "x", "--uri", "https://a.test:99999/"], uri],
    [["client", "x", "--uri", "spiffe://x/a", "--uri", "urn:a:b"], "the only URI of its certificate"],
    ...["ops", "a b@c.test", "a@", "@b.test", ""]
      .map((name): [string[], string] => [["client", "x", `--email=${name}`], "expected an e-mail address"]),
    [["client", "x", "--ip", "10"], "expected an IP address"],
    [["server", "a.test", "foo bar"], dns],
    [["--name", "foo bar", "--force"], dns],
  ];
  const before = names(folder).map((name) => read(folder, name));
  for (const [words, message] of bad) {
    const error = await assertRejects(() => certsOf(folder, words), CulvertError, message);
    assertEquals([error.code, words], ["bad_name", words]);
  }
  const unnamed = await assertRejects(() => certsOf(folder, ["client", ""]), CulvertError, "can't be called");
  assertEquals(unnamed.code, "bad_usage");
  assertEquals(names(folder).map((name) => read(folder, name)), before);

  const good = `--dns A.Test --dns *.b.test --dns ${label}.xn--bcher-kva.test --dns 3com --dns localhost`;
  const uris = ["urn:a:b", "https://a.test/%20?b=c#d", "mailto:a@b.test"];
  const more = `${uris.map((each) => `--uri ${each}`).join(" ")} --email a@b.test --ip ::1`;
  await certs(folder, `client good ${good} ${more}`);
  const { dnsNames, uris: made } = identityIn(folder, "good.pem");
  assertEquals(dnsNames, ["a.test", "*.b.test", `${label}.xn--bcher-kva.test`, "3com", "localhost"]);
  assertEquals(made, uris);
  await certs(folder, "client spiffe --uri spiffe://x/a");
  assertEquals(identityIn(folder, "spiffe.pem").uris, ["spiffe://x/a"]);
  await certs(folder, "server *.c.test 10.0.0.1 ::1");
});

Deno.test("renewing a revoked certificate prints the command for a new one, which works", async () => {
  await using folder = new TemporaryFolder();
  const pki = folder.file("pki");
  await certs(folder, "--name db.test");
  await certs(folder, "client app-1 --ou a&b --uri spiffe://x/app-1 --dns *.a.test --email a@b.test");
  await certs(folder, "server *.c.test 10.0.0.1");
  await certs(folder, "client 1.0 --cn one");
  const expected = [
    [
      "app-1",
      `client app-1 --ou 'a&b' --dns '*.a.test' --uri spiffe://x/app-1 --email a@b.test`,
    ],
    ["_.c.test", `server '*.c.test' 10.0.0.1`],
    ["server", `server server localhost db.test 127.0.0.1 ::1`],
    ["1.0", `client 1.0 --cn one`],
  ];
  for (const [name, command] of expected) {
    const old = identityIn(folder, `${name}.pem`);
    await certs(folder, `revoke ${name}`);
    const message = `; for a new one, with a new key: culvert certs ${pki} ${command} --force`;
    await refused(folder, `renew ${name}`, { code: "certs_revoked", message });
    await certs(folder, `${command!.replaceAll("'", "")} --force`);
    const renewed = identityIn(folder, `${name}.pem`);
    assert(renewed.spkiSha256 !== old.spkiSha256);
    const usage = command!.startsWith("client") ? "client" : "server";
    assertEquals(verdictOn(folder, `${name}.pem`, usage), "trusted");
    assertEquals([renewed.uris, renewed.ips, renewed.emails], [old.uris, old.ips, old.emails]);
    assertEquals(renewed.dnsNames.filter((each) => each !== "server"), old.dnsNames);
    if (name !== "server") assertEquals(renewed.subject, old.subject);
    assertEquals(await certs(folder, `renew ${name}`), wrote(folder, `${name}.pem`, "index.json"));
  }
});

Deno.test("each CA has a name of its own", async () => {
  await using folder = new TemporaryFolder();
  await certs(folder, "");
  const first = identityIn(folder, "ca.pem").subject;
  assertMatch(first, /^CN=Culvert CA [0-9a-f]{8}$/);
  const client = read(folder, "client.pem");
  await certs(folder, "--force");
  assert(identityIn(folder, "ca.pem").subject !== first);
  Deno.writeTextFileSync(folder.file("pki/client.pem"), client);
  assertEquals(verdictOn(folder, "client.pem", "client"), "unknown-ca");
  assertEquals(names(folder), FIRST);
});
