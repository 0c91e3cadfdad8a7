import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Issued } from "../../src/tls/authority/options.ts";
import { enters } from "../support/enters.ts";
import { testWith } from "../support/installed.ts";
import { Load } from "../support/load.ts";
import { echo, exchange, greet, readLine, startBackend } from "../support/peers.ts";
import { type Culvert, startCulvert } from "../support/program.ts";
import { AccessLines, tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { makePki, type Pki } from "../tls/tls_fixture.ts";
import { PythonPeer } from "../tls/python_peer.ts";

const ANY = [{ any: true }];
const NAMES = ["localhost", "127.0.0.1", "server.test"];

/** Connects as this client. What it says must be the first that is heard of a refusal. */
function connectAs(culvert: Culvert, { ca, own }: { ca: string; own?: Issued }): Promise<Deno.TlsConn> {
  const shown = own === undefined ? {} : { cert: own.chainPem, key: own.keyPem };
  return Deno.connectTls({
    hostname: "127.0.0.1",
    port: culvert.port("main"),
    caCerts: [ca],
    ...shown,
  });
}

/** A mutual-TLS listener with its files, in front of this backend. */
function setUp(files: TlsFiles, { ca, server }: Pki, address: string): string {
  const clientAuth = {
    ca: files.put("ca.pem", ca.certPem),
    crl: files.put("crl.pem", ca.crl()),
    allow: ANY,
  };
  return tlsConfig({ backends: [address], tls: { ...files.putOwn("server", server), clientAuth } });
}

Deno.test("certificates, keys, CAs and CRLs change under load without a failed connection", async () => {
  const pki = await makePki();
  const other = await makePki("rsa-2048");
  const servers = [pki.server, await pki.ca.issueServer({ names: NAMES, algorithm: "rsa-2048" })];
  await using files = new TlsFiles();
  using backend = startBackend(greet("a"));
  const config = setUp(files, pki, backend.address);
  await using culvert = await startCulvert(config);
  using stream = await connectAs(culvert, { ca: pki.ca.certPem, own: pki.client });
  assertEquals(await readLine(stream), "a");
  const load = new Load(culvert.port("main"), {
    clients: 4,
    connect: () => connectAs(culvert, { ca: pki.ca.certPem, own: pki.client }),
  });
  for (let round = 0; round < 20; round++) {
    files.putOwn("server", servers[round % 2]!);
    files.put("ca.pem", round % 2 === 0 ? pki.ca.certPem + other.ca.certPem : pki.ca.certPem);
    files.put("crl.pem", pki.ca.crl());
    await culvert.reload(config);
    assertEquals(await exchange(stream, "x".repeat(40_000)), "x".repeat(40_000));
    await load.more(12);
  }
  await load.stop();
  assertEquals(load.errors, []);
  assertEquals(culvert.found({ message: "connection refused" }), []);
  stream.close();
  await culvert.finish();
});

Deno.test("files that are replaced by a rename are noticed where their folder may be read", async () => {
  const [pki, other] = [await makePki(), await makePki()];
  await using files = new TlsFiles();
  using backend = startBackend(echo);
  const config = setUp(files, pki, backend.address);
  await using culvert = await startCulvert(config, { readable: [files.folder.path] });
  const reloaded = (name: string, count = 1) =>
    culvert.waitFor({ message: "reloaded", why: `${files.folder.file(name)} has changed` }, count);
  assertEquals(await enters(culvert, pki), true);

  // Several within a moment.
  files.putOwn("server", await pki.ca.issueServer({ names: NAMES }));
  await culvert.waitFor(({ message, why }) => message === "reloaded" && String(why).includes("/server."));
  assertEquals(await enters(culvert, pki), true);
  files.put("ca.pem", pki.ca.certPem + other.ca.certPem);
  await reloaded("ca.pem");
  pki.ca.revoke(pki.client.serial);
  files.put("crl.pem", pki.ca.crl() + other.ca.crl());
  await reloaded("crl.pem");
  assertEquals(await enters(culvert, pki), false);
  assertEquals(await enters(culvert, pki, { own: other.client }), true);
  files.put("ca.pem", pki.ca.certPem);
  await reloaded("ca.pem", 2);
  assertEquals(await enters(culvert, pki, { own: other.client }), false);
  await culvert.finish();
});

Deno.test("a certificate, key or CA that cannot be used keeps the current one, and the log says why", async () => {
  const [pki, other] = [await makePki(), await makePki()];
  await using files = new TlsFiles();
  using backend = startBackend(echo);
  const config = setUp(files, pki, backend.address);
  await using culvert = await startCulvert(config);
  const refused = { message: "reload failed, keeping the current configuration" };
  const bad: readonly [file: string, content: string | undefined, said: string][] = [
    ["server.pem", "garbage", "server.pem"],
    ["server.pem", undefined, "server.pem"],
    ["server.pem", other.server.chainPem, "match"],
    ["server.key", other.server.keyPem, "match"],
    ["server.key", "", "key"],
    ["server.key", undefined, "server.key"],
    ["ca.pem", "garbage", "there is no certificate in it"],
    ["ca.pem", "", "there is no certificate in it"],
    ["ca.pem", undefined, "ca.pem"],
  ];
  for (const [index, [file, content, said]] of bad.entries()) {
    const good = Deno.readTextFileSync(files.folder.file(file));
    const before = culvert.records.length;
    if (content === undefined) Deno.removeSync(files.folder.file(file));
    else files.put(file, content);
    culvert.signal("SIGHUP");
    await culvert.waitFor(refused, index + 1);
    assertStringIncludes(JSON.stringify(culvert.records.slice(before)), said);
    assertEquals(await enters(culvert, pki), true);
    files.put(file, good);
  }
  await culvert.reload(config);
  assertEquals(await enters(culvert, pki), true);
  await culvert.settled();
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});

testWith(
  ["python3"],
  "the clients of a removed CA are rejected at once, even during a handshake",
  async () => {
    const [pki, other] = [await makePki(), await makePki()];
    await using files = new TlsFiles();
    using backend = startBackend(echo);
    const config = setUp(files, pki, backend.address);
    files.put("ca.pem", pki.ca.certPem + other.ca.certPem);
    files.put("crl.pem", pki.ca.crl() + other.ca.crl());
    await using culvert = await startCulvert(config);
    const lines = new AccessLines(culvert);
    using live = await connectAs(culvert, { ca: pki.ca.certPem, own: other.client });
    assertEquals(await exchange(live, "ping"), "ping");
    for (const version of ["1.2", "1.3"] as const) {
      files.put("ca.pem", pki.ca.certPem + other.ca.certPem);
      await culvert.reload(config);
      await using peer = new PythonPeer({
        role: "client",
        port: culvert.port("main"),
        ca: pki.ca.certPem,
        own: other.client,
        version,
      });
      await peer.do("p = Peer()");
      const accepted = backend.accepted;
      files.put("ca.pem", pki.ca.certPem);
      await culvert.reload(config);
      await peer.do("p.handshake()");
      await peer.do("p.read_all()");
      assertEquals(await lines.reason(), "tls-unknown-ca");
      assertEquals(await enters(culvert, pki, { own: other.client }), false);
      assertEquals(await lines.reason(), "tls-unknown-ca");
      assertEquals(backend.accepted, accepted);
    }
    // Connections that were accepted before are kept.
    assertEquals(await exchange(live, "still here"), "still here");
    live.close();
    await culvert.finish();
  },
);

testWith(["python3"], "a client with a pending handshake gets the upstream of after the reload", async () => {
  const pki = await makePki();
  await using files = new TlsFiles();
  using a = startBackend(greet("a"));
  using b = startBackend(greet("b"));
  const before = setUp(files, pki, a.address);
  const after = setUp(files, pki, b.address).replaceAll("main: {", "next: {").replace(
    "upstream: main",
    "upstream: next",
  );
  await using culvert = await startCulvert(before, { later: [after] });
  await using peer = new PythonPeer({
    role: "client",
    port: culvert.port("main"),
    ca: pki.ca.certPem,
    own: pki.client,
  });
  await peer.do("p = Peer()");
  await culvert.reload(after);
  assertEquals(await peer.do("p.handshake()"), null);
  assertEquals(await peer.do("p.loop(lambda: p.tls.read(2)).decode()"), "b\n");
  await peer.do("p.fin()");
  await culvert.waitFor({ message: "connection closed", backend: b.address });
  await culvert.finish();
});
