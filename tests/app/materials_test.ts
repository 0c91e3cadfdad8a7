import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { loadMaterials, type Materials } from "../../src/app/materials.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { ConfigError } from "../../src/config/problem.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import { TlsFiles } from "../support/tls_files.ts";
import { inDays } from "../tls/pki.ts";
import { makePki } from "../tls/tls_fixture.ts";

const NAME = "test.yaml";

/** What a service, and an upstream, say of TLS. */
interface Keys {
  readonly service?: unknown;
  readonly upstream?: unknown;
}

/** Loads what a configuration with these names, in the order of a service and an upstream each. */
function load(files: TlsFiles, ...keys: readonly Keys[]): Promise<Materials> {
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
  const config = parseConfig(text, { name: NAME, folder: files.folder.path });
  return loadMaterials(config, { name: NAME, buffers: new BufferPool() });
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
  const materials = await load(
    files,
    { service: own },
    { service: { ...own, clientAuth } },
    {},
    { upstream: { ca: "ca.pem", cert: "client.pem", key: "client.key" } },
  );
  assertEquals([...materials.gates.keys()], ["s0", "s1"]);
  assertEquals([...materials.connects.keys()], ["u3"]);
  assertEquals(materials.warnings, []);
});

Deno.test("everything that can't be used is told in one go, with the file and where it is named", async () => {
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
    ["services[0].tls.key", "none.key"],
    ["services[0].tls.clientAuth.ca", "none-ca.pem"],
    ["services[1].tls.clientAuth.ca", "garbage.pem"],
    ["services[2].tls", "other.key"],
    ["services[3].tls", "garbage.pem"],
    ["upstreams.u4.tls.ca", "garbage.pem"],
    ["upstreams.u4.tls", "other.key"],
    ["upstreams.u5.tls.ca", "missing.pem"],
  ]);
  assertStringIncludes(error.message, "there is no such file");
});

Deno.test("a CRL that can't be used is a gate that lets nobody in, and a warning", async () => {
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
    const { gates, warnings } = await load(files, { service });
    assertEquals(gates.get("s0")?.problem?.reason, problem);
    assertEquals(warnings.length, 1);
    assertMatch(warnings[0]!, /^service s0: nobody can come in: /);
  }
  files.put("ca.crl", ca.crl());
  const { gates, warnings } = await load(files, { service });
  assertEquals([gates.get("s0")?.problem, warnings], [undefined, []]);
});

Deno.test("what works but should be looked after is a warning that names it", async () => {
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
