import { CulvertError } from "../core/errors.ts";
import { formatIp, ipOfWords, isMapped, parseIpv4, parseIpv6 } from "./ip.ts";

/** A set of IP addresses and subnets, of both families. Immutable. */
export interface AddressSet {
  /** Whether the set covers `ip`, a literal IPv4 or IPv6 address. An IPv4-mapped one counts as IPv4. */
  has(ip: string): boolean;
}

/** A subnet by its first and its last address. */
interface Range {
  readonly family: 4 | 6;
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/**
 * Makes a set of literal addresses (`10.0.0.1`, `2001:db8::1`) and subnets (`10.0.0.0/8`, `2001:db8::/32`).
 * They may repeat and overlap; a set of none covers nothing.
 *
 * IPv4-mapped IPv6 is IPv4, in entries and in queries: `::ffff:10.0.0.0/104` is `10.0.0.0/8`. For the rest the
 * families are apart: `::/0` covers no IPv4 address. A query's zone (`fe80::1%eth0`) is ignored; an entry may
 * have none. What is no address at all, such as the path of a unix socket, is in no set.
 *
 * A query takes O(log(entries)).
 *
 * @throws {CulvertError} `bad_address_set`, naming the entry. Also where a subnet has bits set behind its
 * prefix (`10.0.0.1/8`): whether the one address or the whole subnet was meant is not ours to guess.
 */
export function parseAddressSet(entries: readonly string[]): AddressSet {
  const ranges = entries.map(parseEntry);
  const ipv4 = new RangeTable(ranges.filter((range) => range.family === 4), 1);
  const ipv6 = new RangeTable(ranges.filter((range) => range.family === 6), 4);
  return {
    has(ip) {
      const bits = parseIpv4(ip);
      if (bits !== -1) return ipv4.has([bits]);
      const zone = ip.indexOf("%");
      const words = parseIpv6(zone === -1 ? ip : ip.slice(0, zone));
      if (words === undefined) return false;
      return isMapped(words) ? ipv4.has([words[3]!]) : ipv6.has(words);
    },
  };
}

/** Ranges of addresses of one family, sorted for binary search, each address as `width` whole numbers in a row. */
class RangeTable {
  readonly #width: number;
  readonly #size: number;
  readonly #lows: Uint32Array;
  readonly #highs: Uint32Array;

  constructor(ranges: readonly Range[], width: number) {
    const outer = dropInner(ranges);
    this.#width = width;
    this.#size = outer.length;
    this.#lows = Uint32Array.from(outer.flatMap((range) => range.low));
    this.#highs = Uint32Array.from(outer.flatMap((range) => range.high));
  }

  has(words: readonly number[]): boolean {
    // How many ranges start at or before the address: only the last of these can cover it.
    let before = 0;
    let end = this.#size;
    while (before < end) {
      const middle = (before + end) >>> 1;
      if (this.#compare(this.#lows, middle, words) <= 0) before = middle + 1;
      else end = middle;
    }
    return before > 0 && this.#compare(this.#highs, before - 1, words) >= 0;
  }

  #compare(table: Uint32Array, index: number, words: readonly number[]): number {
    const start = index * this.#width;
    for (let i = 0; i < this.#width; i++) {
      const difference = table[start + i]! - words[i]!;
      if (difference !== 0) return difference;
    }
    return 0;
  }
}

/** Sorts subnets and drops those inside others. Two subnets never overlap in any other way. */
function dropInner(ranges: readonly Range[]): Range[] {
  const sorted = ranges.toSorted((a, b) => compareWords(a.low, b.low) || compareWords(b.high, a.high));
  const outer: Range[] = [];
  for (const range of sorted) {
    const last = outer.at(-1);
    if (last === undefined || compareWords(range.high, last.high) > 0) outer.push(range);
  }
  return outer;
}

function compareWords(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((word, i) => word !== b[i]);
  return at === -1 ? 0 : a[at]! - b[at]!;
}

function parseEntry(entry: string): Range {
  const [, text, prefixText] = /^([^/]*)(?:\/(0|[1-9]\d{0,2}))?$/.exec(entry) ?? [];
  if (text === undefined) throw badEntry(entry, "expected an IP address or a subnet");
  const ipv4 = parseIpv4(text);
  const words = ipv4 === -1 ? parseIpv6(text) : [ipv4];
  if (words === undefined) throw badEntry(entry, "expected an IP address or a subnet");

  const bits = words.length * 32;
  const prefix = prefixText === undefined ? bits : Number(prefixText);
  if (prefix > bits) throw badEntry(entry, `the prefix is longer than ${bits} bits`);
  const low = words.map((word, i) => (word & mask(prefix, i)) >>> 0);
  if (compareWords(low, words) !== 0) {
    throw badEntry(entry, `bits are set behind its prefix; did you mean "${formatSubnet(low, prefix)}"?`);
  }
  const high = words.map((word, i) => (word | ~mask(prefix, i)) >>> 0);
  // A prefix shorter than the mapped part's would have failed above: that part has bits set.
  if (ipv4 === -1 && isMapped(words)) return { family: 4, low: low.slice(3), high: high.slice(3) };
  return { family: ipv4 === -1 ? 6 : 4, low, high };
}

/** The mask of the `index`-th 32 bits of an address, for a prefix of that many bits in all. */
function mask(prefix: number, index: number): number {
  const bits = Math.min(32, Math.max(0, prefix - index * 32));
  // A shift by 32 would shift by 0.
  return bits === 0 ? 0 : -1 << (32 - bits);
}

function formatSubnet(words: readonly number[], prefix: number): string {
  const ip = ipOfWords(words);
  return `${formatIp(ip)}/${words.length === 4 && ip.family === 4 ? prefix - 96 : prefix}`;
}

function badEntry(entry: string, reason: string): CulvertError {
  return new CulvertError("bad_address_set", `Cannot read "${entry}" in a set of addresses: ${reason}`);
}
