/**
 * A literal IP address. An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) is the IPv4 address that it stands for.
 */
export interface Ip {
  readonly family: 4 | 6;
  /** Its bits as whole numbers of 32, the highest first: one for IPv4, four for IPv6. */
  readonly words: readonly number[];
}

const ZERO = 48;
const DOT = 46;

/**
 * Reads a literal IP address, strictly: four decimal parts without leading zeros, which some programs take for
 * octal; IPv6 as in RFC 4291, with at most one `::` and perhaps IPv4 at the end. No zone, no port, no brackets.
 *
 * @returns The address, or `undefined` when the text is none.
 */
export function parseIp(text: string): Ip | undefined {
  const ipv4 = parseIpv4(text);
  if (ipv4 !== -1) return { family: 4, words: [ipv4] };
  const words = parseIpv6(text);
  return words === undefined ? undefined : ipOfWords(words);
}

/**
 * Reads an IPv4 address as {@linkcode parseIp} does, without allocating.
 *
 * @returns Its 32 bits as a whole number, or -1 when the text is none.
 */
export function parseIpv4(text: string): number {
  if (text.length < 7 || text.length > 15) return -1;
  let bits = 0;
  let parts = 1;
  let part = -1; // no digit yet
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (part === -1 || parts === 4) return -1;
      bits = bits * 256 + part;
      parts++;
      part = -1;
      continue;
    }
    const digit = code - ZERO;
    if (digit < 0 || digit > 9 || part === 0) return -1;
    part = part === -1 ? digit : part * 10 + digit;
    if (part > 255) return -1;
  }
  return part === -1 || parts !== 4 ? -1 : bits * 256 + part;
}

/**
 * Reads an IPv6 address as {@linkcode parseIp} does, but leaves an IPv4-mapped one as it stands.
 *
 * @returns Its bits as four whole numbers of 32, or `undefined` when the text is none.
 */
export function parseIpv6(text: string): number[] | undefined {
  // The longest is six groups of four and an IPv4 address; without a bound a long text would cost in vain.
  if (text.length < 2 || text.length > 45) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const groups = parseGroups(halves[0]!, halves.length === 1);
  if (groups === undefined) return undefined;
  if (halves.length === 2) {
    const tail = parseGroups(halves[1]!, true);
    // `::` stands for at least one group.
    if (tail === undefined || groups.length + tail.length > 7) return undefined;
    while (groups.length + tail.length < 8) groups.push(0);
    groups.push(...tail);
  }
  if (groups.length !== 8) return undefined;
  return [0, 2, 4, 6].map((i) => groups[i]! * 0x1_0000 + groups[i + 1]!);
}

/** Whether these bits are those of an IPv4-mapped IPv6 address, `::ffff:0:0/96`. */
export function isMapped(words: readonly number[]): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
}

/** The address of these bits, one whole number of 32 or four; of an IPv4-mapped one the IPv4 address. */
export function ipOfWords(words: readonly number[]): Ip {
  if (words.length === 1) return { family: 4, words };
  return isMapped(words) ? { family: 4, words: words.slice(3) } : { family: 6, words };
}

/** Writes an address as text, IPv6 in the form of RFC 5952: lower case, the longest run of zeros as `::`. */
export function formatIp(ip: Ip): string {
  if (ip.family === 4) {
    const bits = ip.words[0]!;
    return [bits >>> 24, (bits >>> 16) & 255, (bits >>> 8) & 255, bits & 255].join(".");
  }
  const groups = ip.words.flatMap((word) => [word >>> 16, word & 0xffff]);
  const [start, length] = longestZeros(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/** Reads one side of `::`. Only at the very end of the address (`last`) may IPv4 stand for two groups. */
function parseGroups(text: string, last: boolean): number[] | undefined {
  const groups: number[] = [];
  if (text === "") return groups;
  const parts = text.split(":");
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(parseInt(part, 16));
      continue;
    }
    const ipv4 = last && i === parts.length - 1 ? parseIpv4(part) : -1;
    if (ipv4 === -1) return undefined;
    groups.push(ipv4 >>> 16, ipv4 & 0xffff);
  }
  return groups;
}

/** Where the first of the longest runs of zeros starts, and how long it is. */
function longestZeros(groups: readonly number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  let start = 0;
  for (let i = 0; i < groups.length; i++) {
    if (groups[i] !== 0) start = i + 1;
    else if (i + 1 - start > best[1]) best = [start, i + 1 - start];
  }
  return best;
}
