import { formatProxyV1 } from "../net/proxy_protocol/format_v1.ts";
import { formatProxyV2 } from "../net/proxy_protocol/format_v2.ts";
import type { ProxyEnds } from "../net/proxy_protocol/endpoints.ts";
import { type ProxyTls, type ProxyTlv, TLV } from "../net/proxy_protocol/header.ts";
import { tryAscii } from "../net/proxy_protocol/text.ts";
import { DEFAULT_PROXY_TLVS, type ProxySending, type ProxyTlvName } from "./proxy_sending.ts";

/** What backends are told of a client, with a PROXY header. */
export interface ProxyHeaderInfo extends ProxyEnds {
  /** What this program calls the connection, at most 128 characters of ASCII. */
  readonly uniqueId?: string;
  /** What its TLS says of it; absent: it did not come over TLS that ends here. */
  readonly tls?: ProxyTls | undefined;
  /** The name that it asked for. */
  readonly authority?: string | undefined;
  /** The protocol that was agreed on with it, a character for each byte. */
  readonly alpn?: string | undefined;
  /** The TLVs of the PROXY header that it came with. */
  readonly tlvs?: readonly ProxyTlv[] | undefined;
}

/** A PROXY header for the backends of one client. */
export interface ClientHeader {
  readonly bytes: Uint8Array;
  /** What it calls the connection, as text; absent: nothing. */
  readonly uniqueId?: string | undefined;
}

/**
 * Writes the PROXY header that tells backends of a client.
 *
 * A TLV that the client came with is passed on unless one of that type is told of the connection as it is here; of
 * unique ids it is the other way round, as they are there to find the same connection in several logs.
 *
 * @throws {CulvertError} `bad_proxy_header` if there is more to tell than a header can hold.
 */
export function clientHeader(sending: ProxySending, client: ProxyHeaderInfo): ClientHeader {
  const { uniqueId: ownId, tls, authority, alpn, tlvs: came = [], ...ends } = client;
  if (sending.version === "v1") return { bytes: formatProxyV1(ends) };
  const told = new Set(sending.tlvs ?? DEFAULT_PROXY_TLVS);
  const forwarded = came.filter(({ type }) => isForwarded(type, sending.forwardTlvs));
  const cameId = forwarded.find(({ type }) => type === TLV.uniqueId)?.value;
  const uniqueId = cameId === undefined && told.has("unique-id") ? ownId : undefined;
  const ssl = tls && tellsTls(told) ? { ssl: chosen(tls, told) } : {};
  const tlvs = {
    ...(alpn === undefined || !told.has("alpn") ? {} : { alpn }),
    ...(uniqueId === undefined ? {} : { uniqueId: new TextEncoder().encode(uniqueId) }),
    ...ssl,
    ...(authority === undefined || !told.has("authority") ? {} : { authority }),
  };
  const own = new Set(Object.keys(tlvs).map((key) => TLV[key as keyof typeof tlvs]));
  const more = forwarded.filter(({ type }) => !own.has(type as typeof TLV.alpn));
  const bytes = formatProxyV2({ ...ends, tlvs, more, crc32c: told.has("crc32c") });
  return { bytes, uniqueId: cameId === undefined ? uniqueId : showId(cameId) };
}

function isForwarded(type: number, forward: ProxySending["forwardTlvs"] = false): boolean {
  return typeof forward === "boolean" ? forward : forward.includes(type);
}

/** As in HAProxy, what is inside of the SSL TLV asks for that. */
function tellsTls(told: ReadonlySet<ProxyTlvName>): boolean {
  return INSIDE_SSL.some(([name]) => told.has(name)) || told.has("ssl");
}

const INSIDE_SSL = [
  ["cert-cn", "commonName"],
  ["ssl-cipher", "cipher"],
  ["cert-sig", "signatureAlgorithm"],
  ["cert-key", "keyAlgorithm"],
  ["client-cert", "clientCertificateDer"],
] as const;

function chosen(tls: ProxyTls, told: ReadonlySet<ProxyTlvName>): ProxyTls {
  const left: { -readonly [Key in keyof ProxyTls]: ProxyTls[Key] } = { ...tls };
  for (const [name, key] of INSIDE_SSL) if (!told.has(name)) delete left[key];
  return left;
}

function showId(id: Uint8Array): string {
  return tryAscii(id) ?? id.toHex();
}
