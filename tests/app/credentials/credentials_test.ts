import { assertEquals, assertMatch, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { badConfig, type Credentials, loadCredentials } from "../../../src/app/credentials/credentials.ts";
import { buildGate } from "../../../src/dataplane/credentials.ts";
import { ConfigReading } from "../../../src/config/reading.ts";
import { ConfigError } from "../../../src/config/problem/problem.ts";
import { TlsFiles } from "../../support/tls_files.ts";
import { bareCertificate, keyOf } from "../../tls/x509/bare_certificate.ts";
import { inDays } from "../../tls/pki.ts";
import { makePki } from "../../tls/tls_fixture.ts";

const NAME = "test.yaml";

/** What a service, and an upstream, say of TLS. */
interface Keys {
  readonly service?: unknown;
  readonly upstream?: unknown;
}

/** Loads what a configuration with these names, in the order of a service and an upstream each. */
function load(files: TlsFiles, ...keys: readonly Keys[]): Promise<Credentials> {
  const upstreams = keys.map(({ upstream }, index) =>
    [`u${index}`, {
      backends: [{ address: "127.0.0.1:1" }],
      ...(upstream === undefined ? {} : { tls: upstream }),
    }] as const
  );
  const services = keys.map(({ service }, index) => ({
    name: `s${index}`,
    listen: [`127.0.0.1:${7000 + index}`],
    upstream: `u${index}`,
    ...(service === undefined ? {} : { tls: service }),
  }));
  const text = JSON.stringify({ version: 1, upstreams: Object.fromEntries(upstreams), services });
  const reading = new ConfigReading(text, { name: NAME, folder: files.folder.path });
  return loadCredentials(reading, NAME);
}

Deno.test("services and upstreams with TLS have what they need, and others nothing", async () => {
  const { ca, server, client } = await makePki();
  await using files = new TlsFiles();
  files.put("ca.pem", ca.certPem);
  files.put("ca.crl", ca.crl());
  files.putOwn("server", server);
  files.putOwn("client", client);
  const own = { cert: "server.pem", key: "server.key" };
  const clientAuth = { ca: "ca.pem", crl: "ca.crl", allow: [{ any: true }] };
  const credentials = await load(
    files,
    { service: own },
    { service: { ...own, clientAuth } },
    {},
    { upstream: { ca: "ca.pem", cert: "client.pem", key: "client.key" } },
  );
  assertEquals([...credentials.services.keys()], ["s0", "s1"]);
  assertEquals([...credentials.upstreams.keys()], ["u3"]);
  assertEquals(credentials.warnings, []);
});

Deno.test("the credentials of backends are the same for the same files and keys alone", async () => {
  const [{ ca, client }, other] = [await makePki(), await makePki()];
  await using files = new TlsFiles();
  files.put("ca.pem", ca.certPem);
  files.putOwn("client", client);
  const keys = { ca: "ca.pem", cert: "client.pem", key: "client.key", serverName: "db.test" };
  const fingerprint = async (upstream: unknown) =>
    JSON.stringify((await load(files, { upstream })).upstreams.get("u0"));
  const first = await fingerprint(keys);
  assertEquals(await fingerprint(keys), first);
  for (const more of [{ serverName: "db" }, { verify: false }, { allow: [{ dns: "db.test" }] }]) {
    assertNotEquals(await fingerprint({ ...keys, ...more }), first);
  }
  files.put("ca.pem", other.ca.certPem);
  assertNotEquals(await fingerprint(keys), first);
});

Deno.test("everything that can't be used is reported in one go, with the file and where it is named", async () => {
  const [{ ca, server }, other] = [await makePki(), await makePki()];
  await using files = new TlsFiles();
  files.putOwn("server", server);
  files.put("ca.pem", ca.certPem);
  files.put("garbage.pem", "garbage");
  files.put("other.key", other.server.keyPem);
  const own = { cert: "server.pem", key: "server.key" };
  const allow = [{ any: true }];
  const error = await assertRejects(() =>
    load(
      files,
      { service: { cert: "none.pem", key: "none.key", clientAuth: { ca: "none-ca.pem", allow } } },
      { service: { ...own, clientAuth: { ca: "garbage.pem", allow } } },
      { service: { cert: "server.pem", key: "other.key" } },
      { service: { cert: "garbage.pem", key: "server.key" } },
      { upstream: { ca: "garbage.pem", cert: "server.pem", key: "other.key" } },
      { service: own, upstream: { ca: "missing.pem" } },
    ), ConfigError);
  const told = error.problems.map(({ path, value }) => [path, /[\w-]+\.(?:pem|key)/.exec(value ?? "")?.[0]]);
  assertEquals(told, [
    ["services[0].tls.cert", "none.pem"],
    ["services[0].tls.clientAuth.ca", "none-ca.pem"],
    ["services[0].tls.key", "none.key"],
    ["services[1].tls.clientAuth.ca", "garbage.pem"],
    ["services[2].tls.key", "other.key"],
    ["services[3].tls.cert", "garbage.pem"],
    ["upstreams.u4.tls.ca", "garbage.pem"],
    ["upstreams.u4.tls.key", "other.key"],
    ["upstreams.u5.tls.ca", "missing.pem"],
  ]);
  assertStringIncludes(
    error.message,
    `${NAME}:1: services[0].tls.cert: cannot read "${files.folder.file("none.pem")}": no such file\n`,
  );
  assertStringIncludes(
    error.message,
    `services[2].tls.key: cannot use "${
      files.folder.file("other.key")
    }": it does not match the certificate in ${files.folder.file("server.pem")}\n`,
  );
});

Deno.test("a bad CRL is among what is reported as soon as something else is bad", async () => {
  const { ca, server } = await makePki();
  await using files = new TlsFiles();
  const own = files.putOwn("server", server);
  files.put("ca.pem", ca.certPem);
  files.put("garbage.crl", "garbage");
  const service = (crl: string) => ({ ...own, clientAuth: { ca: "ca.pem", crl, allow: [{ any: true }] } });
  const keys = [{ service: service("none.crl") }, { service: service("garbage.crl") }];
  assertEquals((await load(files, ...keys)).warnings.length, 2);
  const error = await assertRejects(
    () => load(files, ...keys, { upstream: { ca: "none.pem" } }),
    ConfigError,
  );
  assertEquals(error.message.split("\n"), [
    `${NAME}:1: services[0].tls.clientAuth.crl: cannot read "${files.folder.file("none.crl")}": no such file`,
    `${NAME}:1: services[1].tls.clientAuth.crl: cannot use "${
      files.folder.file("garbage.crl")
    }": Cannot read a CRL: not a CRL in DER`,
    `${NAME}:1: upstreams.u2.tls.ca: cannot read "${files.folder.file("none.pem")}": no such file`,
  ]);
});

Deno.test("with bad keys the files are looked at too, and lines are reported", async () => {
  await using files = new TlsFiles();
  const text = `version: 1
services:
  - name: web
    lisen: [":1"]
    tls:
      cert: none.pem
      key: none.key
    upstream: {backends: [10.0.0.1:1]}
`;
  const options = { name: NAME, folder: files.folder.path };
  const error = await badConfig(new ConfigReading(text, options), NAME);
  assertEquals(error.message.split("\n"), [
    `${NAME}:4: services[0].lisen: unknown key; did you mean "listen"?`,
    `${NAME}:6: services[0].tls.cert: cannot read "${files.folder.file("none.pem")}": no such file`,
    `${NAME}:7: services[0].tls.key: cannot read "${files.folder.file("none.key")}": no such file`,
  ]);
});

Deno.test({
  name: "with bad keys the runtime does not ask for permission to read files: they are skipped",
  permissions: { read: false },
  async fn() {
    const tls = {
      cert: "none.pem",
      key: "none.key",
      clientAuth: { ca: "c.pem", crl: "c.crl", allow: [{ any: true }] },
    };
    const options = { name: NAME, folder: "/nowhere" };
    const reading = new ConfigReading(JSON.stringify({ version: 1, services: [{ tls }] }), options);
    const { problems } = await badConfig(reading, NAME);
    assertEquals(problems.filter(({ path }) => path.includes("tls")), []);
  },
});

Deno.test("a certificate among the clients' CAs that is no CA is a warning", async () => {
  const { ca, server, client } = await makePki();
  await using files = new TlsFiles();
  const own = files.putOwn("server", server);
  files.put("ca.pem", ca.certPem + client.certPem);
  const service = { ...own, clientAuth: { ca: "ca.pem", allow: [{ any: true }] } };
  const { warnings } = await load(files, { service });
  assertEquals(warnings, ["service s0: clientAuth.ca has CN=alice,OU=operations, which is no CA"]);
});

Deno.test("a CA whose signatures cannot be checked is named at the start", async () => {
  const { server } = await makePki();
  const isCa = { oid: "2.5.29.19", critical: true, value: Uint8Array.fromHex("30030101ff") };
  const weak = bareCertificate({ cn: "weak", privateKey: keyOf({ rsa: 1024 }), extensions: [isCa] });
  await using files = new TlsFiles();
  const own = files.putOwn("server", server);
  files.put("ca.pem", weak.certPem);
  const service = { ...own, clientAuth: { ca: "ca.pem", allow: [{ any: true }] } };
  const { warnings } = await load(files, { service, upstream: { ca: "ca.pem" } });
  const why = "its RSA key of 1024 bits is too short (at least 2048)";
  assertEquals(warnings, [
    `service s0: clientAuth.ca has CN=weak, which verifies no client: ${why}`,
    `upstream u0: tls.ca has CN=weak, which verifies no backend: ${why}`,
  ]);
});

Deno.test("clients are rejected because of a CRL that can't be used, and a warning says so", async () => {
  const { ca, server } = await makePki();
  await using files = new TlsFiles();
  files.putOwn("server", server);
  files.put("ca.pem", ca.certPem);
  const service = {
    cert: "server.pem",
    key: "server.key",
    clientAuth: { ca: "ca.pem", crl: "ca.crl", allow: [{ any: true }] },
  };
  const bad: readonly [content: string | undefined, problem: string][] = [
    [undefined, "crl-unreadable"],
    ["", "crl-unreadable"],
    ["garbage", "crl-unreadable"],
    [ca.certPem, "crl-unreadable"],
    [ca.crl({ now: inDays(-9), nextUpdate: inDays(-1) }), "crl-expired"],
  ];
  for (const [content, problem] of bad) {
    if (content !== undefined) files.put("ca.crl", content);
    const { services, warnings } = await load(files, { service });
    const gate = await buildGate(services.get("s0")!);
    assertEquals(gate.problem?.reason, problem);
    assertEquals(warnings.length, 1);
    assertMatch(warnings[0]!, /^service s0: all client certificates are rejected: /);
  }
  files.put("ca.crl", ca.crl());
  const { services, warnings } = await load(files, { service });
  const gate = await buildGate(services.get("s0")!);
  assertEquals([gate.problem, warnings], [undefined, []]);
});

Deno.test("what works but needs attention is a warning that names it", async () => {
  const { ca } = await makePki();
  await using files = new TlsFiles();
  const times = { notBefore: inDays(-9), notAfter: inDays(-1) };
  const server = files.putOwn("server", await ca.issueServer({ names: ["x.test"], ...times }));
  const client = files.putOwn("client", await ca.issueClient({ cn: "x", ...times }));
  const { warnings } = await load(files, { service: server, upstream: { ...client, verify: false } });
  const [ofService, notVerified, ofUpstream, ...more] = warnings;
  assertMatch(ofService!, /^service s0: .*server\.pem: .*expired/);
  assertEquals(notVerified, "upstream u0: the backends' certificates are NOT verified (tls.verify: false)");
  assertMatch(ofUpstream!, /^upstream u0: .*client\.pem: .*expired/);
  assertEquals(more, []);
});
