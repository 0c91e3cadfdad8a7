import { assert, assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { formatProxyV2 } from "../../../src/net/proxy_protocol/format_v2.ts";
import type { ProxyTlvs } from "../../../src/net/proxy_protocol/header.ts";
import { parseProxyHeader } from "../../../src/net/proxy_protocol/read.ts";
import { listProxyTlvs } from "../../../src/net/proxy_protocol/tlv_list.ts";
import { hex, joined, type Part } from "../hex.ts";
import { IPV4_ADDRESSES, IPV4_ENDPOINTS, unixPath, V1, V2, v2 } from "./vectors.ts";

const GOOD = [...V1, ...V2];

Deno.test("good headers are read, and where they end is reported", () => {
  for (const { name, bytes, header } of GOOD) {
    const expected = { kind: "header" as const, header, length: bytes.length };
    assertEquals(parseProxyHeader(bytes), expected, name);
    assertEquals(parseProxyHeader(joined(bytes, "PROXY, or whatever comes next\r\n")), expected, name);
  }
});

Deno.test("the longest lines are as long as the specification says", () => {
  assertEquals([1, 2, 3, 4].map((index) => V1[index]!.bytes.length), [56, 104, 15, 107]);
});

Deno.test("a good header that breaks off, wherever, is incomplete, and no more is asked for than it has", () => {
  for (const { name, bytes } of GOOD) {
    for (let length = 0; length < bytes.length; length++) {
      const parsed = parseProxyHeader(bytes.subarray(0, length));
      assert(parsed.kind === "incomplete", `${name}: ${length}`);
      assert(parsed.atLeast > length && parsed.atLeast <= bytes.length, `${name}: ${length}`);
    }
  }
});

Deno.test("what was read stays what it is when the buffer is used again", () => {
  for (const { name, bytes, header } of GOOD) {
    const buffer = bytes.slice();
    const parsed = parseProxyHeader(buffer);
    buffer.fill(0xaa);
    assert(parsed.kind === "header");
    assertEquals(parsed.header, header, name);
  }
});

const BAD_V1: readonly [line: string, reason: string][] = [
  ["proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "there is none, the stream begins with 70 72 6f 78"],
  ["PROXY", "INCOMPLETE"],
  ["PROXY\r\n", 'it does not begin with "PROXY "'],
  ["PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n", 'it does not begin with "PROXY "'],
  ["POST / HTTP/1.1\r\n", 'it does not begin with "PROXY "'],
  ["PROXY \r\n", 'expected TCP4, TCP6 or UNKNOWN, found ""'],
  ["PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", 'expected TCP4, TCP6 or UNKNOWN, found ""'],
  ["PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", 'expected TCP4, TCP6 or UNKNOWN, found "tcp4"'],
  ["PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", 'expected TCP4, TCP6 or UNKNOWN, found "UDP4"'],
  ["PROXY UNKNOWNS\r\n", 'expected TCP4, TCP6 or UNKNOWN, found "UNKNOWNS"'],
  ["PROXY UNKNOWN\n", "a line feed without a carriage return"],
  ["PROXY UNKNOWN x\ny\r\n", "a line feed without a carriage return"],
  ["PROXY UNKNOWN\r", "INCOMPLETE"],
  ["PROXY UNKNOWN\rx", "a carriage return without a line feed"],
  ["PROXY UNKNOWN\r\r\n", "a carriage return without a line feed"],
  [`PROXY UNKNOWN ${"x".repeat(92)}`, "INCOMPLETE"],
  [`PROXY UNKNOWN ${"x".repeat(93)}`, "the line does not end within 107 bytes"],
  [`PROXY UNKNOWN ${"x".repeat(92)}\r`, "the line does not end within 107 bytes"],
  [`PROXY UNKNOWN ${"x".repeat(92)}\r\n`, "the line does not end within 107 bytes"],
  ["PROXY TCP4\r\n", 'expected two addresses and two ports, found ""'],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", 'expected two addresses and two ports, found "1.2.3.4 1.2.3.4 1"'],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", "expected two addresses and two ports"],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "expected two addresses and two ports"],
  ["PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", "expected two addresses and two ports"],
  // No line end: as soon as no further bytes can make a header of it.
  ["PROXY garbage", 'expected TCP4, TCP6 or UNKNOWN, found "garbage"'],
  ["PROXY g", 'expected TCP4, TCP6 or UNKNOWN, found "g"'],
  ["PROXY TCP5", 'expected TCP4, TCP6 or UNKNOWN, found "TCP5"'],
  ["PROXY TCP 1", 'expected TCP4, TCP6 or UNKNOWN, found "TCP"'],
  ["PROXY UNKNOWNS", 'expected TCP4, TCP6 or UNKNOWN, found "UNKNOWNS"'],
  ["PROXY TCP4 x", 'expected an IPv4 address, found "x"'],
  ["PROXY TCP4 256", 'expected an IPv4 address, found "256"'],
  ["PROXY TCP4 1.2.3.4.", 'expected an IPv4 address, found "1.2.3.4."'],
  ["PROXY TCP4 1.2.3 ", 'expected an IPv4 address, found "1.2.3"'],
  ["PROXY TCP4  ", 'expected an IPv4 address, found ""'],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 x", 'expected a port from 0 to 65535, found "x"'],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1 65536", 'expected a port from 0 to 65535, found "65536"'],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 01", 'expected a port from 0 to 65535, found "01"'],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1 2 ", "expected two addresses and two ports"],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1\r", "expected two addresses and two ports"],
  ["PROXY TCP6 :1", 'expected an IPv6 address, found ":1"'],
  ["PROXY TCP6 1:::", 'expected an IPv6 address, found "1:::"'],
  ["PROXY TCP6 12345", 'expected an IPv6 address, found "12345"'],
  ["PROXY TCP6 ::1.2.3.4:", 'expected an IPv6 address, found "::1.2.3.4:"'],
  ["PROXY TCP6 1::2::", 'expected an IPv6 address, found "1::2::"'],
  ["PROXY TCP6 ::ffff:1.2.3.256", 'expected an IPv6 address, found "::ffff:1.2.3.256"'],
  ["PROXY TCP6 ::1%", 'expected an IPv6 address, found "::1%"'],
  ["PROXY TCP4 1.2.3.4\t1.2.3.4 1 2\r\n", "expected two addresses and two ports"],
  ["PROXY TCP4 ::1 1.2.3.4 1 2\r\n", 'expected an IPv4 address, found "::1"'],
  ["PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", 'expected an IPv4 address, found "1.2.3"'],
  ["PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", 'expected an IPv4 address, found "01.2.3.4"'],
  ["PROXY TCP4 256.2.3.4 1.2.3.4 1 2\r\n", 'expected an IPv4 address, found "256.2.3.4"'],
  ["PROXY TCP4 1.2.3.4 localhost 1 2\r\n", 'expected an IPv4 address, found "localhost"'],
  ["PROXY TCP4 1.2.3.\x84 1.2.3.4 1 2\r\n", 'expected an IPv4 address, found "1.2.3.\\u00c2\\u0084"'],
  ["PROXY TCP6 1.2.3.4 ::1 1 2\r\n", 'expected an IPv6 address, found "1.2.3.4"'],
  ["PROXY TCP6 ::1 ::1%eth0 1 2\r\n", 'expected an IPv6 address, found "::1%eth0"'],
  ["PROXY TCP6 [::1] ::1 1 2\r\n", 'expected an IPv6 address, found "[::1]"'],
  ["PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n", "expected an IPv6 address"],
  ["PROXY TCP6 1::2::3 ::1 1 2\r\n", "expected an IPv6 address"],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", 'expected a port from 0 to 65535, found "01"'],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1 00\r\n", 'expected a port from 0 to 65535, found "00"'],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", 'expected a port from 0 to 65535, found "65536"'],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1 -2\r\n", 'expected a port from 0 to 65535, found "-2"'],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", 'expected a port from 0 to 65535, found "+1"'],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 0x1 2\r\n", 'expected a port from 0 to 65535, found "0x1"'],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1e3 2\r\n", 'expected a port from 0 to 65535, found "1e3"'],
  ["PROXY TCP4 1.2.3.4 1.2.3.4  2\r\n", 'expected a port from 0 to 65535, found ""'],
];

