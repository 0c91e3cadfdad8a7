import { badMessage, type HttpError, refusedRequest, showOctet } from "./http_error.ts";
import type { InputBuffer } from "./input_buffer.ts";
import {
  CR,
  DOT,
  HEX_VALUE,
  isDigit,
  LF,
  PATH,
  PERCENT,
  PLAIN,
  QUERY,
  QUESTION,
  SLASH,
  SP,
  TOKEN,
} from "./octets.ts";

const METHOD = 0;
const TARGET_PATH = 1;
const TARGET_QUERY = 2;
const VERSION = 3;
const RETURN = 4;
const LINE_FEED = 5;

/** What the path of a target has, apart from ordinary octets. */
export const TargetMarks = {
  /** Percent-encoded octets. */
  percent: 1,
  /** A segment that begins with a dot. */
  dot: 2,
  /** Two slashes, one after the other. */
  doubleSlash: 4,
} as const;

/** `HTTP/1.1` with a zero for each digit. */
const VERSION_FORM = new TextEncoder().encode("HTTP/0.0");
const FORM_DIGIT = 0x30;

/**
 * Reads a request line, RFC 9112 section 3, in one pass: the results are offsets from the start of the head. The
 * octets of the target are those of RFC 3986, its percent-encoding is whole; its form is looked at later.
 */
export class RequestLine {
  /** Behind the method, which begins at 0. */
  methodEnd = 0;
  /** Where the target begins. */
  targetStart = 0;
  /** Behind the target. */
  targetEnd = 0;
  /** Behind the path of the target: its `?`, or {@linkcode RequestLine.targetEnd}. */
  pathEnd = 0;
  /** {@linkcode TargetMarks} of the path. */
  marks = 0;
  /** The version's second digit; the first one is 1. */
  minor = 1;
  /** How many bytes have been read: behind the line when it is complete. */
  at = 0;
  #state = METHOD;
  /** Hexadecimal digits that a `%` still wants. */
  #hexWanted = 0;
  #versionStart = 0;

  /** Forgets the last line. */
  begin(): void {
    this.at = 0;
    this.#state = METHOD;
    this.#hexWanted = 0;
    this.marks = 0;
  }

  /** Whether the method has been read. */
  get hasMethod(): boolean {
    return this.#state !== METHOD;
  }

  /**
   * Reads on, up to before `end`. `input` begins with the line, and may have been moved or have grown since.
   *
   * @returns whether the line is complete.
   * @throws {HttpError} for anything outside the grammar, and for another version than 1.0 or 1.1.
   */
  parse(input: InputBuffer, end: number): boolean {
    const { bytes, start } = input;
    let at = start + this.at;
    if (this.#state === METHOD) {
      while (at < end && TOKEN[bytes[at]!] === PLAIN) at++;
      if (at < end) this.#endMethod(bytes[at++]!, at - start);
    }
    while (at < end && this.#state <= TARGET_QUERY) at = this.#readTarget(input, { at, end });
    while (at < end && this.#state === VERSION) this.#readVersion(bytes[at++]!, at - start);
    if (at < end && this.#state === RETURN) {
      if (bytes[at++] !== CR) throw badEnd(bytes[at - 1]!);
      this.#state = LINE_FEED;
    }
    const complete = at < end && this.#state === LINE_FEED;
    if (complete) this.#endLine(input, at++);
    this.at = at - start;
    return complete;
  }

  /** `next` is the offset behind the octet. */
  #endMethod(octet: number, next: number): void {
    if (octet !== SP) throw badMessage("request", `the method has the octet ${showOctet(octet)}`);
    if (next === 1) throw badMessage("request", "white space before the method");
    this.methodEnd = next - 1;
    this.targetStart = next;
    this.#state = TARGET_PATH;
  }

  #readTarget({ bytes, start }: InputBuffer, { at, end }: { at: number; end: number }): number {
    while (this.#hexWanted > 0) {
      if (at === end) return at;
      if (HEX_VALUE[bytes[at++]!] === 16) {
        throw badMessage("request", "broken percent-encoding in the target");
      }
      this.#hexWanted--;
    }
    const table = this.#state === TARGET_PATH ? PATH : QUERY;
    while (at < end && table[bytes[at]!] === PLAIN) at++;
    if (at === end) return at;
    const octet = bytes[at]!;
    if (table[octet] === 0) this.#endTarget(octet, at - start);
    else if (octet === PERCENT) {
      this.#hexWanted = 2;
      if (this.#state === TARGET_PATH) this.marks |= TargetMarks.percent;
    } else if (octet === QUESTION) {
      this.pathEnd = at - start;
      this.#state = TARGET_QUERY;
    } else if (bytes[at - 1] === SLASH) {
      this.marks |= octet === DOT ? TargetMarks.dot : TargetMarks.doubleSlash;
    }
    return at + 1;
  }

  #endTarget(octet: number, at: number): void {
    if (octet === CR || octet === LF) throw badMessage("request", "a request line without a version");
    if (octet !== SP) throw badMessage("request", `the target has the octet ${showOctet(octet)}`);
    if (at === this.targetStart) throw badMessage("request", "two spaces in the request line");
    if (this.#state === TARGET_PATH) this.pathEnd = at;
    this.targetEnd = at;
    this.#versionStart = at + 1;
    this.#state = VERSION;
  }

  /** `next` is the offset behind the octet. */
  #readVersion(octet: number, next: number): void {
    const form = VERSION_FORM[next - 1 - this.#versionStart]!;
    if (form === FORM_DIGIT ? !isDigit(octet) : octet !== form) {
      throw badMessage("request", "no version of HTTP behind the target");
    }
    if (next - this.#versionStart === VERSION_FORM.length) this.#state = RETURN;
  }

  #endLine({ bytes, start }: InputBuffer, at: number): void {
    if (bytes[at] !== LF) throw badMessage("request", "a carriage return without a line feed");
    const digits = start + this.#versionStart + "HTTP/".length;
    const major = bytes[digits]! - FORM_DIGIT;
    this.minor = bytes[digits + 2]! - FORM_DIGIT;
    if (major === 0) throw badMessage("request", "HTTP before 1.0");
    if (major > 1 || this.minor > 1) {
      throw refusedRequest("bad_version", 505, `it is HTTP/${major}.${this.minor}, expected HTTP/1.1`);
    }
  }
}

function badEnd(octet: number): HttpError {
  if (octet === LF) return badMessage("request", "a line ends in a bare line feed");
  return badMessage("request", "the request line does not end behind the version");
}
