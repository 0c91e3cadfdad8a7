import type { FieldTable } from "./field_table.ts";
import { badMessage, type MessageSide, refusedRequest } from "./http_error.ts";
import { fieldId } from "./known_fields.ts";
import { isDigit, PLAIN, TOKEN } from "./octets.ts";

/** How the end of a body is marked. */
export type BodyKind =
  /** There is none. */
  | "none"
  /** After so many bytes. */
  | "length"
  /** By the last chunk. */
  | "chunked"
  /** By the end of the connection; responses only. */
  | "until-close";

/** Beyond this, numbers are not exact. */
const MAX_LENGTH = 2 ** 53;
const CONTENT_LENGTH = fieldId("content-length");
const TRANSFER_ENCODING = fieldId("transfer-encoding");

/**
 * The length that Content-Length tells; -1 without one. Two fields, even if they are equal, and a list in one are
 * refused: the next reader might take another one of them.
 *
 * @throws {HttpError} for anything but one number in digits.
 */
export function readContentLength(fields: FieldTable, side: MessageSide): number {
  const index = fields.indexOf(CONTENT_LENGTH);
  if (index === -1) return -1;
  if (fields.indexOf(CONTENT_LENGTH, index + 1) !== -1) {
    throw badMessage(side, "Content-Length is there twice");
  }
  const { bytes } = fields;
  const end = fields.valueEnd(index);
  let at = fields.valueStart(index);
  let length = 0;
  if (at === end) throw badMessage(side, "Content-Length is empty");
  for (; at < end; at++) {
    if (!isDigit(bytes[at])) throw badMessage(side, "Content-Length is not a number in digits");
    const digit = bytes[at]! - 0x30;
    if (length > (MAX_LENGTH - digit) / 10) throw badMessage(side, "Content-Length is too large");
    length = length * 10 + digit;
  }
  return length;
}

/**
 * Whether the body is chunked: Transfer-Encoding is there, once, and is `chunked` alone (RFC 9112 section 6.1).
 *
 * @throws {HttpError} for anything else that a Transfer-Encoding may say, or if it is there where it must not be.
 */
export function readTransferEncoding(
  fields: FieldTable,
  { side, minor }: { side: MessageSide; minor: number },
): boolean {
  const index = fields.indexOf(TRANSFER_ENCODING);
  if (index === -1) return false;
  if (fields.indexOf(CONTENT_LENGTH) !== -1) {
    throw badMessage(side, "both Content-Length and Transfer-Encoding");
  }
  if (minor === 0) throw badMessage(side, "Transfer-Encoding in HTTP/1.0");
  if (fields.indexOf(TRANSFER_ENCODING, index + 1) !== -1) {
    throw badMessage(side, "Transfer-Encoding is there twice");
  }
  if (fields.valueIs(index, "chunked")) return true;
  if (side === "request" && isToken(fields, index)) {
    throw refusedRequest("unknown_coding", 501, "its Transfer-Encoding is not chunked");
  }
  throw badMessage(side, "Transfer-Encoding is not chunked");
}

function isToken(fields: FieldTable, index: number): boolean {
  const end = fields.valueEnd(index);
  let at = fields.valueStart(index);
  if (at === end) return false;
  while (at < end && TOKEN[fields.bytes[at]!] === PLAIN) at++;
  return at === end;
}
