/** The TLVs that can be told of a client, by the names of HAProxy's `proxy-v2-options` where that has one. */
export const PROXY_TLVS = [
  "alpn",
  "authority",
  "crc32c",
  "unique-id",
  "ssl",
  "cert-cn",
  "ssl-cipher",
  "cert-sig",
  "cert-key",
  "client-cert",
] as const;

/**
 * A TLV that can be told of a client, or a part of the SSL TLV, which then is told as well:
 *
 * | name | what it tells |
 * | --- | --- |
 * | `alpn` | the protocol that was agreed on with the client, where its TLS ends here |
 * | `authority` | the name that the client asked for by TLS |
 * | `crc32c` | a checksum of the header |
 * | `unique-id` | what the log calls the connection |
 * | `ssl` | whether the client's TLS ends here, its version, and whether a certificate was verified |
 * | `cert-cn` | the common name of the client's certificate |
 * | `ssl-cipher` | the cipher, by OpenSSL's name |
 * | `cert-sig`, `cert-key` | the signature algorithm and the key of our own certificate, such as `RSA-SHA256`, `EC256` |
 * | `client-cert` | the client's certificate, DER |
 */
export type ProxyTlvName = typeof PROXY_TLVS[number];

/** What is told where nothing else is said. */
export const DEFAULT_PROXY_TLVS: readonly ProxyTlvName[] = [
  "alpn",
  "authority",
  "unique-id",
  "ssl",
  "cert-cn",
  "ssl-cipher",
];

/** The PROXY header that tells backends who the client is. */
export interface ProxySending {
  /** 1: a line of text with addresses; 2: the binary one, with TLVs. */
  readonly version: "v1" | "v2";
  /** What version 2 tells besides addresses. @default {DEFAULT_PROXY_TLVS} */
  readonly tlvs?: readonly ProxyTlvName[];
  /**
   * Which TLVs of the header that the client came with are passed on in version 2: all, or those of these types (0 to
   * 255). One of a type that is told of the client already is not; the unique id that came takes the place of ours.
   * Checksum and padding are never passed on. @default {false}
   */
  readonly forwardTlvs?: boolean | readonly number[];
}

/** {@linkcode ProxySending}, or its version alone, or none. */
export type ProxyProtocolOption = "none" | "v1" | "v2" | ProxySending;

/** What an option asks for; `undefined`: no header. */
export function proxySending(option: ProxyProtocolOption): ProxySending | undefined {
  if (typeof option === "object") return option;
  return option === "none" ? undefined : { version: option };
}
