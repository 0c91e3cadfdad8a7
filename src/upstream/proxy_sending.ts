/** The TLVs that can be sent, with the names of HAProxy's `proxy-v2-options` where it has one. */
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
 * A TLV that can be sent, or a part of the SSL TLV, which implies that:
 *
 * | name | content |
 * | --- | --- |
 * | `alpn` | the protocol negotiated with the client, if its TLS is terminated here |
 * | `authority` | the server name that the client requested |
 * | `crc32c` | a checksum of the header |
 * | `unique-id` | the id of the connection in the log |
 * | `ssl` | whether the client's TLS is terminated here, its version, and whether a certificate was verified |
 * | `cert-cn` | the common name of the client's certificate |
 * | `ssl-cipher` | the cipher, by OpenSSL's name |
 * | `cert-sig`, `cert-key` | the signature algorithm and the key of the service's certificate, such as `RSA-SHA256`, `EC256` |
 * | `client-cert` | the client's certificate, DER |
 */
export type ProxyTlvName = typeof PROXY_TLVS[number];

/** The TLVs that are sent by default. */
export const DEFAULT_PROXY_TLVS: readonly ProxyTlvName[] = [
  "alpn",
  "authority",
  "unique-id",
  "ssl",
  "cert-cn",
  "ssl-cipher",
];

/** The PROXY header that backends are sent. */
export interface ProxySending {
  /** `v1`: a line of text with addresses; `v2`: binary, with TLVs. */
  readonly version: "v1" | "v2";
  /** The TLVs of version 2. @default {DEFAULT_PROXY_TLVS} */
  readonly tlvs?: readonly ProxyTlvName[];
  /**
   * Which TLVs of a received header are forwarded in version 2: all, or those of these types (0 to 255). A type that is
   * sent for the connection itself is not forwarded, except a unique id, which replaces our own. Checksum and padding are
   * never forwarded. @default {false}
   */
  readonly forwardTlvs?: boolean | readonly number[];
}

/** {@linkcode ProxySending}, its version alone, or none. */
export type ProxyProtocolOption = "none" | "v1" | "v2" | ProxySending;

/** The header that an option configures; `undefined`: none. */
export function proxySending(option: ProxyProtocolOption): ProxySending | undefined {
  if (typeof option === "object") return option;
  return option === "none" ? undefined : { version: option };
}