Deno.test("bad lines of version 1 are refused with the reason", () => {
  for (const [line, reason] of BAD_V1) assertRefused(joined(line), reason);
});

const IP4 = IPV4_ADDRESSES;
const tlvs = (...parts: Part[]) => v2(0x21, 0x11, joined(IP4, ...parts));

const BAD_V2: readonly [bytes: Uint8Array, reason: string][] = [
  [hex("16 03 01 02 00 01"), "there is none, the stream begins with 16 03 01 02"],
  [hex("00"), "there is none, the stream begins with 00"],
  [hex("0d 0a 0d 0a 00 0d 0a 51 55 49 54"), "INCOMPLETE"],
  [hex("0d 0a 0d 0a 00 0d 0b"), "the signature of version 2 is broken"],
  [hex("0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a 11"), "expected version 2 behind the signature, found 1"],
  [hex("0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a 22"), "expected the command LOCAL or PROXY, found 2"],
  [hex("0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a 21 41"), "the address family 4 is not known"],
  [hex("0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a 21 13"), "the transport protocol 3 is not known"],
  [hex("0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a 21 12"), "datagrams are announced on a stream"],
  [v2(0x21, 0x22, new Uint8Array(36)), "datagrams are announced on a stream"],
  [v2(0x21, 0x32, new Uint8Array(216)), "datagrams are announced on a stream"],
  [v2(0x21, 0x11, new Uint8Array(11)), "expected 12 bytes of addresses, found 11"],
  [v2(0x21, 0x21, new Uint8Array(35)), "expected 36 bytes of addresses, found 35"],
  [v2(0x21, 0x31, unixPath("/run/only-one.sock")), "expected 216 bytes of addresses, found 108"],
  [v2(0x21, 0x11, hex("")), "expected 12 bytes of addresses, found 0"],
  // The lengths alone are enough to refuse it: nothing is waited for.
  [v2(0x21, 0x11, new Uint8Array(32_769)).subarray(0, 16), "it takes 32785 bytes, more than 32784"],
  [v2(0x20, 0x00, new Uint8Array(65535)).subarray(0, 16), "it takes 65551 bytes, more than 32784"],
  [v2(0x21, 0x11, new Uint8Array(32_768)).subarray(0, 32_000), "INCOMPLETE"],
  [v2(0x21, 0x31, joined(unixPath("/ok"), hex("2f ff"), new Uint8Array(106))), "a path is not UTF-8"],
  [tlvs(hex("04")), "the length of the TLV of type 0x04 is cut short: 2 bytes announced, 0 there"],
  [tlvs(hex("04 00")), "the length of the TLV of type 0x04 is cut short"],
  [tlvs(hex("04 0001")), "the TLV of type 0x04 is cut short: 1 bytes announced, 0 there"],
  [tlvs(hex("ea ffff 00")), "the TLV of type 0xea is cut short: 65535 bytes announced, 1 there"],
  [tlvs(hex("03 0003 000000")), "the checksum takes 3 bytes, expected 4"],
  [tlvs(hex("03 0005 0000000000")), "the checksum takes 5 bytes, expected 4"],
  [tlvs(hex("03 0004 00000000")), "the checksum is wrong"],
  [tlvs(hex("20 0004 01000000")), "the SSL TLV's verify field is cut short: 4 bytes announced, 3 there"],
  [tlvs(hex("20 0000")), "the SSL TLV's client field is cut short"],
  // A TLV inside of another that would reach beyond it, into one that follows.
  [tlvs(hex("20 0008 01 00000000 22 0003"), hex("04 0000")), "the TLV of type 0x22 is cut short"],
  [tlvs(hex("20 0006 01 00000000 22"), hex("04 0000")), "the length of the TLV of type 0x22 is cut short"],
  [tlvs(hex("03 0004 00000000 03 0004 00000000")), "the checksum comes twice"],
];

