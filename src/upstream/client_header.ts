import { formatProxyV1 } from "../net/proxy_protocol/format_v1.ts";
import { formatProxyV2 } from "../net/proxy_protocol/format_v2.ts";
import type { ProxyEnds } from "../net/proxy_protocol/endpoints.ts";
import { type ProxyTls, type ProxyTlv, TLV } from "../net/proxy_protocol/header.ts";
import { tryAscii } from "../net/proxy_protocol/text.ts";
import { DEFAULT_PROXY_TLVS, type ProxySending, type ProxyTlvName } from "./proxy_sending.ts";

/** What a PROXY header tells backends about a client. */
export interface ProxyHeaderInfo extends ProxyEnds {
  /** The id of the connection in this program, at most 128 ASCII characters. */
  readonly uniqueId?: string;
  /** Its TLS; absent: none is terminated here. */
  readonly tls?: ProxyTls | undefined;
  /** The server name (SNI) that it requested. */
  readonly authority?: string | undefined;
  /** The protocol that was negotiated by ALPN, a character for each byte. */
  readonly alpn?: string | undefined;
  /** The TLVs of the PROXY header that was received. */
  readonly tlvs?: readonly ProxyTlv[] | undefined;
}

/** A PROXY header for the backends of one client. */
export interface ClientHeader {
  readonly bytes: Uint8Array;
  /** The unique id in the header, as text; absent: it has none. */
  readonly uniqueId?: string | undefined;
}

/**
 * Formats the PROXY header for one client.
 *
 * A TLV of the received header is forwarded unless a TLV of that type is sent for the connection itself. A received unique
 * id takes precedence, however, as it identifies the connection in the logs of several proxies.
 *
 * @throws {CulvertError} `bad_proxy_header` if the header would be too large.
 */
export function clientHeader(sending: ProxySending, client: ProxyHeaderInfo): ClientHeader {
  const { uniqueId: ownId, tls, authority, alpn, tlvs: received = [], ...ends } = client;
  if (sending.version === "v1") return { bytes: formatProxyV1(ends) };
  const sent = new Set(sending.tlvs ?? DEFAULT_PROXY_TLVS);
  const { forwardTlvs = false } = sending;
  const forwarded = received.filter(({ type }) =>
    typeof forwardTlvs === "boolean" ? forwardTlvs : forwardTlvs.includes(type)
  );
  const receivedId = forwarded.find(({ type }) => type === TLV.uniqueId)?.value;
  const uniqueId = receivedId === undefined && sent.has("unique-id") ? ownId : undefined;
  // As in HAProxy, a part of the SSL TLV implies it.
  const sendsTls = sent.has("ssl") || INSIDE_SSL.some(([name]) => sent.has(name));
  const ssl = tls && sendsTls ? { ssl: selectTls(tls, sent) } : {};
  const tlvs = {
    ...(alpn === undefined || !sent.has("alpn") ? {} : { alpn }),
    ...(uniqueId === undefined ? {} : { uniqueId: new TextEncoder().encode(uniqueId) }),
    ...ssl,
    ...(authority === undefined || !sent.has("authority") ? {} : { authority }),
  };
  const own = new Set(Object.keys(tlvs).map((key) => TLV[key as keyof typeof tlvs]));
  const more = forwarded.filter(({ type }) => !own.has(type as typeof TLV.alpn));
  const bytes = formatProxyV2({ ...ends, tlvs, more, crc32c: sent.has("crc32c") });
  return {
    bytes,
    uniqueId: receivedId === undefined ? uniqueId : tryAscii(receivedId) ?? receivedId.toHex(),
  };
}

const INSIDE_SSL = [
  ["cert-cn", "commonName"],
  ["ssl-cipher", "cipher"],
  ["cert-sig", "signatureAlgorithm"],
  ["cert-key", "keyAlgorithm"],
  ["client-cert", "clientCertificateDer"],
] as const;

function selectTls(tls: ProxyTls, sent: ReadonlySet<ProxyTlvName>): ProxyTls {
  const left: { -readonly [Key in keyof ProxyTls]: ProxyTls[Key] } = { ...tls };
  for (const [name, key] of INSIDE_SSL) if (!sent.has(name)) delete left[key];
  return left;
}
