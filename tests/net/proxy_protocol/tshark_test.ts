import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatProxyV2 } from "../../../src/net/proxy_protocol/format_v2.ts";
import type { ProxyTlvs } from "../../../src/net/proxy_protocol/header.ts";
import { output } from "../../support/child.ts";
import { TemporaryFolder } from "../../support/folder.ts";
import { testWith } from "../../support/installed.ts";
import { hex, joined } from "../hex.ts";
import { uint } from "../client_hello/hello_builder.ts";
import { IPV4_ENDPOINTS } from "./vectors.ts";

/** Version 4.0 of Wireshark does not dissect the last 16 bytes of a header. */
const LAST = { type: 0xef, value: new Uint8Array(16) };

const FIELDS = [
  "proxy.v2.tlv.type",
  "proxy.v2.tlv.length",
  "proxy.v2.tlv.ssl.client",
  "proxy.v2.tlv.ssl.verify",
  "proxy.v2.tlv.ssl.version",
  "proxy.v2.tlv.ssl.cn",
  "proxy.v2.tlv.ssl.cipher",
  "proxy.v2.tlv.ssl.sig_alg",
  "proxy.v2.tlv.value",
];

/** A capture (pcap, raw IP) of one TCP segment with this payload. */
function capture(payload: Uint8Array): Uint8Array {
  const tcp = joined(hex("dc04 1267 00000001 00000001 50 18 ffff 0000 0000"), payload);
  const ip = joined(
    hex("45 00"),
    uint(20 + tcp.length, 2),
    hex("0001 0000 40 06 0000 c0000201 c000020b"),
    tcp,
  );
  const size = uint(ip.length, 4);
  return joined(
    hex("a1b2c3d4 0002 0004 00000000 00000000 00040000 00000065"),
    hex("00000000 00000000"),
    size,
    size,
    ip,
  );
}

/** What Wireshark's dissector makes of a header, by field. */
async function dissect(header: Uint8Array): Promise<Record<string, string>> {
  await using folder = new TemporaryFolder();
  const file = folder.file("header.pcap");
  await Deno.writeFile(file, capture(header));
  const fields = FIELDS.flatMap((field) => ["-e", field]);
  const line = await output("tshark", [
    "-r",
    file,
    "-n",
    "-o",
    "tcp.try_heuristic_first:TRUE",
    "-T",
    "fields",
    ...fields,
  ]);
  return Object.fromEntries(line.trimEnd().split("\t").map((value, index) => [FIELDS[index]!, value]));
}

testWith(["tshark"], "Wireshark reads every TLV that is written, a client's certificate too", async () => {
  const tlvs: ProxyTlvs = {
    alpn: "h2",
    authority: "example.org",
    uniqueId: hex("00 ff"),
    ssl: {
      clientCertificate: "connection",
      verified: true,
      version: "TLSv1.3",
      commonName: "alice",
      cipher: "TLS_AES_128_GCM_SHA256",
      signatureAlgorithm: "ecdsa-with-SHA256",
      keyAlgorithm: "EC256",
      clientCertificateDer: hex("30 03 020101"),
    },
  };
  const { "proxy.v2.tlv.value": values, ...read } = await dissect(
    formatProxyV2({ ...IPV4_ENDPOINTS, tlvs, more: [LAST] }),
  );
  assertEquals(read, {
    "proxy.v2.tlv.type": "0x01,0x02,0x05,0x20,0x21,0x22,0x23,0x24,0x25,0x28,0xef",
    "proxy.v2.tlv.length": "2,11,2,84,7,5,22,17,5,5,16",
    "proxy.v2.tlv.ssl.client": "0x07",
    "proxy.v2.tlv.ssl.verify": "0x00000000",
    "proxy.v2.tlv.ssl.version": "TLSv1.3",
    "proxy.v2.tlv.ssl.cn": "alice",
    "proxy.v2.tlv.ssl.cipher": "TLS_AES_128_GCM_SHA256",
    "proxy.v2.tlv.ssl.sig_alg": "ecdsa-with-SHA256",
  });
  assertStringIncludes(values!, "2800053003020101");
});

testWith(["tshark"], "Wireshark reads TLVs of any type", async () => {
  const more = [{ type: 0xea, value: hex("010203") }, { type: 0xea, value: hex("") }, LAST];
  const read = await dissect(formatProxyV2({ ...IPV4_ENDPOINTS, tlvs: { alpn: "h2" }, more }));
  assertEquals(read["proxy.v2.tlv.type"], "0x01,0xea,0xea,0xef");
  assertEquals(read["proxy.v2.tlv.length"], "2,3,0,16");
  assertMatch(read["proxy.v2.tlv.value"]!, /^6832,010203,/);
});
