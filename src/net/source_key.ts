import { formatIp, parseIp } from "./ip.ts";

/** How many leading bits of a client's address tell one source from another. */
export interface SourcePrefix {
  /** For IPv4, 1 to 32. */
  readonly ipv4: number;
  /** For IPv6, 1 to 128. */
  readonly ipv6: number;
}

/** A host has one IPv4 address and, as a rule, a whole IPv6 /64 (RFC 6177, section 2; RFC 4291, section 2.5.4). */
export const DEFAULT_SOURCE_PREFIX: SourcePrefix = { ipv4: 32, ipv6: 64 };

/**
 * The name under which connections from `ip` are counted: its network of the given prefix length. An IPv4-mapped
 * address counts as IPv4. What is no IP address, such as `unix`, is its own source.
 */
export function sourceKey(ip: string, { ipv4, ipv6 }: SourcePrefix): string {
  if (ipv4 === 32 && !ip.includes(":")) return ip;
  const parsed = parseIp(ip);
  if (parsed === undefined) return ip;
  const bits = parsed.family === 4 ? ipv4 : ipv6;
  const words = parsed.words.map((word, index) => mask(word, bits - 32 * index));
  return formatIp({ family: parsed.family, words });
}

/** The first `bits` bits of a word of 32. */
function mask(word: number, bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? word : (word & (-1 << (32 - bits))) >>> 0;
}
