import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { TlsHandshakeError } from "../../src/tls/session/handshake_errors.ts";
import { requirePossession } from "../../src/tls/possession.ts";
import { writePem } from "../../src/tls/x509/pem.ts";
import { DerNode, Tag } from "../../src/tls/x509/der.ts";
import { type Bare, bareCertificate, keyOf } from "./x509/bare_certificate.ts";
import { derOf } from "./pki.ts";
import { testWith } from "../support/installed.ts";
import { talkByOpenssl } from "./foreign_clients.ts";
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

/** Basic constraints of a CA. */
const CA = { oid: "2.5.29.19", critical: true, value: Uint8Array.fromHex("30030101ff") };
/** The alternative name server.test. */
const SERVER_NAME = {
  ...{ oid: "2.5.29.17", critical: false },
  value: Uint8Array.fromHex("300d820b7365727665722e74657374"),
};

function keyPemOf(privateKey: KeyObject): string {
  return privateKey.export({ type: "sec1", format: "pem" }) as string;
}

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
          talkByOpenssl({
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

/** An odd certificate that OpenSSL can't read either. */
const UNREADABLE = "key that something follows";

/** The DER of an element of less than 65,536 bytes. */
function element(tag: number, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const { length } = Uint8Array.fromHex(parts.map((part) => part.toHex()).join(""));
  const octets = length < 0x80
    ? [length]
    : length < 0x100
    ? [0x81, length]
    : [0x82, length >> 8, length & 0xff];
  return new Uint8Array([tag, ...octets, ...parts.flatMap((part) => [...part])]);
}

/** The same certificate with another SubjectPublicKeyInfo or with fields behind it, signed by `issuer`. */
function rebuilt(leaf: Bare, issuer: Bare, edit: (fields: Uint8Array[]) => void): string {
  const [tbs, algorithm] = DerNode.whole(derOf(leaf.certPem)[0]!).children(Tag.sequence, 3);
  const fields = tbs!.children(Tag.sequence, 10).map(({ bytes }) => bytes);
  edit(fields);
  const next = element(Tag.sequence, ...fields);
  const signature = element(Tag.bitString, new Uint8Array([0]), sign("sha256", next, issuer.privateKey));
  return writePem("CERTIFICATE", element(Tag.sequence, next, algorithm!.bytes, signature));
}

/** Certificates of a trusted CA whose key the engine does not ask for, or does not ask for everywhere. */
function oddCertificates(issuer: Bare): { name: string; certPem: string; privateKey: KeyObject }[] {
  const plain = bareCertificate({ cn: "odd", issuer, extensions: [SERVER_NAME] });
  const { privateKey } = plain;
  const edits: [name: string, edit: (fields: Uint8Array[]) => void][] = [
    ["version 2", (fields) => {
      fields[0] = Uint8Array.fromHex("a003020101");
      fields.length = 7;
    }],
    ["version 1 that is said", (fields) => {
      fields[0] = Uint8Array.fromHex("a003020100");
      fields.length = 7;
    }],
    ["unique identifier", (fields) => fields.splice(7, 0, Uint8Array.fromHex("8203000102"))],
    [UNREADABLE, (fields) => {
      const parts = DerNode.whole(fields[6]!).children(Tag.sequence).map(({ bytes }) => bytes);
      fields[6] = element(Tag.sequence, ...parts, Uint8Array.fromHex("0500"));
    }],
  ];
  return [
    { name: "version 1", ...bareCertificate({ cn: "odd", issuer, version: 1 }) },
    ...edits.map(([name, edit]) => ({ name, certPem: rebuilt(plain, issuer, edit), privateKey })),
  ];
}

testWith(
  ["openssl"],
  "a certificate that the engine can't parse proves nothing, with its key or without",
  async () => {
    const root = bareCertificate({ cn: "root", extensions: [CA] });
    const material = await pki();
    const other = keyPemOf(keyOf({ curve: "prime256v1" }));
    for (const { name, certPem, privateKey } of oddCertificates(root)) {
      for (const version of ["1.2", "1.3"] as const) {
        for (const keyPem of [keyPemOf(privateKey), mixKeys(other, keyPemOf(privateKey))]) {
          await using server = new TlsServer(serverContext(material, { ca: root.certPem }));
          const own = { cert: certPem, key: keyPem };
          const spec = { hostname: "127.0.0.1", port: server.port, ca: material.ca.certPem, version, own };
          assertEquals(await talkByOpenssl(spec), "", `${name}, TLS ${version}`);
          if (server.outcomes.length > 0) assertEquals(await server.reason(), "bad-certificate", name);
        }
      }
    }
  },
);

testWith(["openssl"], "a server with a certificate that the engine can't parse is not trusted", async () => {
  const root = bareCertificate({ cn: "root", extensions: [CA] });
  const material = await pki();
  const other = keyPemOf(keyOf({ curve: "prime256v1" }));
  const context = clientContext(material, { ca: root.certPem, verifyName: false });
  for (const { name, certPem, privateKey } of oddCertificates(root)) {
    if (name === UNREADABLE) continue;
    for (const version of ["1.2", "1.3"] as const) {
      for (const keyPem of [keyPemOf(privateKey), mixKeys(other, keyPemOf(privateKey))]) {
        const shown = { ca: material.ca, server: { chainPem: certPem, keyPem } };
        await using peer = await startOpensslServer({ pki: shown, version });
        const error = await assertRejects(() => connect(peer.port, context), TlsHandshakeError);
        assert(["bad-certificate", "failed"].includes(error.reason), `${name}: ${error.message}`);
      }
    }
  }
});

testWith(
  ["openssl"],
  "a CA with unique identifiers vouches for peers where it is trusted, not where it is sent",
  async () => {
    const material = await pki();
    const withId = (fields: Uint8Array[]) => fields.splice(7, 0, Uint8Array.fromHex("8203000102"));
    const plainRoot = bareCertificate({ cn: "root", extensions: [CA] });
    const root = { ...plainRoot, certPem: rebuilt(plainRoot, plainRoot, withId) };
    const plainMiddle = bareCertificate({ cn: "middle", issuer: root, extensions: [CA] });
    const middle = { ...plainMiddle, certPem: rebuilt(plainMiddle, root, withId) };
    const below = (issuer: Bare) => bareCertificate({ cn: "leaf", issuer, extensions: [SERVER_NAME] });
    for (const version of ["1.2", "1.3"] as const) {
      for (
        const [issuer, sent, expected] of [[root, "", "ok"], [
          middle,
          middle.certPem,
          "bad-certificate",
        ]] as const
      ) {
        const { certPem, privateKey } = below(issuer);
        const own = { cert: certPem + sent, key: keyPemOf(privateKey) };
        await using server = new TlsServer(serverContext(material, { ca: root.certPem }));
        const spec = { hostname: "127.0.0.1", port: server.port, ca: material.ca.certPem, version, own };
        assertEquals(await talkByOpenssl(spec), expected === "ok" ? "hello\nping\n" : "", `TLS ${version}`);
        assertEquals(await server.reason(), expected);
        const shown = { ca: material.ca, server: { chainPem: own.cert, keyPem: own.key } };
        await using peer = await startOpensslServer({ pki: shown, version });
        const connecting = connect(peer.port, clientContext(material, { ca: root.certPem }));
        if (expected === "ok") close((await connecting).connection);
        else await assertRejects(() => connecting, TlsHandshakeError);
      }
    }
  },
);

Deno.test("possession is taken for verified only of a certificate that the engine can parse", () => {
  const issuer = bareCertificate({ cn: "root", extensions: [CA] });
  requirePossession(derOf(bareCertificate({ cn: "plain", issuer }).certPem));
  for (const { name, certPem } of oddCertificates(issuer)) {
    const error = assertThrows(
      () => requirePossession(derOf(certPem)),
      TlsHandshakeError,
      "holds the private key",
    );
    assertEquals(error.reason, "bad-certificate", name);
  }
});
