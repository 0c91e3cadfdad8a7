import type { ProxyHeader } from "../../../src/net/proxy_protocol/header.ts";
import { hex, joined } from "../hex.ts";

/** A good header and what it says. */
export interface Vector {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly header: ProxyHeader;
}

const SIGNATURE = hex("0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a");
const LONGEST_IPV6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";

/**
 * A header of version 2: the version and command, the family and protocol, and the rest, whose length is
 * added.
 */
export function v2(versionAndCommand: number, family: number, body: Uint8Array): Uint8Array {
  const length = [body.length >> 8, body.length & 255];
  return joined(SIGNATURE, [versionAndCommand, family], length, body);
}

/** 192.0.2.1:56324 to 192.0.2.11:443. */
export const IPV4_ADDRESSES = hex("c0000201 c000020b dc04 01bb");

/** The same, as it is read. */
export const IPV4_ENDPOINTS = {
  source: { ip: "192.0.2.1", port: 56324 },
  destination: { ip: "192.0.2.11", port: 443 },
};

/** The field that a path fills up in a header. */
export function unixPath(path: string): Uint8Array {
  const field = new Uint8Array(108);
  field.set(new TextEncoder().encode(path));
  return field;
}

function v1(line: string, endpoints?: ProxyHeader["endpoints"]): Vector {
  const kind = endpoints === undefined ? "unknown" : "proxy";
  const header: ProxyHeader = {
    version: 1,
    kind,
    ...(endpoints === undefined ? {} : { endpoints }),
    tlvs: {},
  };
  return { name: line, bytes: joined(line, "\r\n"), header };
}

function ends(source: string, destination: string, ports: readonly [number, number]) {
  return {
    source: { ip: source, port: ports[0] },
    destination: { ip: destination, port: ports[1] },
  };
}

/** Lines of the specification, section 2.1, and some of our own. */
export const V1: readonly Vector[] = [
  // The example of the specification.
  v1(
    "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443",
    ends("192.168.0.1", "192.168.0.11", [56324, 443]),
  ),
  // Its longest line of each kind.
  v1(
    "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535",
    ends("255.255.255.255", "255.255.255.255", [65535, 65535]),
  ),
  v1(
    `PROXY TCP6 ${LONGEST_IPV6} ${LONGEST_IPV6} 65535 65535`,
    ends(LONGEST_IPV6, LONGEST_IPV6, [65535, 65535]),
  ),
  v1("PROXY UNKNOWN"),
  v1(`PROXY UNKNOWN ${LONGEST_IPV6} ${LONGEST_IPV6} 65535 65535`),
  v1("PROXY UNKNOWN whatever \0 \xff it is PROXY TCP4 1.2.3.4"),
  v1("PROXY UNKNOWN "),
  v1("PROXY TCP4 0.0.0.0 0.0.0.0 0 0", ends("0.0.0.0", "0.0.0.0", [0, 0])),
  v1("PROXY TCP6 :: ::1 1 10", ends("::", "::1", [1, 10])),
  v1("PROXY TCP6 2001:DB8::A 2001:0db8:0:0::000b 1 2", ends("2001:db8::a", "2001:db8::b", [1, 2])),
  // As inet_ntop writes an IPv4-mapped address, and as bits.
  v1("PROXY TCP6 ::ffff:10.0.0.1 ::ffff:a00:2 1 2", ends("10.0.0.1", "10.0.0.2", [1, 2])),
];

function proxied(endpoints: ProxyHeader["endpoints"], tlvs: ProxyHeader["tlvs"] = {}): ProxyHeader {
  return { version: 2, kind: "proxy", endpoints: endpoints!, tlvs };
}

const LOCAL: ProxyHeader = { version: 2, kind: "local", tlvs: {} };
const UNKNOWN: ProxyHeader = { version: 2, kind: "unknown", tlvs: {} };

