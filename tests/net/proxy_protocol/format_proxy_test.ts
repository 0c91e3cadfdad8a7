import { assert, assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { formatProxyV1 } from "../../../src/net/proxy_protocol/format_v1.ts";
import { formatProxyV2 } from "../../../src/net/proxy_protocol/format_v2.ts";
import type { ProxyAddress, ProxyTls, ProxyTlvs } from "../../../src/net/proxy_protocol/header.ts";
import { parseProxyHeader } from "../../../src/net/proxy_protocol/read.ts";
import { hex, joined } from "../hex.ts";
import { IPV4_ADDRESSES, IPV4_ENDPOINTS, unixPath, V2, v2 } from "./vectors.ts";

const UNIX: ProxyAddress = { ip: "unix", port: 0 };
const LOCAL = v2(0x20, 0, new Uint8Array(0));

function at(ip: string, port: number): ProxyAddress {
  return { ip, port };
}

const LINES: readonly [
  source: ProxyAddress | undefined,
  destination: ProxyAddress | undefined,
  line: string,
][] = [
  [at("192.0.2.1", 56324), at("192.0.2.11", 443), "PROXY TCP4 192.0.2.1 192.0.2.11 56324 443"],
  [at("::ffff:192.0.2.1", 0), at("192.0.2.11", 65535), "PROXY TCP4 192.0.2.1 192.0.2.11 0 65535"],
  [at("::1", 1), at("2001:DB8::1", 2), "PROXY TCP6 ::1 2001:db8::1 1 2"],
  [at("fe80::1%eth0", 1), at("fe80::2", 2), "PROXY TCP6 fe80::1 fe80::2 1 2"],
  // Two families: the one that is IPv4 becomes mapped.
  [at("192.0.2.1", 1), at("::1", 2), "PROXY TCP6 ::ffff:c000:201 ::1 1 2"],
  [at("::1", 1), at("192.0.2.1", 2), "PROXY TCP6 ::1 ::ffff:c000:201 1 2"],
  [UNIX, UNIX, "PROXY UNKNOWN"],
  [UNIX, at("::1", 1), "PROXY UNKNOWN"],
  [at("::1", 1), UNIX, "PROXY UNKNOWN"],
  [undefined, at("::1", 1), "PROXY UNKNOWN"],
  [at("::1", 1), undefined, "PROXY UNKNOWN"],
  [at("localhost", 1), at("::1", 1), "PROXY UNKNOWN"],
  [at("::1", -1), at("::1", 65536), "PROXY UNKNOWN"],
  [at("::1", 1.5), at("::1", 1), "PROXY UNKNOWN"],
];

Deno.test("version 1 is written with both ends of one family, or as unknown", () => {
  for (const [source, destination, line] of LINES) {
    assertEquals(new TextDecoder().decode(formatProxyV1({ source, destination })), `${line}\r\n`);
  }
});

Deno.test("version 2 is written byte for byte as the specification has it", () => {
  assertEquals(formatProxyV2(IPV4_ENDPOINTS), v2(0x21, 0x11, IPV4_ADDRESSES));
  assertEquals(
    formatProxyV2({ source: at("192.0.2.1", 56324), destination: at("::1", 443) }),
    v2(
      0x21,
      0x21,
      hex(`00000000 00000000 0000ffff c0000201
           00000000 00000000 00000000 00000001
           dc04 01bb`),
    ),
  );
  assertEquals(
    formatProxyV2({ source: UNIX, destination: { ...UNIX, path: "@app" } }),
    v2(0x21, 0x31, joined(unixPath(""), unixPath("\0app"))),
  );
  const tls: ProxyTls = {
    clientCertificate: "connection",
    verified: true,
    version: "TLSv1.3",
    commonName: "admin",
  };
  assertEquals(
    formatProxyV2({ ...IPV4_ENDPOINTS, tlvs: { alpn: "h2", uniqueId: hex("0102"), ssl: tls } }),
    v2(
      0x21,
      0x11,
      joined(
        IPV4_ADDRESSES,
        hex("01 0002 6832"),
        hex("05 0002 0102"),
        hex("20 0017 07 00000000"),
        hex("21 0007"),
        "TLSv1.3",
        hex("22 0005"),
        "admin",
      ),
    ),
  );
});

Deno.test("version 2 says LOCAL, and nothing else, where it can't name both ends", () => {
  for (const [source, destination, line] of LINES) {
    if (line !== "PROXY UNKNOWN" || (source === UNIX && destination === UNIX)) continue;
    assertEquals(formatProxyV2({ source, destination, tlvs: { authority: "x" }, crc32c: true }), LOCAL);
  }
  assertEquals(formatProxyV2({}), LOCAL);
});

Deno.test("a certificate counts as verified only if there is one, and each case has its bits", () => {
  const cases: readonly [ProxyTls["clientCertificate"], boolean, bytes: string][] = [
    ["none", false, "01 00000001"],
    ["none", true, "01 00000001"],
    ["session", false, "05 00000001"],
    ["session", true, "05 00000000"],
    ["connection", false, "07 00000001"],
    ["connection", true, "07 00000000"],
  ];
  for (const [clientCertificate, verified, bytes] of cases) {
    const header = formatProxyV2({ ...IPV4_ENDPOINTS, tlvs: { ssl: { clientCertificate, verified } } });
    assertEquals(header.slice(-5), hex(bytes));
  }
});

Deno.test("what is written is read again as it was, with a checksum and without", () => {
  for (const { name, header } of V2) {
    if (header.endpoints === undefined) continue;
    for (const crc32c of [false, true]) {
      const bytes = formatProxyV2({ ...header.endpoints, tlvs: header.tlvs, crc32c });
      assertEquals(parseProxyHeader(bytes), { kind: "header", header, length: bytes.length }, name);
    }
  }
  for (const [source, destination, line] of LINES) {
    const parsed = parseProxyHeader(formatProxyV1({ source, destination }));
    assert(parsed.kind === "header");
    assertEquals(parsed.header.kind, line === "PROXY UNKNOWN" ? "unknown" : "proxy", line);
  }
});

Deno.test("a checksum finds every single bit that has been turned", () => {
  const good = formatProxyV2({ ...IPV4_ENDPOINTS, tlvs: { authority: "example.org" }, crc32c: true });
  for (let bit = 0; bit < good.length * 8; bit++) {
    const bytes = good.slice();
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    let kind: string;
    try {
      const parsed = parseProxyHeader(bytes);
      kind = parsed.kind === "header" ? parsed.header.kind : "incomplete";
    } catch (error) {
      kind = (error as CulvertError).code;
    }
    // Where the type of the checksum itself has been turned, there is none.
    const inType = bit >> 3 === good.length - 7;
    assert(kind !== "proxy" || inType, `bit ${bit}: ${kind}`);
  }
});

Deno.test("what does not fit into a header is refused", () => {
  const bad: readonly [tlvs: ProxyTlvs, reason: string][] = [
    [{ alpn: "" }, "the ALPN is empty"],
    [{ alpn: "x".repeat(256) }, "the ALPN takes 256 bytes, more than 255"],
    [{ authority: "" }, "the authority is empty"],
    [{ authority: "ü".repeat(128) }, "the authority takes 256 bytes, more than 255"],
    [{ uniqueId: new Uint8Array(129) }, "the unique id takes 129 bytes, more than 128"],
    [{ netns: "x".repeat(70_000) }, "a TLV takes 70000 bytes, more than 65535"],
    [{ netns: "x".repeat(65_530) }, "it takes 65561 bytes, more than 65551"],
  ];
  for (const [tlvs, reason] of bad) {
    const error = assertThrows(() => formatProxyV2({ ...IPV4_ENDPOINTS, tlvs }), CulvertError);
    assertEquals([error.code, error.message], ["bad_proxy_header", `Cannot write a PROXY header: ${reason}`]);
  }
  const path = { ...UNIX, path: "/".padEnd(109, "x") };
  assertThrows(
    () => formatProxyV2({ source: UNIX, destination: path }),
    CulvertError,
    "a path takes 109 bytes",
  );

  const most = formatProxyV2({ ...IPV4_ENDPOINTS, tlvs: { netns: "x".repeat(65_520) } });
  assertEquals([most.length, most[14], most[15]], [65_551, 255, 255]);
  const read = formatProxyV2({ ...IPV4_ENDPOINTS, tlvs: { netns: "x".repeat(32_753) } });
  assertEquals([read.length, parseProxyHeader(read).kind], [32_784, "header"]);
});
