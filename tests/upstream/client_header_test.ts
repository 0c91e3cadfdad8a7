import { assert, assertEquals } from "@std/assert";
import type { ProxyTls } from "../../src/net/proxy_protocol/header.ts";
import { parseProxyHeader } from "../../src/net/proxy_protocol/read.ts";
import { listProxyTlvs } from "../../src/net/proxy_protocol/tlv_list.ts";
import { clientHeader, type ProxyHeaderInfo } from "../../src/upstream/client_header.ts";
import type { ProxySending } from "../../src/upstream/proxy_sending.ts";
import { hex } from "../net/hex.ts";
import { IPV4_ENDPOINTS } from "../net/proxy_protocol/vectors.ts";

const SSL: ProxyTls = { clientCertificate: "connection", verified: true, version: "TLSv1.3" };
const TLS: ProxyTls = {
  ...SSL,
  commonName: "alice",
  cipher: "TLS_AES_128_GCM_SHA256",
  signatureAlgorithm: "RSA-SHA256",
  keyAlgorithm: "EC256",
  clientCertificateDer: hex("30 00"),
};
const CLIENT: ProxyHeaderInfo = {
  ...IPV4_ENDPOINTS,
  uniqueId: "id-1",
  tls: TLS,
  authority: "example.org",
  alpn: "h2",
};
const ID = new TextEncoder().encode("id-1");

/** What a header tells of the client, and its TLVs by type. */
function told(sending: Partial<ProxySending>, client: ProxyHeaderInfo = CLIENT) {
  const { bytes, uniqueId } = clientHeader({ version: "v2", ...sending }, client);
  const parsed = parseProxyHeader(bytes);
  assert(parsed.kind === "header");
  return {
    ...parsed.header.tlvs,
    types: listProxyTlvs(bytes).map(({ type }) => type),
    logged: uniqueId,
    bytes,
  };
}

Deno.test("each name chooses a TLV, or a part of the SSL TLV", () => {
  const chosen = (...tlvs: NonNullable<ProxySending["tlvs"]>) => {
    const { types: _types, logged: _logged, bytes: _bytes, ...rest } = told({ tlvs });
    return rest;
  };
  assertEquals(chosen(), {});
  assertEquals(chosen("alpn"), { alpn: "h2" });
  assertEquals(chosen("authority"), { authority: "example.org" });
  assertEquals(chosen("unique-id"), { uniqueId: ID });
  assertEquals(chosen("ssl"), { ssl: SSL });
  assertEquals(chosen("cert-cn"), { ssl: { ...SSL, commonName: "alice" } });
  assertEquals(chosen("ssl", "ssl-cipher"), { ssl: { ...SSL, cipher: "TLS_AES_128_GCM_SHA256" } });
  assertEquals(chosen("cert-sig", "cert-key"), {
    ssl: { ...SSL, signatureAlgorithm: "RSA-SHA256", keyAlgorithm: "EC256" },
  });
  assertEquals(chosen("client-cert"), { ssl: { ...SSL, clientCertificateDer: hex("30 00") } });
  // The last TLV is the checksum, which the parser has verified.
  assertEquals(told({ tlvs: ["crc32c"] }).bytes.slice(-7, -4), hex("03 0004"));
});

Deno.test("without a choice, the certificate and the algorithms of our own are not told", () => {
  const { alpn, authority, ssl, uniqueId, logged } = told({});
  assertEquals([alpn, authority, uniqueId, logged], ["h2", "example.org", ID, "id-1"]);
  assertEquals(ssl, { ...SSL, commonName: "alice", cipher: "TLS_AES_128_GCM_SHA256" });
});

Deno.test("version 1 tells addresses only", () => {
  const { bytes, uniqueId } = clientHeader({ version: "v1" }, CLIENT);
  assertEquals([bytes[0], uniqueId], [0x50, undefined]);
});

/** A client that came with TLVs, of two types that are told of it here as well. */
const CAME: ProxyHeaderInfo = {
  ...IPV4_ENDPOINTS,
  uniqueId: "id-1",
  authority: "example.org",
  tlvs: [
    { type: 0x02, value: new TextEncoder().encode("spoofed.example.org") },
    { type: 0x05, value: new TextEncoder().encode("id-of-the-balancer") },
    { type: 0x20, value: hex("01 00000001 22 0001 ff") },
    { type: 0xea, value: hex("01") },
    { type: 0xea, value: hex("02") },
  ],
};

Deno.test("no TLV that a client came with is passed on unless that is asked for", () => {
  assertEquals(told({}, CAME).types, [2, 5]);
  assertEquals(told({ forwardTlvs: [] }, CAME).types, [2, 5]);
});

Deno.test("TLVs of the types that are named are passed on as they came", () => {
  const { types, bytes, ssl } = told({ forwardTlvs: [0xea, 0x20] }, CAME);
  assertEquals(types, [2, 5, 0x20, 0xea, 0xea]);
  assertEquals(ssl, { clientCertificate: "none", verified: false });
  assertEquals(listProxyTlvs(bytes).slice(2), CAME.tlvs!.slice(2));
});

Deno.test("what is known of the connection here wins; the unique id is the one that came", () => {
  const { types, authority, logged } = told({ forwardTlvs: true }, CAME);
  assertEquals(types, [2, 5, 0x20, 0xea, 0xea]);
  assertEquals([authority, logged], ["example.org", "id-of-the-balancer"]);
  const { authority: forwarded } = told({ forwardTlvs: true, tlvs: [] }, CAME);
  assertEquals(forwarded, "spoofed.example.org");
  const binary = { ...CAME, tlvs: [{ type: 0x05, value: hex("00 ff") }] };
  assertEquals(told({ forwardTlvs: true }, binary).logged, "00ff");
  // A client whose TLS ends here: what came before says nothing about that.
  assertEquals(told({ forwardTlvs: true }, { ...CAME, tls: TLS }).ssl?.commonName, "alice");
});