/** Headers made by hand after the specification, section 2.2. */
export const V2: readonly Vector[] = [
  { name: "LOCAL, as a health check sends it", bytes: v2(0x20, 0x00, hex("")), header: LOCAL },
  { name: "LOCAL with addresses", bytes: v2(0x20, 0x11, IPV4_ADDRESSES), header: LOCAL },
  { name: "LOCAL with whatever behind it", bytes: v2(0x20, 0xff, hex("01 02 03")), header: LOCAL },
  { name: "an unspecified family", bytes: v2(0x21, 0x00, hex("")), header: UNKNOWN },
  { name: "an unspecified family with something", bytes: v2(0x21, 0x01, hex("04 0001 00")), header: UNKNOWN },
  { name: "an unspecified protocol", bytes: v2(0x21, 0x10, IPV4_ADDRESSES), header: UNKNOWN },
  { name: "TCP over IPv4", bytes: v2(0x21, 0x11, IPV4_ADDRESSES), header: proxied(IPV4_ENDPOINTS) },
  {
    name: "TCP over IPv6",
    bytes: v2(
      0x21,
      0x21,
      hex(`20010db8 00000000 00000000 0000000a  # source
           00000000 00000000 00000000 00000001  # destination
           ffff 0000                            # ports`),
    ),
    header: proxied(ends("2001:db8::a", "::1", [65535, 0])),
  },
  {
    name: "TCP over IPv6 between IPv4-mapped addresses",
    bytes: v2(
      0x21,
      0x21,
      hex(`00000000 00000000 0000ffff c0000201
           00000000 00000000 0000ffff c000020b
           dc04 01bb`),
    ),
    header: proxied(IPV4_ENDPOINTS),
  },
  {
    name: "unix sockets: a client without a name, and a path",
    bytes: v2(0x21, 0x31, joined(unixPath(""), unixPath("/run/app.sock"))),
    header: proxied({
      source: { ip: "unix", port: 0, path: "" },
      destination: { ip: "unix", port: 0, path: "/run/app.sock" },
    }),
  },
  {
    name: "unix sockets: an abstract name, and a path that fills the field",
    bytes: v2(0x21, 0x31, joined(unixPath("\0app"), unixPath("/".padEnd(108, "x")))),
    header: proxied({
      source: { ip: "unix", port: 0, path: "@app" },
      destination: { ip: "unix", port: 0, path: "/".padEnd(108, "x") },
    }),
  },
  {
    name: "every TLV that is known, and some that are not",
    bytes: v2(
      0x21,
      0x11,
      joined(
        IPV4_ADDRESSES,
        hex("04 0000              04 0002 ffff"), // NOOP, of any length and as often as you like
        hex("01 0002 6832"), // ALPN: h2
        hex("02 000b"),
        "example.org", // AUTHORITY
        hex("05 0004 00 ff 0a 41"), // UNIQUE_ID, opaque
        hex("e0 0003 010203      ee 0000"), // custom
        hex("20 0029 07 00000000"), // SSL: 41 bytes, all flags, verified
        hex("21 0007"),
        "TLSv1.3",
        hex("22 0006"),
        "Jürg", // 5 bytes of UTF-8
        hex("0a"), // and a line feed: nothing forbids it in a name
        hex("24 0004"),
        "RSA4",
        hex("25 0003"),
        "EC2",
        hex("26 0001 00"), // unknown inside of SSL
        hex("30 0003"),
        "red", // NETNS
      ),
    ),
    header: proxied(IPV4_ENDPOINTS, {
      alpn: "h2",
      authority: "example.org",
      uniqueId: hex("00 ff 0a 41"),
      ssl: {
        clientCertificate: "connection",
        verified: true,
        version: "TLSv1.3",
        commonName: "Jürg\n",
        signatureAlgorithm: "RSA4",
        keyAlgorithm: "EC2",
      },
      netns: "red",
    }),
  },
  {
    name: "TLS without a certificate, that says verified",
    bytes: v2(0x21, 0x11, joined(IPV4_ADDRESSES, hex("20 0005 01 00000000"))),
    header: proxied(IPV4_ENDPOINTS, { ssl: { clientCertificate: "none", verified: false } }),
  },
  {
    name: "TLS with a certificate of the session, that was not verified",
    bytes: v2(0x21, 0x11, joined(IPV4_ADDRESSES, hex("20 0005 05 00000013"))),
    header: proxied(IPV4_ENDPOINTS, { ssl: { clientCertificate: "session", verified: false } }),
  },
  {
    name: "a certificate without TLS",
    bytes: v2(0x21, 0x11, joined(IPV4_ADDRESSES, hex("20 0005 06 00000000"))),
    header: proxied(IPV4_ENDPOINTS, { ssl: { clientCertificate: "none", verified: false } }),
  },
];
