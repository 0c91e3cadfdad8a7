import { CulvertError } from "../../core/errors.ts";
import type { ClientAddress } from "../client_address.ts";

/** One end of a connection as a PROXY header names it. An IPv4-mapped IPv6 address is given as IPv4. */
export interface ProxyAddress extends ClientAddress {
  /**
   * Where `ip` is `"unix"`: the path of the socket, `@name` for one in the abstract namespace, `""` (or
   * absent) for a socket without a name, as those of clients are.
   */
  readonly path?: string;
}

/** Both ends of a connection. */
export interface ProxyEndpoints {
  /** The address of the client. */
  readonly source: ProxyAddress;
  /** Where to. */
  readonly destination: ProxyAddress;
}

/** What a PROXY header tells of the client's TLS connection (`PP2_TYPE_SSL`). */
export interface ProxyTls {
  /**
   * The client's certificate came over this connection, over an earlier one of the same session, or not at
   * all.
   */
  readonly clientCertificate: "connection" | "session" | "none";
  /** Whether there is a client's certificate that the sender has verified. */
  readonly verified: boolean;
  /** As the sender calls it, such as `TLSv1.3`. */
  readonly version?: string;
  /** The common name of the client's certificate. */
  readonly commonName?: string;
  /** Such as `TLS_AES_256_GCM_SHA384`. */
  readonly cipher?: string;
  /** What the sender's own certificate is signed with, such as `RSA-SHA256`. */
  readonly signatureAlgorithm?: string;
  /** The key of the sender's own certificate, such as `RSA2048`. */
  readonly keyAlgorithm?: string;
  /** The client's certificate, DER. */
  readonly clientCertificateDer?: Uint8Array;
}

/** A TLV of a header of version 2 as it is on the wire. */
export interface ProxyTlv {
  /** 0 to 255. */
  readonly type: number;
  /** At most 65,535 bytes. */
  readonly value: Uint8Array;
}

/**
 * What a header of version 2 tells besides the addresses. Whatever it does not tell is absent, and so is what can't be
 * understood: text that is not UTF-8, a value of a wrong length, one that comes twice.
 */
export interface ProxyTlvs {
  /** The application protocol, a character for each byte. */
  readonly alpn?: string;
  /** The name that the client asked for, such as the one in its ClientHello. */
  readonly authority?: string;
  /** What the sender calls the connection, at most 128 bytes. */
  readonly uniqueId?: Uint8Array;
  /** Absent: the client did not come over TLS, or the sender does not tell. */
  readonly ssl?: ProxyTls;
  /** The sender's network namespace. */
  readonly netns?: string;
}

/** A PROXY header that has been read. */
export interface ProxyHeader {
  /** 1: a line of text; 2: the binary one. */
  readonly version: 1 | 2;
  /**
   * - `proxy`: the sender relays a connection between `endpoints`.
   * - `local`: the connection is the sender's own, a health check perhaps.
   * - `unknown`: the sender carries a connection whose ends it can't name.
   */
  readonly kind: "proxy" | "local" | "unknown";
  /** Absent for `local` and `unknown`: then the ends of the connection itself count. */
  readonly endpoints?: ProxyEndpoints;
  /** Empty for version 1, and for `local` and `unknown`. */
  readonly tlvs: ProxyTlvs;
}

/** What the first bytes of a connection are. */
export type ProxyParse =
  /** There must be `atLeast` bytes in all before it is worth while to look again. */
  | { readonly kind: "incomplete"; readonly atLeast: number }
  /** The header takes the first `length` bytes. */
  | { readonly kind: "header"; readonly header: ProxyHeader; readonly length: number };

/** The longest header of version 1, with its line break. */
export const MAX_PROXY_V1_BYTES = 107;

/**
 * The longest header of version 2 that is read here: 16 bytes, and 32 KiB of addresses and TLVs, which is room for a
 * certificate as large as TLS peers may send here (16 KiB).
 */
export const MAX_PROXY_V2_BYTES = 16 + 32_768;

/** The longest header of version 2 that can be written: its length has two bytes. */
export const MAX_WRITTEN_V2_BYTES = 16 + 65_535;

/** Types of TLVs, and of those inside of `ssl` (specification, section 2.2). */
export const TLV = {
  alpn: 0x01,
  authority: 0x02,
  crc32c: 0x03,
  noop: 0x04,
  uniqueId: 0x05,
  ssl: 0x20,
  sslVersion: 0x21,
  sslCommonName: 0x22,
  sslCipher: 0x23,
  sslSignatureAlgorithm: 0x24,
  sslKeyAlgorithm: 0x25,
  sslClientCertificate: 0x28,
  netns: 0x30,
} as const;

/** Bits of the first byte of the `ssl` TLV. */
export const TLS_CLIENT = { tls: 0x01, certificateOnConnection: 0x02, certificateInSession: 0x04 } as const;

/** The first twelve bytes of version 2. */
export const PROXY_V2_SIGNATURE: readonly number[] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10];

/** The error for a header that can't be read. */
export function badProxyHeader(reason: string): CulvertError {
  return new CulvertError("bad_proxy_header", `Cannot read the PROXY header: ${reason}`);
}
