import process from "node:process";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { BufferPool } from "../../src/net/buffers.ts";
import { createAuthority } from "../../src/tls/authority/authority.ts";
import { TlsHandshakeError } from "../../src/tls/session/handshake_errors.ts";
import { TlsGate } from "../../src/tls/gate.ts";
import { run } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { makeCaWeb } from "./x509/path/ca_web.ts";
import { talkByOpenssl } from "./foreign_clients.ts";
import { clientContext, close, connect, pki, serverContext, TlsServer } from "./tls_fixture.ts";

// What the engine is given, and what it must not be given: CAs. It would search paths among whatever certificates a
// client sends, without a bound, and send the CAs as a part of the server's own chain.

const VERSIONS = ["1.2", "1.3"] as const;
/** An unbounded search takes 2 s and more of processor time, everything else in the test less than 0.2 s. */
const MAX_CPU_US = 1_000_000;

for (const version of VERSIONS) {
  testWith(["openssl"], `a client's web of CAs costs next to nothing, TLS ${version}`, async () => {
    const material = await pki();
    const { chainPem: cert, keyPem: key } = makeCaWeb();
    for (const clientAuth of ["require", "optional"] as const) {
      await using server = new TlsServer(serverContext(material, { clientAuth }));
      const talk = (own: { cert: string; key: string }) =>
        talkByOpenssl({ hostname: "127.0.0.1", port: server.port, ca: material.ca.certPem, version, own });
      const before = process.cpuUsage();
      assertEquals(await talk({ cert, key }), "");
      const { user, system } = process.cpuUsage(before);
      assertEquals(await server.reason(), "unknown-ca");
      assert(user + system < MAX_CPU_US, `it took ${user + system} µs`);
    }
  });
}

testWith(["openssl"], "the CAs of the clients are no part of the server's own chain", async () => {
  const material = await pki();
  const others = await Promise.all(
    Array.from({ length: 150 }, (_, index) => createAuthority({ name: `Another CA ${index}` })),
  );
  for (const count of [0, 11, 149]) {
    const ca = [material.ca, ...others.slice(0, count)].map(({ certPem }) => certPem).join("");
    await using server = new TlsServer(serverContext(material, { ca }));
    const args = ["s_client", "-connect", `127.0.0.1:${server.port}`, "-showcerts"];
    const { stdout } = await run("openssl", args, { input: "" });
    assertEquals(stdout.match(/-----BEGIN CERTIFICATE-----/g)?.length, 1);
    assert(stdout.includes("No client certificate CA names sent"));
    assertEquals(await server.reason(), "no-certificate");
    const { certPem, keyPem } = material.client;
    const own = { cert: certPem, key: keyPem };
    const spec = { hostname: "127.0.0.1", port: server.port, ca: material.ca.certPem, own };
    for (const version of VERSIONS) assertEquals(await talkByOpenssl({ ...spec, version }), "hello\nping\n");
  }
});

for (const clientAuth of ["optional", "require"] as const) {
  Deno.test(`a gate with client certificates rejects a connection over the runtime's own TLS: ${clientAuth}`, async () => {
    const { ca, server } = await pki();
    const own = { cert: server.chainPem, key: server.keyPem };
    const gate = new TlsGate({ ...own, clientAuth, ca: ca.certPem, allow: [{ any: true }] });
    using listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...own });
    const [client, accepted] = await Promise.all([
      Deno.connectTls({ hostname: "127.0.0.1", port: listener.addr.port, caCerts: [ca.certPem] }),
      listener.accept(),
    ]);
    using _client = client;
    const { signal } = new AbortController();
    const entering = gate.enter(accepted, { signal, buffers: new BufferPool() });
    const error = await assertRejects(() => entering, TlsHandshakeError);
    assertEquals(error.reason, "no-certificate");
  });
}

Deno.test("what stands beside our certificate and key in their files does not reach the engine", async () => {
  const material = await pki();
  const { ca, server, client } = material;
  // The old name for a certificate, which the engine does not know.
  const messy = (pem: string) =>
    `Bag Attributes\n    friendlyName: ours\n${ca.crl()}${pem.replaceAll(" CERT", " X509 CERT")}`;
  const context = serverContext(material, { cert: messy(server.chainPem), key: messy(server.keyPem) });
  await using listening = new TlsServer(context);
  const own = { cert: messy(client.chainPem), key: messy(client.keyPem) };
  const session = await connect(listening.port, clientContext(material, own));
  assertEquals(await listening.reason(), "ok");
  close(session.connection);
});
