/**
 * What each of the 256 octets may be part of: the tables that the parsers look up, once for each byte. Classes are
 * small numbers, 0 stands for "not allowed here".
 */

/** The octet is ordinary at its place. */
export const PLAIN = 1;

/** Tab, the only control character that may stand in a message. */
export const TAB = 0x09;
/** Line feed. */
export const LF = 0x0a;
/** Carriage return. */
export const CR = 0x0d;
/** Space. */
export const SP = 0x20;
/** `%` */
export const PERCENT = 0x25;
/** `,` */
export const COMMA = 0x2c;
/** `.` */
export const DOT = 0x2e;
/** `/` */
export const SLASH = 0x2f;
/** `:` */
export const COLON = 0x3a;
/** `;` */
export const SEMICOLON = 0x3b;
/** `?` */
export const QUESTION = 0x3f;
/** `_` */
export const UNDERSCORE = 0x5f;

const ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

function table(octets: string, kind = PLAIN, base: Uint8Array = new Uint8Array(256)): Uint8Array {
  for (const char of octets) base[char.charCodeAt(0)] = kind;
  return base;
}

/** `unreserved`, RFC 3986 section 2.3. */
export const UNRESERVED = table(`${ALPHANUMERIC}-._~`);

/** `tchar`, RFC 9110 section 5.6.2. */
export const TOKEN = table(`${ALPHANUMERIC}!#$%&'*+-.^_\`|~`);

/** An underscore in a field's name: allowed, and worth a closer look. */
export const LOW_LINE = 2;
/** As {@linkcode TOKEN}, with {@linkcode LOW_LINE} for the underscore. */
export const NAME = table("_", LOW_LINE, TOKEN.slice());

/** What may stand in a field's value or in a reason phrase: tab, space, visible ASCII and obs-text. */
export const VALUE = new Uint8Array(256).fill(PLAIN).fill(0, 0, SP).fill(0, 0x7f, 0x80);
VALUE[TAB] = PLAIN;

/** An octet of a target that needs more than a look at the table. */
export const SPECIAL = 3;
/**
 * The path of a target: `pchar` of RFC 3986 section 3.3, and the brackets, which browsers send as they stand. `/`, `.`,
 * `%` and `?` are {@linkcode SPECIAL}.
 */
export const PATH = table("/.%?", SPECIAL, table(`${ALPHANUMERIC}-_~!$&'()*+,;=:@[]`));

/** The query of a target: RFC 3986 section 3.4, and the brackets. `%` is {@linkcode SPECIAL}. */
export const QUERY = table("%", SPECIAL, table(`${ALPHANUMERIC}-._~!$&'()*+,;=:@/?[]`));

/** The value of a hexadecimal digit, and 16 for what is none. */
export const HEX_VALUE = new Uint8Array(256).fill(16);
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16);
  HEX_VALUE[digit.charCodeAt(0)] = value;
  HEX_VALUE[digit.toUpperCase().charCodeAt(0)] = value;
}

/** Capital letters of ASCII as small ones, everything else as it is. */
export const LOWER = Uint8Array.from(
  { length: 256 },
  (_, octet) => octet >= 0x41 && octet <= 0x5a ? octet + 32 : octet,
);

/** Whether the octet is a space or a tab. */
export function isBlank(octet: number | undefined): boolean {
  return octet === SP || octet === TAB;
}

/** Whether the octet is a decimal digit. */
export function isDigit(octet: number | undefined): boolean {
  return octet !== undefined && octet >= 0x30 && octet <= 0x39;
}

/** The octet that the two hexadecimal digits at `at` stand for; -1 if they are none. */
export function decodeHex(bytes: Uint8Array, at: number): number {
  const high = HEX_VALUE[bytes[at]!]!;
  const low = HEX_VALUE[bytes[at + 1]!]!;
  return high === 16 || low === 16 ? -1 : 16 * high + low;
}

/** Below this, a loop is cheaper than a call into the runtime. */
const SHORT_COPY_BYTES = 96;

/** What {@linkcode copyBytes} copies, and where to. */
export interface CopyOptions {
  /** The first byte to copy. */
  readonly start: number;
  /** Behind the last one. */
  readonly end: number;
  /** Where it goes. */
  readonly target: Uint8Array;
  /** The position in `target`. */
  readonly at: number;
}

/** Copies bytes; returns the position behind the last byte written. */
export function copyBytes(bytes: Uint8Array, { start, end, target, at }: CopyOptions): number {
  if (end - start > SHORT_COPY_BYTES) {
    target.set(bytes.subarray(start, end), at);
    return at + end - start;
  }
  while (start < end) target[at++] = bytes[start++]!;
  return at;
}
