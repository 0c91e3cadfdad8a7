import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { output, run } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { startBackend } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { AccessLines, helloOnce, OpensslClient, tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { FOREIGN_CLIENTS } from "../tls/foreign_clients.ts";
import { inDays } from "../tls/pki.ts";
import { PythonPeer } from "../tls/python_peer.ts";
import { makePki } from "../tls/tls_fixture.ts";

for (const algorithm of ["ecdsa-p256", "rsa-2048"] as const) {
  Deno.test(`TLS without client certificates, ${algorithm}: all kinds of clients are accepted`, async (t) => {
    const pki = await makePki(algorithm);
    await using files = new TlsFiles();
    using backend = startBackend(helloOnce);
    await using culvert = await startCulvert(tlsConfig({
      backends: [backend.address],
      listen: '"127.0.0.1:0", "[::1]:0"',
      tls: files.putOwn("server", pki.server),
    }));
    const lines = new AccessLines(culvert);
    // A certificate that was not requested changes nothing.
    const own = { cert: pki.client.chainPem, key: pki.client.keyPem };
    for (const client of FOREIGN_CLIENTS.filter(({ program }) => program !== undefined)) {
      await using running = client.start();
      for (const version of client.versions) {
        for (const [index, hostname] of ["127.0.0.1", "::1"].entries()) {
          await t.step(`${client.name}, TLS ${version}, ${hostname}`, async () => {
            const to = { hostname, port: culvert.port("main", index), ca: pki.ca.certPem, version };
            for (const shown of [undefined, own]) {
              assertEquals(await running.talk({ ...to, own: shown }), "hello\nping\n");
              const { reason, identity } = await lines.next();
              assertEquals([reason, identity], ["backend-closed", undefined]);
            }
          });
        }
      }
    }
    await culvert.finish();
  });
}

testWith(
  ["openssl"],
  "minVersion, maxVersion and alpn are enforced, and a client without ALPN is told apart",
  async () => {
    const pki = await makePki();
    await using files = new TlsFiles();
    using backend = startBackend(helloOnce);
    const own = files.putOwn("server", pki.server);
    const config = (more: Record<string, unknown>) =>
      tlsConfig({ backends: [backend.address], tls: { ...own, ...more } });
    await using culvert = await startCulvert(config({ minVersion: "1.3" }));
    const lines = new AccessLines(culvert);
    await using old = new OpensslClient("1.2");
    await using modern = new OpensslClient("1.3");
    assertEquals((await old.talk(culvert.port("main"))).entered, false);
    assertEquals(await lines.reason(), "tls-no-shared-version");
    assertEquals((await modern.talk(culvert.port("main"))).entered, true);
    assertEquals(await lines.reason(), "backend-closed");

    await culvert.reload(config({ maxVersion: "1.2" }));
    assertEquals((await modern.talk(culvert.port("main"))).entered, false);
    assertEquals(await lines.reason(), "tls-no-shared-version");
    assertEquals((await old.talk(culvert.port("main"))).entered, true);
    assertEquals(await lines.reason(), "backend-closed");

    await culvert.reload(config({ alpn: ["postgresql", "h2"] }));
    const port = culvert.port("main");
    const ask = (alpn: string) => ["s_client", "-connect", `127.0.0.1:${port}`, "-ign_eof", "-alpn", alpn];
    assertStringIncludes(await output("openssl", ask("http/1.1,h2"), { input: "x\n" }), "ALPN protocol: h2");
    assertEquals(await lines.reason(), "backend-closed");
    assertMatch((await run("openssl", ask("smtp"), { input: "x\n" })).stderr, /no application protocol/);
    assertEquals(await lines.reason(), "tls-no-shared-alpn");
    await culvert.finish();
  },
);

testWith(["openssl"], "the chain is sent, and an expired server certificate is a warning", async () => {
  const { ca } = await makePki();
  const intermediate = await ca.issueIntermediate();
  const good = await intermediate.issueServer({ names: ["server.test"] });
  const old = await ca.issueServer({ names: ["server.test"], notBefore: inDays(-9), notAfter: inDays(-1) });
  await using files = new TlsFiles();
  using backend = startBackend(helloOnce);
  const config = tlsConfig({ backends: [backend.address], tls: files.putOwn("server", good) });
  await using culvert = await startCulvert(config);
  const verify = async () => {
    const args = ["s_client", "-connect", `127.0.0.1:${culvert.port("main")}`, "-ign_eof", "-servername"];
    const trust = ["-CAfile", files.put("ca.pem", ca.certPem)];
    return (await run("openssl", [...args, "server.test", ...trust], { input: "x\n" })).stdout;
  };
  assertStringIncludes(await verify(), "Verify return code: 0 (ok)");
  assertEquals(culvert.found({ level: "WARN" }), []);
  files.putOwn("server", old);
  await culvert.reload(config);
  assertStringIncludes(await verify(), "certificate has expired");
  const [warned] = culvert.found({ level: "WARN" });
  assertMatch(String(warned?.message), /^service main: .*server\.pem: .*expired/);
  await culvert.finish();
});

testWith(
  ["python3"],
  "a PROXY header and the ClientHello in one segment, and in pieces of one byte",
  async () => {
    const pki = await makePki();
    await using files = new TlsFiles();
    using backend = startBackend(helloOnce);
    const clientAuth = { ca: files.put("ca.pem", pki.ca.certPem), allow: [{ cn: "alice" }] };
    await using culvert = await startCulvert(tlsConfig({
      backends: [backend.address],
      service: "proxyProtocol: true, trusted: [127.0.0.1]",
      tls: { ...files.putOwn("server", pki.server), clientAuth },
    }));
    const lines = new AccessLines(culvert);
    for (const version of ["1.2", "1.3"] as const) {
      for (const piece of [0, 1]) {
        await using peer = new PythonPeer({
          role: "client",
          port: culvert.port("main"),
          ca: pki.ca.certPem,
          own: pki.client,
          version,
        });
        await peer.do("p = Peer()");
        await peer.do(`p.piece = ${piece}`);
        await peer.do("p.o.write(b'PROXY TCP4 192.0.2.7 192.0.2.8 1111 443\\r\\n')");
        assertEquals(await peer.do("p.handshake()"), null);
        await peer.do("p.send(10, 1)");
        const [length, , end] = await peer.do("p.read_all()") as [number, string, string];
        assertEquals([length, end], ["hello\n".length + 10, "close_notify"]);
        await peer.do("p.s.close()");
        const { client, identity, reason } = await lines.next();
        assertEquals([client, reason], ["192.0.2.7:1111", "backend-closed"]);
        assertStringIncludes(String(identity), "CN=alice");
      }
    }
    await culvert.finish();
  },
);
