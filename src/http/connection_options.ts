import type { FieldTable } from "./field_table.ts";
import { CLIENT_FIELDS, fieldId, fieldSet, knownFields } from "./known_fields.ts";
import { type ByteRange, NameTable } from "./name_table.ts";
import { COMMA, isBlank, LOWER, PLAIN, TOKEN } from "./octets.ts";

/** What the Connection fields of a message say: bits. */
export const ConnectionOptions = {
  /** The sender closes the connection behind this message. */
  close: 1,
  /** The sender of HTTP/1.0 would keep it. */
  keepAlive: 2,
  /** The message offers, asks for or answers a change of protocol. */
  upgrade: 4,
  /** It is no list of tokens, or a longer one than is looked at. */
  malformed: 8,
} as const;

/** More names than a head may have fields by default serve nothing but to keep the reader busy. */
const MAX_OPTIONS = 100;
const OPTIONS = new NameTable(["", "close", "keep-alive", "", "upgrade"]);
const CONNECTION = fieldId("connection");

/** What frames or routes a message, or is ours to set, stays, whatever Connection names. */
const PROTECTED = fieldSet([
  ...CLIENT_FIELDS,
  "host",
  "content-length",
  "transfer-encoding",
  "expect",
  "via",
  "x-request-id",
  "x-proxy-by",
  "date",
]);

/**
 * Reads the Connection fields (RFC 9110 section 7.6.1), and marks every field that they name as not passed on.
 *
 * @returns bits of {@linkcode ConnectionOptions}
 */
export function readConnectionOptions(fields: FieldTable): number {
  let bits = 0;
  let count = 0;
  for (let i = fields.indexOf(CONNECTION); i !== -1; i = fields.indexOf(CONNECTION, i + 1)) {
    const end = fields.valueEnd(i);
    for (let at = fields.valueStart(i); at < end;) {
      const member = nextMember(fields.bytes, { start: at, end });
      if (member < at || (member > at && ++count > MAX_OPTIONS)) return bits | ConnectionOptions.malformed;
      if (member > at) bits |= readOption(fields, { start: at, end: member });
      at = behindComma(fields.bytes, { start: member, end });
    }
  }
  return bits;
}

/** Behind the token at `start`, or `start` where an element of the list is empty; -1 if the list is malformed. */
function nextMember(bytes: Uint8Array, { start, end }: ByteRange): number {
  let at = start;
  while (at < end && TOKEN[bytes[at]!] === PLAIN) at++;
  let next = at;
  while (next < end && isBlank(bytes[next])) next++;
  return next === end || bytes[next] === COMMA ? at : -1;
}

/** Where the next element begins: behind the comma and the white space around it. */
function behindComma(bytes: Uint8Array, { start, end }: ByteRange): number {
  let at = start;
  while (at < end && isBlank(bytes[at])) at++;
  if (at < end) at++;
  while (at < end && isBlank(bytes[at])) at++;
  return at;
}

function readOption(fields: FieldTable, name: ByteRange): number {
  const option = OPTIONS.find(fields.bytes, name);
  if (option !== 0) return option;
  const id = knownFields.find(fields.bytes, name);
  if (id > 0) {
    if (PROTECTED[id] === 0) fields.dropAll(id);
    return 0;
  }
  for (let i = 0; i < fields.count; i++) {
    if (fields.id(i) <= 0 && isNamed(fields, i, name)) fields.drop(i);
  }
  return 0;
}

function isNamed(fields: FieldTable, index: number, { start, end }: ByteRange): boolean {
  const { bytes } = fields;
  const from = fields.lineStart(index);
  if (fields.nameEnd(index) - from !== end - start) return false;
  for (let i = 0; i < end - start; i++) {
    if (LOWER[bytes[from + i]!] !== LOWER[bytes[start + i]!]) return false;
  }
  return true;
}
