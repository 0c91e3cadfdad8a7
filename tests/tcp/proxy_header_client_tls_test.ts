import { assertEquals, assertMatch } from "@std/assert";
import { readProxyHeader } from "../../src/net/proxy_protocol/read.ts";
import type { ClientContextOptions } from "../../src/tls/client_context.ts";
import { readPem } from "../../src/tls/x509/pem.ts";
import { connectTls } from "../../src/tls/connect.ts";
import { TlsGate, type TlsGateOptions } from "../../src/tls/gate.ts";
import type { ProxyProtocolOption } from "../../src/upstream/proxy_sending.ts";
import { clientContext, pki } from "../tls/tls_fixture.ts";
import { ServiceFixture } from "./service_fixture.ts";

/** What a backend is told of a client of these settings, and what that client has agreed on. */
async function told(
  client: Partial<ClientContextOptions>,
  gate: Partial<TlsGateOptions> = {},
  proxyProtocol: ProxyProtocolOption = "v2",
) {
  const { ca, server } = await pki("rsa-2048");
  const own = { cert: server.chainPem, key: server.keyPem };
  const asked = { clientAuth: "require", ca: ca.certPem, allow: [{ any: true }] } as const;
  const fixture = new ServiceFixture({ upstream: { proxyProtocol } });
  const route = { ...fixture.route({}), gate: new TlsGate({ ...own, ...asked, ...gate }) };
  fixture.service.update(fixture.serviceOptions(), { route, access: true });
  const caller = fixture.call();
  const session = await connectTls(caller.end, {
    context: clientContext(await pki("rsa-2048"), client),
    signal: new AbortController().signal,
    buffers: fixture.buffers,
  });
  const backend = await fixture.answer();
  const { header } = await readProxyHeader(backend);
  await session.connection.closeWrite();
  assertEquals(await backend.receive(), null);
  await backend.closeWrite();
  await caller.served;
  session.connection.close();
  assertEquals(fixture.reasons, ["client-closed"]);
  return { tlvs: header.tlvs, session, server };
}

for (const [version, pattern] of [["1.2", /^ECDHE-RSA-AES\d+-GCM-SHA\d+$/], ["1.3", /^TLS_\w+$/]] as const) {
  Deno.test(`TLS ${version} of a client is described with the version, OpenSSL's cipher name and the ALPN protocol`, async () => {
    const alpn = ["postgresql"];
    const { tlvs, session } = await told({ alpn, maxVersion: version }, { alpn: ["h2", ...alpn] });
    assertEquals(tlvs.alpn, "postgresql");
    assertEquals(tlvs.authority, "server.test");
    assertEquals(tlvs.ssl, {
      clientCertificate: "connection",
      verified: true,
      version: `TLSv${version}`,
      cipher: session.opensslCipher,
      commonName: "alice",
    });
    assertMatch(session.opensslCipher, pattern);
    assertMatch(session.cipher, /^TLS_\w+$/);
  });
}

Deno.test("without ALPN no protocol is sent", async () => {
  assertEquals((await told({})).tlvs.alpn, undefined);
  assertEquals((await told({ alpn: ["h2"] })).tlvs.alpn, undefined);
  assertEquals((await told({}, { alpn: ["h2"] })).tlvs.alpn, undefined);
});

Deno.test("the certificate of the client, and the algorithms of the server certificate, are sent if configured", async () => {
  const { client } = await pki("rsa-2048");
  const own = { cert: client.chainPem, key: client.keyPem };
  const chosen = { version: "v2", tlvs: ["client-cert", "cert-sig", "cert-key", "crc32c"] } as const;
  const { tlvs } = await told(own, {}, chosen);
  const { version: _version, ...ssl } = tlvs.ssl!;
  assertEquals(ssl, {
    clientCertificate: "connection",
    verified: true,
    signatureAlgorithm: "RSA-SHA256",
    keyAlgorithm: "RSA2048",
    clientCertificateDer: readPem(client.certPem)[0]!.der,
  });
  assertEquals([tlvs.alpn, tlvs.authority, tlvs.uniqueId], [undefined, undefined, undefined]);
});
