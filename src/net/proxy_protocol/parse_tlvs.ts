import { latin1 } from "../../core/latin1.ts";
import type { ByteCursor } from "../../core/byte_cursor.ts";
import { tryAscii, tryUtf8 } from "./text.ts";
import { badProxyHeader, type ProxyTls, type ProxyTlvs, TLS_CLIENT, TLV } from "./header.ts";

/** What the end of a header of version 2 holds. */
export interface ParsedTlvs {
  /** What those say that are known. */
  readonly tlvs: ProxyTlvs;
  /** The checksum that the sender gives, and where in the header it stands; absent if it gives none. */
  readonly checksum?: { readonly value: number; readonly offset: number };
}

/** How the value of a TLV is read, and under which key. */
interface ValueReader {
  readonly key: string;
  /** @default {0} */
  readonly minBytes?: number;
  /** @default no bound */
  readonly maxBytes?: number;
  /** `undefined` for a value that can't be understood. */
  readonly read: (value: Uint8Array) => string | Uint8Array | undefined;
}

/** What has been read so far, by key; `undefined` for what is left out. */
type Fields = Map<string, unknown>;

/** The keys are those of {@linkcode ProxyTlvs}. An authority is bounded as HAProxy bounds it. */
const READERS: ReadonlyMap<number, ValueReader> = new Map([
  [TLV.alpn, { key: "alpn", minBytes: 1, maxBytes: 255, read: latin1 }],
  [TLV.authority, { key: "authority", minBytes: 1, maxBytes: 255, read: tryUtf8 }],
  [TLV.uniqueId, { key: "uniqueId", maxBytes: 128, read: copy }],
  [TLV.netns, { key: "netns", read: tryAscii }],
]);

/** The keys are those of {@linkcode ProxyTls}. */
const TLS_READERS: ReadonlyMap<number, ValueReader> = new Map([
  [TLV.sslVersion, { key: "version", read: tryAscii }],
  [TLV.sslCommonName, { key: "commonName", read: tryUtf8 }],
  [TLV.sslCipher, { key: "cipher", read: tryAscii }],
  [TLV.sslSignatureAlgorithm, { key: "signatureAlgorithm", read: tryAscii }],
  [TLV.sslKeyAlgorithm, { key: "keyAlgorithm", read: tryAscii }],
  [TLV.sslClientCertificate, { key: "clientCertificateDer", minBytes: 1, read: copy }],
]);

/**
 * Reads TLVs up to the end of the header (specification, section 2.2). Types that are not known are skipped, and so
 * are values that can't be understood: nothing here depends on them. One that is known and comes twice is left out,
 * as it is not defined which of the two counts. A length that reaches beyond the header, and two checksums, are errors.
 *
 * @throws {CulvertError} `bad_proxy_header`
 */
export function parseTlvs(cursor: ByteCursor): ParsedTlvs {
  const fields: Fields = new Map();
  let checksum: ParsedTlvs["checksum"];
  while (cursor.left > 0) {
    const type = cursor.uint(1, "a TLV's type");
    if (type === TLV.ssl) {
      note(fields, "ssl", parseTls(cursor.nested(2, "the SSL TLV")));
      continue;
    }
    const value = cursor.vector(2, describeTlv(type));
    if (type === TLV.crc32c) {
      if (checksum !== undefined) throw badProxyHeader("the checksum comes twice");
      checksum = { value: readChecksum(value), offset: cursor.offset - 4 };
    } else noteValue(fields, READERS.get(type), value);
  }
  const tlvs = told(fields) as ProxyTlvs;
  return checksum === undefined ? { tlvs } : { tlvs, checksum };
}

function parseTls(cursor: ByteCursor): ProxyTls {
  const client = cursor.uint(1, "the SSL TLV's client field");
  const verify = cursor.uint(4, "the SSL TLV's verify field");
  const clientCertificate = certificateOf(client);
  // HAProxy says "verified" (0) of a client without a certificate too.
  const verified = verify === 0 && clientCertificate !== "none";
  const fields: Fields = new Map();
  while (cursor.left > 0) {
    const type = cursor.uint(1, "a TLV's type");
    noteValue(fields, TLS_READERS.get(type), cursor.vector(2, describeTlv(type)));
  }
  return { clientCertificate, verified, ...told(fields) };
}

function noteValue(fields: Fields, reader: ValueReader | undefined, value: Uint8Array): void {
  if (reader === undefined) return;
  const { key, minBytes = 0, maxBytes = Infinity, read } = reader;
  const fits = value.length >= minBytes && value.length <= maxBytes;
  note(fields, key, fits ? read(value) : undefined);
}

function note(fields: Fields, key: string, value: unknown): void {
  fields.set(key, fields.has(key) ? undefined : value);
}

function told(fields: Fields): Record<string, unknown> {
  return Object.fromEntries([...fields].filter(([, value]) => value !== undefined));
}

function readChecksum(value: Uint8Array): number {
  if (value.length !== 4) throw badProxyHeader(`the checksum takes ${value.length} bytes, expected 4`);
  return new DataView(value.buffer, value.byteOffset).getUint32(0);
}

function certificateOf(client: number): ProxyTls["clientCertificate"] {
  if ((client & TLS_CLIENT.tls) === 0) return "none";
  if ((client & TLS_CLIENT.certificateOnConnection) !== 0) return "connection";
  return (client & TLS_CLIENT.certificateInSession) !== 0 ? "session" : "none";
}

/** The buffer will be used again. */
function copy(value: Uint8Array): Uint8Array {
  return value.slice();
}

function describeTlv(type: number): string {
  return `the TLV of type 0x${type.toString(16).padStart(2, "0")}`;
}
