import { latin1 } from "../core/latin1.ts";
import { CulvertError } from "../core/errors.ts";
import { quoteText } from "../core/escape_text.ts";

/** The head of an HTTP/1 response: its status line and its fields. */
export interface ResponseHead {
  /** Others are refused. */
  readonly version: "1.0" | "1.1";
  /** 100 to 999. */
  readonly status: number;
  /** What the server says to it; may be empty. Each character stands for a byte. */
  readonly reason: string;
  /** Names in lower case, in their order. Each character of a value stands for a byte. */
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** How the end of a response's body is told. */
export type BodyFraming =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" }
  /** The body ends with the connection. */
  | { readonly kind: "until-close" };

const CR = 13;
const LF = 10;
const START = new TextEncoder().encode("HTTP/1.");
/** RFC 9112 section 4. The blank before a reason that is not there is left out by many, and does no harm. */
const STATUS_LINE = /^HTTP\/(1\.[01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
/** RFC 9112 section 5: a token, a colon, and a value without control characters. A folded line is none. */
const FIELD_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)$/;
/** Fifteen digits are a safe integer. */
const LENGTH = /^\d{1,15}$/;

/**
 * Looks for the end of a response's head in bytes that come little by little, each of them once. What can't
 * become a head is refused as soon as that is seen: a server of another protocol would be waited for in vain.
 */
export class HeadScanner {
  #scanned = 0;

  /**
   * Goes on where it left off. `bytes` begin with the head and may have grown since.
   *
   * @returns the length of the head with its empty line, or 0: there must be more.
   * @throws {CulvertError} `bad_http` if this is no HTTP/1 response, or a line does not end as it should.
   */
  scan(bytes: Uint8Array): number {
    for (let i = this.#scanned; i < START.length && i < bytes.length; i++) {
      if (bytes[i] !== START[i]) throw badHttp(`it begins with ${quote(bytes)}`);
    }
    let at = this.#scanned;
    for (; at < bytes.length; at++) {
      if (bytes[at] !== LF) continue;
      if (bytes[at - 1] !== CR) throw badHttp("a line of its head ends without a carriage return");
      if (bytes[at - 2] === LF) return at + 1;
    }
    this.#scanned = at;
    return 0;
  }
}

/**
 * Reads a head whose end has been found, RFC 9112 sections 4 and 5. Lines must end with CRLF; folded lines, blanks
 * before a colon and control characters are refused.
 *
 * @throws {CulvertError} `bad_http`, quoting what can't be read.
 */
export function parseResponseHead(head: Uint8Array): ResponseHead {
  const [statusLine = "", ...lines] = latin1(head).slice(0, -4).split("\r\n");
  const status = STATUS_LINE.exec(statusLine);
  if (status === null) throw badHttp(`${quoteText(statusLine)} is no status line`);
  const fields = lines.map((line) => {
    const field = FIELD_LINE.exec(line);
    if (field === null) throw badHttp(`${quoteText(line)} is no header field`);
    return [field[1]!.toLowerCase(), trimBlanks(field[2]!)] as const;
  });
  return {
    version: status[1] as ResponseHead["version"],
    status: Number(status[2]),
    reason: status[3] ?? "",
    fields,
  };
}

/** All values of a field, in their order. `name` is in lower case. */
export function fieldValues(head: ResponseHead, name: string): string[] {
  return head.fields.filter(([other]) => other === name).map(([, value]) => value);
}

/**
 * How the body of a response to a request of this method ends, RFC 9112 section 6.3. Whatever two readers could
 * understand in different ways is refused.
 *
 * @throws {CulvertError} `bad_http` for an encoding other than `chunked`, for one in HTTP/1.0, for one together
 * with a length, and for a length that is no number or is said twice.
 */
export function bodyFraming(head: ResponseHead, method: string): BodyFraming {
  const { status, version } = head;
  const codings = fieldValues(head, "transfer-encoding");
  const lengths = fieldValues(head, "content-length");
  if (codings.length > 0) {
    if (lengths.length > 0) throw badHttp("it has both a length and a transfer encoding");
    if (version === "1.0") throw badHttp("it has a transfer encoding, and is HTTP/1.0");
    const coding = codings.join(", ");
    if (coding.toLowerCase() !== "chunked") throw badHttp(`its transfer encoding is ${quoteText(coding)}`);
  }
  if (lengths.length > 1) throw badHttp("it has more than one length");
  const [length] = lengths;
  if (length !== undefined && !LENGTH.test(length)) throw badHttp(`its length is ${quoteText(length)}`);
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return { kind: "none" };
  if (codings.length > 0) return { kind: "chunked" };
  return length === undefined ? { kind: "until-close" } : { kind: "length", length: Number(length) };
}

/** The error for a response that can't be read. */
export function badHttp(reason: string): CulvertError {
  return new CulvertError("bad_http", `Cannot read the HTTP response: ${reason}`);
}

/** Without blanks around it. An expression that does this takes its time over many blanks in the middle. */
export function trimBlanks(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isBlank(text[start])) start++;
  while (end > start && isBlank(text[end - 1])) end--;
  return text.slice(start, end);
}

function isBlank(char: string | undefined): boolean {
  return char === " " || char === "\t";
}

function quote(bytes: Uint8Array): string {
  return quoteText(latin1(bytes.subarray(0, 128)));
}
