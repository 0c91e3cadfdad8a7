import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { CredentialsLoader } from "../../../src/app/credentials/credentials_loader.ts";
import type { ServiceTls, UpstreamTls } from "../../../src/config/config.ts";
import { formatPath } from "../../../src/config/problem/problem.ts";
import { buildGate, runtimeTlsOf } from "../../../src/dataplane/credentials.ts";
import { canShareAddresses } from "../../../src/net/listen.ts";
import { TlsFiles } from "../../support/tls_files.ts";
import { makePki } from "../../tls/tls_fixture.ts";

const VERSIONS = { minVersion: "1.2", maxVersion: "1.3", alpn: [] } as const;
const ADMIN = { path: ["admin", "tls"], who: "admin" };

function loader(): CredentialsLoader {
  return new CredentialsLoader();
}

function serviceTls(
  { cert, key }: { cert: string; key: string },
  more: Partial<ServiceTls> = {},
): ServiceTls {
  return { certPath: cert, keyPath: key, ...VERSIONS, ...more };
}

Deno.test("without TLS there is nothing to load, and nothing to complain of", async () => {
  const loading = loader();
  assertEquals(await loading.service(undefined, ADMIN), undefined);
  assertEquals(await loading.admin(undefined), undefined);
  assertEquals(await loading.upstream(undefined, ADMIN), undefined);
  assertEquals(await loading.etcd(undefined, ADMIN), undefined);
  assertEquals([loading.faults, loading.certificates, loading.trust.crls, loading.warnings], [
    [],
    [],
    [],
    [],
  ]);
});

Deno.test("the admin listener has a gate, and the names of its certificate", async () => {
  const { ca, server } = await makePki();
  await using files = new TlsFiles();
  const loading = loader();
  const clientAuth = {
    caPath: files.put("ca.pem", ca.certPem),
    crlPaths: [files.put("ca.crl", ca.crl())],
    mode: "require",
    allow: [{ any: true }],
  } as const;
  const admin = await loading.admin(serviceTls(files.putOwn("server", server), { clientAuth }));
  assertEquals(admin?.names.toSorted(), ["127.0.0.1", "::1", "localhost", "server.test"]);
  assertEquals(loading.certificates.map(({ path, usedBy }) => [path, usedBy]), [
    [files.folder.file("server.pem"), "admin"],
  ]);
  assertEquals(loading.trust.crls.map(({ path, usedBy }) => [path, usedBy]), [[
    files.folder.file("ca.crl"),
    "admin",
  ]]);
});

Deno.test("admin files that can't be used are problems of admin.tls, and there is no gate", async () => {
  const { server } = await makePki();
  await using files = new TlsFiles();
  const own = files.putOwn("server", server);
  const clientAuth = { caPath: "/nowhere/ca.pem", mode: "require", allow: [{ any: true }] } as const;
  const cases: [ServiceTls, string][] = [
    [serviceTls({ ...own, cert: "/nowhere/cert.pem" }), "admin.tls.cert"],
    [serviceTls({ ...own, key: "/nowhere/key.pem" }), "admin.tls.key"],
    [serviceTls({ cert: own.key, key: own.key }), "admin.tls"],
    [serviceTls(own, { clientAuth }), "admin.tls.clientAuth.ca"],
  ];
  for (const [tls, path] of cases) {
    const loading = loader();
    assertEquals(await loading.admin(tls), undefined);
    assertEquals(loading.faults.map(({ path }) => formatPath(path)), [path]);
  }
});

Deno.test("the TLS of etcd has its CA and a client certificate, each if it is configured", async () => {
  const { ca, client } = await makePki();
  await using files = new TlsFiles();
  const place = { path: ["upstreams", "db", "discover", "etcd", "tls"], who: "etcd of upstream db" };
  const own = files.putOwn("client", client);
  const keys = { certPath: own.cert, keyPath: own.key };
  const caPath = files.put("ca.pem", ca.certPem);
  const pems = { cert: client.chainPem, key: client.keyPem };
  const loading = loader();
  assertEquals(await loading.etcd({}, place), { ca: undefined });
  assertEquals(await loading.etcd({ caPath }, place), { ca: ca.certPem });
  assertEquals(await loading.etcd({ caPath, ...keys }, place), { ca: ca.certPem, ...pems });
  assertEquals(loading.certificates.map(({ usedBy }) => usedBy), ["etcd of upstream db"]);
  assertEquals(loading.faults, []);
  files.put("ca.pem", "garbage");
  const again = loader();
  assertEquals(await again.etcd({ caPath, ...keys, keyPath: own.cert }, place), undefined);
  assertEquals(again.faults.map(({ path }) => path), [[...place.path, "ca"], place.path]);
});

