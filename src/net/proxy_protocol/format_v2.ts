import { concat } from "@std/bytes/concat";
import { CulvertError } from "../../core/errors.ts";
import { crc32c } from "./crc32c.ts";
import { type ProxyEnds, type WireEnds, wireEnds, type WireIp } from "./endpoints.ts";
import {
  MAX_WRITTEN_V2_BYTES,
  PROXY_V2_SIGNATURE,
  type ProxyTls,
  type ProxyTlv,
  type ProxyTlvs,
  TLS_CLIENT,
  TLV,
} from "./header.ts";

/** What to write into a PROXY header of version 2. */
export interface ProxyV2Options extends ProxyEnds {
  /** What to tell besides. @default nothing */
  readonly tlvs?: ProxyTlvs;
  /** TLVs of any type, written as they are, behind those of `tlvs`. @default none */
  readonly more?: readonly ProxyTlv[];
  /** Whether to add a checksum. @default {false} */
  readonly crc32c?: boolean;
}

const HEAD_BYTES = 16;
const UNIX_PATH_BYTES = 108;
const MAX_TLV_BYTES = 65_535;
const VERSION = 0x20;
const COMMAND_PROXY = 0x01;
const STREAM = 0x01;
/** What OpenSSL calls an unspecified error of verification; all that matters is that it is not 0. */
const NOT_VERIFIED = 1;

/**
 * Writes a PROXY header of version 2. Ends of two families are both written as IPv6, IPv4-mapped where need
 * be. Ends that can't be named make it `LOCAL`, which every receiver accepts, and which has no TLVs.
 *
 * Receivers bound what they take: HAProxy by its buffer (16 KiB), nginx by 4 KiB, {@linkcode readProxyHeader} by
 * 32 KiB. Only a certificate, or `more`, makes a header as large as that.
 *
 * @throws {CulvertError} `bad_proxy_header` where something does not fit: a path of more than 108 bytes, an
 * ALPN or authority of none or more than 255, a unique id of more than 128, or more than 65,535 in all.
 */
export function formatProxyV2(options: ProxyV2Options): Uint8Array {
  const ends = wireEnds(options);
  if (ends === undefined) return Uint8Array.of(...PROXY_V2_SIGNATURE, VERSION, 0, 0, 0);
  const body = [...formatEnds(ends), ...formatTlvs(options.tlvs ?? {})];
  for (const { type, value } of options.more ?? []) body.push(formatTlv(type, value));
  if (options.crc32c === true) body.push(formatTlv(TLV.crc32c, new Uint8Array(4)));
  const bodyBytes = body.reduce((sum, part) => sum + part.length, 0);
  if (HEAD_BYTES + bodyBytes > MAX_WRITTEN_V2_BYTES) {
    throw tooLong("it", { bytes: HEAD_BYTES + bodyBytes, max: MAX_WRITTEN_V2_BYTES });
  }
  const family = ends.kind === "unix" ? 3 : ends.family === 4 ? 1 : 2;
  const head = [...PROXY_V2_SIGNATURE, VERSION | COMMAND_PROXY, family << 4 | STREAM];
  const header = concat([Uint8Array.from(head), uint(bodyBytes, 2), ...body]);
  // The checksum's TLV is the last one, with zeros in it so far.
  if (options.crc32c === true) header.set(uint(crc32c(header), 4), header.length - 4);
  return header;
}

function formatEnds(ends: WireEnds): Uint8Array[] {
  if (ends.kind === "unix") return [formatPath(ends.source), formatPath(ends.destination)];
  const { source, destination } = ends;
  return [formatIp(source), formatIp(destination), uint(source.port, 2), uint(destination.port, 2)];
}

function formatIp({ ip }: WireIp): Uint8Array {
  return concat(ip.words.map((word) => uint(word, 4)));
}

function formatPath(path: string): Uint8Array {
  const bytes = new TextEncoder().encode(path.startsWith("@") ? `\0${path.slice(1)}` : path);
  checkLength(bytes, { what: "a path", max: UNIX_PATH_BYTES });
  const field = new Uint8Array(UNIX_PATH_BYTES);
  field.set(bytes);
  return field;
}

function formatTlvs({ alpn, authority, uniqueId, ssl, netns }: ProxyTlvs): Uint8Array[] {
  const parts: Uint8Array[] = [];
  if (alpn !== undefined) {
    const bytes = Uint8Array.from(alpn, (char) => char.charCodeAt(0));
    parts.push(formatTlv(TLV.alpn, checkLength(bytes, { what: "the ALPN", min: 1, max: 255 })));
  }
  if (authority !== undefined) {
    const bytes = new TextEncoder().encode(authority);
    parts.push(formatTlv(TLV.authority, checkLength(bytes, { what: "the authority", min: 1, max: 255 })));
  }
  if (uniqueId !== undefined) {
    parts.push(formatTlv(TLV.uniqueId, checkLength(uniqueId, { what: "the unique id", max: 128 })));
  }
  if (ssl !== undefined) parts.push(formatTlv(TLV.ssl, formatTls(ssl)));
  if (netns !== undefined) parts.push(formatText(TLV.netns, netns));
  return parts;
}

function formatTls(tls: ProxyTls): Uint8Array {
  const { clientCertificate, verified } = tls;
  let client: number = TLS_CLIENT.tls;
  if (clientCertificate !== "none") client |= TLS_CLIENT.certificateInSession;
  if (clientCertificate === "connection") client |= TLS_CLIENT.certificateOnConnection;
  const verify = verified && clientCertificate !== "none" ? 0 : NOT_VERIFIED;
  const parts = [Uint8Array.of(client), uint(verify, 4)];
  if (tls.version !== undefined) parts.push(formatText(TLV.sslVersion, tls.version));
  if (tls.commonName !== undefined) parts.push(formatText(TLV.sslCommonName, tls.commonName));
  if (tls.cipher !== undefined) parts.push(formatText(TLV.sslCipher, tls.cipher));
  if (tls.signatureAlgorithm !== undefined) {
    parts.push(formatText(TLV.sslSignatureAlgorithm, tls.signatureAlgorithm));
  }
  if (tls.keyAlgorithm !== undefined) parts.push(formatText(TLV.sslKeyAlgorithm, tls.keyAlgorithm));
  if (tls.clientCertificateDer !== undefined) {
    parts.push(formatTlv(TLV.sslClientCertificate, tls.clientCertificateDer));
  }
  return concat(parts);
}

function formatText(type: number, text: string): Uint8Array {
  return formatTlv(type, new TextEncoder().encode(text));
}

function formatTlv(type: number, value: Uint8Array): Uint8Array {
  checkLength(value, { what: "a TLV", max: MAX_TLV_BYTES });
  return concat([Uint8Array.of(type), uint(value.length, 2), value]);
}

function checkLength(
  bytes: Uint8Array,
  { what, min = 0, max }: { what: string; min?: number; max: number },
): Uint8Array {
  if (bytes.length > max) throw tooLong(what, { bytes: bytes.length, max });
  if (bytes.length < min) throw cannotWrite(`${what} is empty`);
  return bytes;
}

function tooLong(what: string, { bytes, max }: { bytes: number; max: number }): CulvertError {
  return cannotWrite(`${what} takes ${bytes} bytes, more than ${max}`);
}

function cannotWrite(reason: string): CulvertError {
  return new CulvertError("bad_proxy_header", `Cannot write a PROXY header: ${reason}`);
}

/** A whole number in network order. */
function uint(value: number, size: 2 | 4): Uint8Array {
  const bytes = [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
  return Uint8Array.from(bytes.slice(4 - size));
}