const NO_CERTIFICATE = { clientCertificate: "none", verified: false } as const;
const TLS = hex("20 000e 01 00000000");

/** TLVs whose lengths fit and whose values can't be understood, each followed by a good one of another type. */
const IGNORED: readonly [bytes: Uint8Array, tlvs: ProxyTlvs][] = [
  [hex("01 0000"), {}],
  [joined(hex("01 0100"), new Uint8Array(256)), {}],
  [hex("02 0000"), {}],
  [joined(hex("02 0100"), new Uint8Array(256)), {}],
  [hex("02 0002 c3 28"), {}],
  [joined(hex("05 0081"), new Uint8Array(129)), {}],
  [hex("30 0001 00"), {}],
  [hex("02 0001 61  02 0001 62"), {}],
  [hex("02 0001 61  02 0001 62  02 0001 63"), {}],
  [hex("05 0000 05 0000"), {}],
  [hex("ff 0002 ffff"), {}],
  [hex("20 0005 01 00000000  20 0005 07 00000000"), {}],
  // A common name in Latin-1, a version with a line break; the cipher beside it is good.
  [joined(TLS, hex("22 0002 ff fe  23 0001 41")), { ssl: { ...NO_CERTIFICATE, cipher: "A" } }],
  [joined(TLS, hex("21 0002 0d 0a  23 0001 41")), { ssl: { ...NO_CERTIFICATE, cipher: "A" } }],
  [joined(TLS, hex("28 0000  ff 0000  22 0000")), { ssl: { ...NO_CERTIFICATE, commonName: "" } }],
  [hex("20 000b 01 00000000 22 0000 22 0000"), { ssl: NO_CERTIFICATE }],
];

