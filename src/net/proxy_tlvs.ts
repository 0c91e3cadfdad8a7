import type { ByteCursor } from "./byte_cursor.ts";
import { decodeAscii, decodeUtf8 } from "./proxy_text.ts";
import { badProxyHeader, type ProxyTls, type ProxyTlvs, TLS_CLIENT, TLV } from "./proxy_header.ts";

/** What the end of a header of version 2 holds. */
export interface ParsedTlvs {
  /** What those say that are known. */
  readonly tlvs: ProxyTlvs;
  /** The checksum that the sender gives, and where in the header it stands; absent if it gives none. */
  readonly checksum?: { readonly value: number; readonly offset: number };
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A name in a domain, and the longest that HAProxy takes. */
const MAX_AUTHORITY_BYTES = 255;
const MAX_ALPN_BYTES = 255;
const MAX_UNIQUE_ID_BYTES = 128;

/**
 * Reads TLVs up to the end of the header (specification, section 2.2). Types that are not known are skipped;
 * one that is known may come only once, as which of two counts would be anybody's guess.
 *
 * @throws {CulvertError} `bad_proxy_header`
 */
export function parseTlvs(cursor: ByteCursor): ParsedTlvs {
  const tlvs: Mutable<ProxyTlvs> = {};
  const seen = new Set<number>();
  let checksum: ParsedTlvs["checksum"];
  while (cursor.left > 0) {
    const type = cursor.uint(1, "a TLV's type");
    if (type === TLV.ssl) {
      once(seen, type);
      tlvs.ssl = parseTls(cursor.nested(2, "the SSL TLV"));
      continue;
    }
    const value = cursor.vector(2, describeTlv(type));
    if (type === TLV.crc32c) {
      expectLength(value, { what: "the checksum", min: 4, max: 4 });
      const view = new DataView(value.buffer, value.byteOffset);
      checksum = { value: view.getUint32(0), offset: cursor.offset - 4 };
    } else if (!readText(tlvs, type, value)) continue;
    once(seen, type);
  }
  return checksum === undefined ? { tlvs } : { tlvs, checksum };
}

/** Returns whether the type is one of those that are known. */
function readText(tlvs: Mutable<ProxyTlvs>, type: number, value: Uint8Array): boolean {
  switch (type) {
    case TLV.alpn:
      expectLength(value, { what: "the ALPN", min: 1, max: MAX_ALPN_BYTES });
      tlvs.alpn = String.fromCharCode(...value);
      return true;
    case TLV.authority:
      expectLength(value, { what: "the authority", min: 1, max: MAX_AUTHORITY_BYTES });
      tlvs.authority = decodeUtf8(value, "the authority");
      return true;
    case TLV.uniqueId:
      expectLength(value, { what: "the unique id", min: 0, max: MAX_UNIQUE_ID_BYTES });
      tlvs.uniqueId = value.slice(); // The buffer will be used again.
      return true;
    case TLV.netns:
      tlvs.netns = decodeAscii(value, "the network namespace");
      return true;
    default:
      return false;
  }
}

function parseTls(cursor: ByteCursor): ProxyTls {
  const client = cursor.uint(1, "the SSL TLV's client field");
  const verify = cursor.uint(4, "the SSL TLV's verify field");
  const clientCertificate = certificateOf(client);
  // HAProxy says "verified" (0) of a client without a certificate too.
  const verified = verify === 0 && clientCertificate !== "none";
  const tls: Mutable<ProxyTls> = { clientCertificate, verified };
  const seen = new Set<number>();
  while (cursor.left > 0) {
    const type = cursor.uint(1, "a TLV's type");
    const value = cursor.vector(2, describeTlv(type));
    if (readTlsText(tls, type, value)) once(seen, type);
  }
  return tls;
}

function readTlsText(tls: Mutable<ProxyTls>, type: number, value: Uint8Array): boolean {
  switch (type) {
    case TLV.sslVersion:
      tls.version = decodeAscii(value, "the TLS version");
      return true;
    case TLV.sslCommonName:
      tls.commonName = decodeUtf8(value, "the common name");
      return true;
    case TLV.sslCipher:
      tls.cipher = decodeAscii(value, "the cipher");
      return true;
    case TLV.sslSignatureAlgorithm:
      tls.signatureAlgorithm = decodeAscii(value, "the signature algorithm");
      return true;
    case TLV.sslKeyAlgorithm:
      tls.keyAlgorithm = decodeAscii(value, "the key algorithm");
      return true;
    default:
      return false;
  }
}

function certificateOf(client: number): ProxyTls["clientCertificate"] {
  if ((client & TLS_CLIENT.tls) === 0) return "none";
  if ((client & TLS_CLIENT.certificateOnConnection) !== 0) return "connection";
  return (client & TLS_CLIENT.certificateInSession) !== 0 ? "session" : "none";
}

function once(seen: Set<number>, type: number): void {
  if (seen.has(type)) throw badProxyHeader(`${describeTlv(type)} comes twice`);
  seen.add(type);
}

function expectLength(
  value: Uint8Array,
  { what, min, max }: { what: string; min: number; max: number },
): void {
  if (value.length >= min && value.length <= max) return;
  const expected = min === max ? `${min}` : `${min} to ${max}`;
  throw badProxyHeader(`${what} takes ${value.length} bytes, expected ${expected}`);
}

function describeTlv(type: number): string {
  return `the TLV of type 0x${type.toString(16).padStart(2, "0")}`;
}