Deno.test("backends that are not verified are a warning each time", async () => {
  const loading = loader();
  const place = { path: ["upstreams", "db", "tls"], who: "upstream db" };
  assert(await loading.upstream({ ...VERSIONS, verify: false }, place) !== undefined);
  assert(await loading.upstream({ ...VERSIONS, verify: true, serverName: "db.test" }, place) !== undefined);
  assertEquals(loading.warnings.length, 1);
  assertStringIncludes(loading.warnings[0]!, "upstream db: the backends' certificates are NOT verified");
});

Deno.test("the credentials of backends are others for other versions and protocols", async () => {
  const loading = loader();
  const place = { path: ["upstreams", "db", "tls"], who: "upstream db" };
  const base = { ...VERSIONS, verify: true, serverName: "db.test" };
  const fingerprint = async (tls: Partial<UpstreamTls>) =>
    JSON.stringify(await loading.upstream({ ...base, ...tls }, place));
  const before = await fingerprint({});
  assertEquals(await fingerprint({}), before);
  for (const tls of [{ minVersion: "1.3" }, { maxVersion: "1.2" }, { alpn: ["postgresql"] }] as const) {
    assertNotEquals(await fingerprint(tls), before);
  }
});

Deno.test("a CRL with several lists is one file in use, with each of them", async () => {
  const [{ ca, server }, other] = [await makePki(), await makePki("ecdsa-p256", "Other CA")];
  await using files = new TlsFiles();
  const loading = loader();
  const crlPath = files.put("both.crl", ca.crl() + other.ca.crl());
  const caPath = files.put("ca.pem", ca.certPem + other.ca.certPem);
  const clientAuth = { caPath, crlPaths: [crlPath], mode: "optional", allow: [{ any: true }] } as const;
  const tls = serviceTls(files.putOwn("server", server), { clientAuth });
  const gate = await buildGate(
    (await loading.service(tls, { path: ["services", 0, "tls"], who: "service web" }))!,
  );
  assertEquals([gate.problem, loading.trust.crls.length], [undefined, 1]);
  assertEquals(loading.trust.crls[0]!.crls.map(({ issuerName }) => issuerName), [
    "CN=Test CA",
    "CN=Other CA",
  ]);
});

Deno.test("a CRL that covers some of the CAs is good, with a warning for each of the others", async () => {
  const [{ ca, server }, other] = [await makePki(), await makePki("ecdsa-p256", "Other CA")];
  await using files = new TlsFiles();
  const loading = loader();
  const caPath = files.put("ca.pem", ca.certPem + other.ca.certPem);
  const crlPath = files.put("one.crl", ca.crl());
  const clientAuth = { caPath, crlPaths: [crlPath], mode: "optional", allow: [{ any: true }] } as const;
  const tls = serviceTls(files.putOwn("server", server), { clientAuth });
  const gate = await buildGate(
    (await loading.service(tls, { path: ["services", 0, "tls"], who: "service web" }))!,
  );
  assertEquals([gate.problem, loading.trust.crls[0]!.problem(Date.now())], [undefined, undefined]);
  assertEquals(loading.warnings, [
    "service web: every certificate that CN=Other CA has issued is rejected: there is no CRL of CN=Other CA",
  ]);
});

Deno.test("the runtime's TLS gets the same credentials as the gate", async () => {
  const { server } = await makePki();
  await using files = new TlsFiles();
  const loading = loader();
  const tls = serviceTls(files.putOwn("server", server), { native: true, alpn: ["h2"] });
  const credentials = await loading.service(tls, { path: ["services", 0, "tls"], who: "service web" });
  assertEquals(canShareAddresses, true); // As in deno.json.
  const expected = { cert: server.chainPem, key: server.keyPem, alpn: ["h2"], certPath: tls.certPath };
  assertEquals(runtimeTlsOf(credentials), expected);
});

Deno.test("a certificate that several services present is passed to the TLS engine once", async () => {
  const [{ server }, other] = [await makePki(), await makePki()];
  await using files = new TlsFiles();
  const [one, two] = [files.putOwn("one", server), files.putOwn("two", other.server)];
  const loading = loader();
  const create = Deno.createHttpClient;
  const passed: unknown[] = [];
  Deno.createHttpClient = (options) => {
    passed.push("cert" in options ? options.cert : undefined);
    return create(options);
  };
  try {
    for (const [index, own] of [one, one, two, one].entries()) {
      const place = { path: ["services", index, "tls"], who: `service ${index}` };
      assert(await loading.service(serviceTls(own), place) !== undefined);
    }
  } finally {
    Deno.createHttpClient = create;
  }
  assertEquals(passed, [server.chainPem, other.server.chainPem]);
  assertEquals(loading.certificates.length, 4);
});
