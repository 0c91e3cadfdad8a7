import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { BufferPool } from "../../src/net/buffers.ts";
import { createAuthority } from "../../src/tls/authority.ts";
import { TlsHandshakeError } from "../../src/tls/handshake_errors.ts";
import { TlsGate } from "../../src/tls/tls_gate.ts";
import { inDays } from "./pki.ts";
import { clientContext, close, connect, makePki, pki, serverContext, TlsServer } from "./tls_fixture.ts";

// What we let in the engine must let in as well. The two agree, so here we are made to err: by a clock that is
// wrong, or by a function that says yes to everybody.

const VERSIONS = ["1.2", "1.3"] as const;
const ENGINE = "not good for the engine";

for (const version of VERSIONS) {
  const versions = { minVersion: version, maxVersion: version };

  Deno.test(`a client that is good for us must be good for the engine too, TLS ${version}`, async () => {
    const [good, other] = [await pki(), await makePki()];
    await using server = new TlsServer(serverContext(good, versions), { verify: () => ({ ok: true }) });
    for (const [{ client }, expected] of [[good, "ok"], [other, "bad-certificate"]] as const) {
      const context = clientContext(good, { cert: client.chainPem, key: client.keyPem });
      const session = await connect(server.port, context).catch(() => undefined);
      const outcome = await server.outcome();
      if (session !== undefined) close(session.connection);
      assertEquals("error" in outcome ? outcome.error.reason : "ok", expected);
      if ("error" in outcome) assertStringIncludes(outcome.error.message, ENGINE);
    }
  });

  Deno.test(`a server that is good for us must be good for the engine too, TLS ${version}`, async () => {
    const ca = await createAuthority({ notBefore: inDays(-20) });
    const good = { ...await pki(), ca };
    const old = { notBefore: inDays(-9), notAfter: inDays(-1) };
    const server = await ca.issueServer({ names: ["server.test"], ...old });
    await using listening = new TlsServer(
      serverContext({ ...good, server }, { ...versions, clientAuth: "none" }),
    );
    const now = () => inDays(-5).getTime();
    const connecting = connect(listening.port, clientContext(good, { now }));
    const error = await connecting.then(({ connection }) => close(connection), (error) => error);
    await listening.outcome();
    assertInstanceOf(error, TlsHandshakeError);
    assertEquals(error.reason, "bad-certificate");
    assertStringIncludes(error.message, ENGINE);
  });
}

for (const clientAuth of ["optional", "require"] as const) {
  Deno.test(`where the runtime speaks TLS nobody comes in past certificates that are asked for: ${clientAuth}`, async () => {
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
