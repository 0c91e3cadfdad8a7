import { createPrivateKey, createPublicKey } from "node:crypto";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { TlsHandshakeError } from "../../src/tls/handshake_errors.ts";
import { writePem } from "../../src/tls/pem.ts";
import { testWith } from "../support/installed.ts";
import { FOREIGN_CLIENTS } from "./foreign_clients.ts";
import { startOpensslServer } from "./openssl_server.ts";
import { clientContext, close, connect, pki, serverContext, TlsServer } from "./tls_fixture.ts";

/** The length of a point on P-256: one octet that says how it is written, and two coordinates. */
const POINT_LENGTH = 65;

/**
 * A key file with the private key of one and the public key of another, both on P-256. OpenSSL believes such a
 * file, takes it to belong to the other's certificate, and signs with what it has.
 */
function mixKeys(keyPem: string, otherPem: string): string {
  const publicPoint = (pem: string) =>
    createPublicKey(pem).export({ type: "spki", format: "der" }).subarray(-POINT_LENGTH).toString("hex");
  const mine = createPrivateKey(keyPem).export({ type: "sec1", format: "der" }).toString("hex");
  const mixed = mine.replace(publicPoint(keyPem), publicPoint(otherPem));
  assert(mixed !== mine);
  return writePem("EC PRIVATE KEY", Uint8Array.fromHex(mixed));
}

const [openssl] = FOREIGN_CLIENTS.filter(({ name }) => name === "OpenSSL");

for (const version of ["1.2", "1.3"] as const) {
  testWith(
    ["openssl"],
    `a client needs the key of the certificate that it shows, TLS ${version}`,
    async () => {
      const material = await pki();
      const { client, ca } = material;
      const own = (await ca.issueClient({ cn: "mallory" })).keyPem;
      for (const clientAuth of ["require", "optional"] as const) {
        await using server = new TlsServer(serverContext(material, { clientAuth }));
        const talk = (key: string) =>
          openssl!.talk({
            ...{ hostname: "127.0.0.1", port: server.port, ca: ca.certPem, version },
            own: { cert: client.chainPem, key },
          });
        assertEquals(await talk(client.keyPem), "hello\nping\n");
        assertEquals(await server.reason(), "ok");
        assertEquals(await talk(mixKeys(own, client.keyPem)), "");
        assertEquals(await server.reason(), "bad-certificate");
      }
    },
  );

  testWith(
    ["openssl"],
    `a server needs the key of the certificate that it shows, TLS ${version}`,
    async () => {
      const material = await pki();
      const { ca, server } = material;
      const own = (await ca.issueServer({ names: ["mallory.test"] })).keyPem;
      const keys = [[server.keyPem, "ok"], [mixKeys(own, server.keyPem), "bad-certificate"]] as const;
      for (const [keyPem, expected] of keys) {
        const shown = { ca, server: { chainPem: server.chainPem, keyPem } };
        await using peer = await startOpensslServer({ pki: shown, version });
        const connecting = connect(peer.port, clientContext(material));
        if (expected === "ok") {
          close((await connecting).connection);
          continue;
        }
        const error = await assertRejects(() => connecting, TlsHandshakeError);
        assertEquals(error.reason, expected, error.message);
      }
    },
  );
}