Deno.test("TLVs of which nothing is needed, and that can't be understood, are left out", () => {
  for (const [bytes, expected] of IGNORED) {
    const header = tlvs(bytes, hex("e0 0001 07"));
    const parsed = parseProxyHeader(header);
    assert(parsed.kind === "header");
    assertEquals(parsed.header.tlvs, expected);
    assertEquals(listProxyTlvs(header).at(-1), { type: 0xe0, value: hex("07") });
  }
});

Deno.test("TLVs are listed as they came, without checksum and padding", () => {
  const header = tlvs(
    hex("02 0002 c3 28  04 0001 00  e0 0000  20 0005 01 00000000  e0 0001 07  03 0004 00000000"),
  );
  assertEquals(listProxyTlvs(header), [
    { type: 2, value: hex("c3 28") },
    { type: 0xe0, value: hex("") },
    { type: 0x20, value: hex("01 00000000") },
    { type: 0xe0, value: hex("07") },
  ]);
  for (const nobodys of [v2(0x20, 0x11, joined(IP4, hex("e0 0000"))), v2(0x21, 0, hex("e0 0000"))]) {
    assertEquals(listProxyTlvs(nobodys), []);
  }
});

Deno.test("a client's certificate as large as TLS allows here is read from a header", () => {
  const der = new Uint8Array(16_384).fill(7);
  const ssl = {
    ...NO_CERTIFICATE,
    clientCertificate: "connection",
    verified: true,
    clientCertificateDer: der,
  } as const;
  const parsed = parseProxyHeader(formatProxyV2({ ...IPV4_ENDPOINTS, tlvs: { ssl } }));
  assert(parsed.kind === "header");
  assertEquals(parsed.header.tlvs, { ssl });
});

Deno.test("bad headers of version 2 are refused with the reason", () => {
  for (const [bytes, reason] of BAD_V2) assertRefused(bytes, reason);
});

function assertRefused(bytes: Uint8Array, reason: string): void {
  if (reason === "INCOMPLETE") return assertEquals(parseProxyHeader(bytes).kind, "incomplete");
  const error = assertThrows(() => parseProxyHeader(bytes), CulvertError);
  assertEquals(error.code, "bad_proxy_header");
  const message = `Cannot read the PROXY header: ${reason}`;
  assertEquals(error.message.slice(0, message.length), message);
}
