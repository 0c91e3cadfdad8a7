import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ExitCode } from "../../src/cli/exit_code.ts";
import type { Issued } from "../../src/tls/authority/options.ts";
import type { Authority } from "../../src/tls/authority/authority.ts";
import { createAuthority } from "../../src/tls/authority/authority.ts";
import { readIdentity } from "../../src/tls/x509/identity.ts";
import { Oid } from "../../src/tls/x509/oids.ts";
import { run } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { connect, ending, startBackend } from "../support/peers.ts";
import { DENO, MAIN, startCulvert } from "../support/program.ts";
import { AccessLines, helloOnce, OpensslClient, tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { FOREIGN_CLIENTS } from "../tls/foreign_clients.ts";
import { derOf, inDays } from "../tls/pki.ts";
import { makePki } from "../tls/tls_fixture.ts";

const REFUSED = "connection refused";

/** Client certificates, each with the reason that its connection ends with. */
async function callers(ca: Authority): Promise<readonly [reason: string, own: Issued | undefined][]> {
  const other = await createAuthority({ name: "Another CA" });
  const revoked = await ca.issueClient({ cn: "mallory", ou: "staff" });
  ca.revoke(revoked.serial);
  return [
    ["tls-no-certificate", undefined],
    ["tls-unknown-ca", await other.issueClient({ cn: "alice", ou: "staff" })],
    [
      "tls-expired",
      await ca.issueClient({ cn: "old", ou: "staff", notBefore: inDays(-9), notAfter: inDays(-1) }),
    ],
    [
      "tls-not-yet-valid",
      await ca.issueClient({ cn: "new", ou: "staff", notBefore: inDays(1), notAfter: inDays(9) }),
    ],
    ["tls-wrong-usage", await ca.issueClient({ cn: "web", ou: "staff", extendedKeyUsage: [Oid.serverAuth] })],
    ["tls-revoked", revoked],
    ["tls-not-allowed", await ca.issueClient({ cn: "visitor", ou: "guests" })],
    ["backend-closed", await ca.issueClient({ cn: "alice", ou: "staff" })],
  ];
}

for (const algorithm of ["ecdsa-p256", "rsa-2048"] as const) {
  Deno.test(`mutual TLS with ${algorithm} accepts allowed clients and rejects others with the reason`, async (t) => {
    const { ca, server } = await makePki(algorithm);
    const comers = await callers(ca);
    await using files = new TlsFiles();
    using backend = startBackend(helloOnce);
    const clientAuth = {
      ca: files.put("ca.pem", ca.certPem),
      crl: files.put("crl.pem", ca.crl()),
      allow: [{ ou: "staff" }],
    };
    await using culvert = await startCulvert(tlsConfig({
      backends: [backend.address],
      listen: '"127.0.0.1:0", "[::1]:0"',
      tls: { ...files.putOwn("server", server), clientAuth },
    }));
    const lines = new AccessLines(culvert);
    let entered = 0;
    for (const client of FOREIGN_CLIENTS.filter(({ program }) => program !== undefined)) {
      await using running = client.start();
      for (const version of client.versions) {
        for (const [index, hostname] of ["127.0.0.1", "::1"].entries()) {
          await t.step(`${client.name}, TLS ${version}, ${hostname}`, async () => {
            const to = { hostname, port: culvert.port("main", index), ca: ca.certPem, version };
            for (const [reason, own] of comers) {
              const shown = own && { cert: own.chainPem, key: own.keyPem };
              const said = await running.talk({ ...to, own: shown }).catch(() => "");
              const line = await lines.next();
              assertEquals(line.reason, reason);
              const identity = own && readIdentity(derOf(own.certPem)[0]!).subject;
              assertEquals(line.identity, identity);
              if (line.message === REFUSED) assertEquals([said, line.tries], ["", 0]);
              else assertEquals(said, "hello\nping\n");
              if (line.message !== REFUSED) entered++;
              assertStringIncludes(String(line.client), hostname);
            }
          });
        }
      }
    }
    assertEquals(backend.accepted, entered);
    await culvert.finish();
  });
}

testWith(
  ["curl"],
  "curl is accepted with its certificate, and rejected without; the log has the server name",
  async () => {
    const { ca, server, client } = await makePki();
    await using files = new TlsFiles();
    using backend = startBackend(async (connection) => {
      await connection.read(new Uint8Array(4096));
      const answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";
      await connection.write(new TextEncoder().encode(answer));
    });
    const caPath = files.put("ca.pem", ca.certPem);
    const tls = { ...files.putOwn("server", server), clientAuth: { ca: caPath, allow: [{ cn: "alice" }] } };
    await using culvert = await startCulvert(tlsConfig({ backends: [backend.address], tls }));
    const lines = new AccessLines(culvert);
    const own = files.putOwn("client", client);
    const foreign = files.putOwn("foreign", (await makePki()).client);
    for (const max of ["1.2", "1.3"]) {
      const url = `https://localhost:${culvert.port("main")}/`;
      const args = ["-sS", "--noproxy", "*", "-4", "--cacert", caPath, "--tls-max", max, url];
      const good = await run("curl", [...args, "--cert", own.cert, "--key", own.key]);
      assertEquals([good.code, good.stdout, good.stderr], [0, "hello\n", ""]);
      const admitted = await lines.next();
      assertStringIncludes(String(admitted.identity), "CN=alice");
      const bad = await run("curl", args);
      assertEquals(bad.stdout, "");
      assertMatch(bad.stderr, /alert/);
      const without = await lines.next();
      await run("curl", [...args, "--cert", foreign.cert, "--key", foreign.key]);
      const unknown = await lines.next();
      assertEquals([without.reason, unknown.reason], ["tls-no-certificate", "tls-unknown-ca"]);
      assertEquals([admitted.name, unknown.name], ["localhost", "localhost"]);
    }
    await culvert.finish();
  },
);

testWith(
  ["openssl"],
  "mode: optional accepts a client without a certificate, and rejects one with a bad certificate",
  async () => {
    const { ca, server } = await makePki();
    await using files = new TlsFiles();
    using backend = startBackend(helloOnce);
    const comers = await callers(ca);
    const clientAuth = {
      ca: files.put("ca.pem", ca.certPem),
      crl: files.put("crl.pem", ca.crl()),
      mode: "optional",
      allow: [{ ou: "staff" }],
    };
    const tls = { ...files.putOwn("server", server), clientAuth };
    await using culvert = await startCulvert(tlsConfig({ backends: [backend.address], tls }));
    const lines = new AccessLines(culvert);
    for (const version of ["1.2", "1.3"] as const) {
      await using client = new OpensslClient(version);
      for (const [index, [required, own]] of comers.entries()) {
        const reason = own === undefined ? "backend-closed" : required;
        const shown = own && files.putOwn(`client${index}`, own);
        const { entered } = await client.talk(culvert.port("main"), { own: shown });
        const line = await lines.next();
        assertEquals([line.reason, entered], [reason, reason === "backend-closed"]);
        assertEquals(line.identity === undefined, own === undefined);
      }
    }
    await culvert.finish();
  },
);

Deno.test("a client that speaks no TLS, leaves or says nothing is refused with the reason", async () => {
  const { ca, server } = await makePki();
  await using files = new TlsFiles();
  using backend = startBackend(helloOnce);
  const clientAuth = { ca: files.put("ca.pem", ca.certPem), allow: [{ any: true }] };
  await using culvert = await startCulvert(tlsConfig({
    backends: [backend.address],
    tls: { ...files.putOwn("server", server), clientAuth },
    timeouts: "handshake: 2s",
  }));
  const lines = new AccessLines(culvert);
  {
    using garbage = await connect(culvert.port("main"));
    await garbage.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    await ending(garbage);
    assertEquals(await lines.reason(), "tls-not-tls");
    using silent = await connect(culvert.port("main"));
    await ending(silent);
    assertEquals(await lines.reason(), "handshake");
    using half = await connect(culvert.port("main"));
    await half.write(new Uint8Array([22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]));
    await ending(half);
    assertEquals(await lines.reason(), "handshake");
    using leaving = await connect(culvert.port("main"));
    await leaving.closeWrite();
    await ending(leaving);
    assertEquals(await lines.reason(), "tls-aborted");
  }
  assertEquals(backend.accepted, 0);
  await culvert.finish();
});

Deno.test("check reads the certificates too, and tells of everything that is wrong with them", async () => {
  const { ca, server } = await makePki();
  await using files = new TlsFiles();
  const own = files.putOwn("server", server);
  const clientAuth = { ca: files.put("ca.pem", "garbage"), allow: [{ any: true }] };
  const config = (upstreamTls: unknown) =>
    tlsConfig({ backends: ["127.0.0.1:1"], tls: { ...own, clientAuth }, upstreamTls });
  const check = (text: string) => {
    const file = files.put("culvert.yaml", text);
    return run(DENO, ["run", `--allow-read=${files.folder.path}`, MAIN, "check", "--config", file]);
  };
  const bad = await check(config({ ca: "missing.pem" }));
  assertEquals(bad.code, ExitCode.badConfig);
  assertMatch(bad.stderr, /services\[0\]\.tls\.clientAuth\.ca: .*ca\.pem/);
  assertMatch(bad.stderr, /upstreams\.main\.tls\.ca: cannot read "\/[^"]*\/missing\.pem": no such file/);
  files.put("ca.pem", ca.certPem);
  const good = await check(config({ verify: false }));
  assertEquals(good.code, ExitCode.ok);
  assertMatch(good.stderr, /^warning: upstream main: .*NOT verified/);
  assertStringIncludes(good.stdout, "allows all of them");
});
