import { formatIp, parseIp } from "../../net/ip.ts";
import type { PeerIdentity } from "../x509/identity.ts";

/**
 * Whether a certificate is good for a host, RFC 6125 section 6.4: one of its alternative names is the
 * address, or the DNS name, in which a wildcard stands for exactly the first label. The common name is not
 * looked at.
 */
export function isGoodForHost(identity: PeerIdentity, host: string): boolean {
  const ip = parseIp(host);
  if (ip !== undefined) return identity.ips.includes(formatIp(ip));
  const name = host.toLowerCase().replace(/\.$/, "");
  if (identity.dnsNames.includes(name)) return true;
  const dot = name.indexOf(".");
  // A wildcard for a whole public domain (`*.org`) is not accepted.
  return dot > 0 && name.indexOf(".", dot + 1) > 0 && identity.dnsNames.includes(`*${name.slice(dot)}`);
}
