import { badMessage } from "./http_error.ts";
import type { InputBuffer } from "./input_buffer.ts";
import { CR, isDigit, LF, PLAIN, VALUE } from "./octets.ts";

/** A zero stands for any digit. */
const FORM = new TextEncoder().encode("HTTP/1.0 000 ");
const FORM_DIGIT = 0x30;
const MINOR = "HTTP/1.".length;
const STATUS = "HTTP/1.1 ".length;

/** Reads a status line, RFC 9112 section 4, in one pass. */
export class StatusLine {
  /** The version's second digit; the first one is 1. */
  minor = 1;
  /** 100 to 599. */
  status = 0;
  /** Behind the reason phrase, from the start of the head; it begins at {@linkcode StatusLine.reasonStart}. */
  reasonEnd = 0;
  /** How many bytes have been read: behind the line when it is complete. */
  at = 0;

  /** Where the reason phrase begins, from the start of the head. */
  get reasonStart(): number {
    return FORM.length;
  }

  /** Forgets the last line. */
  begin(): void {
    this.at = 0;
    this.reasonEnd = 0;
  }

  /**
   * Reads on, up to before `end`. `input` begins with the line, and may have been moved or have grown since.
   *
   * @returns whether the line is complete.
   * @throws {HttpError} for anything outside the grammar, for another version than 1.0 or 1.1, and for a status
   * outside 100 to 599.
   */
  parse({ bytes, start }: InputBuffer, end: number): boolean {
    let at = start + this.at;
    for (let i = this.at; i < FORM.length && at < end; i++, at++) {
      const octet = bytes[at]!;
      if (FORM[i] === FORM_DIGIT ? !isDigit(octet) : octet !== FORM[i]) {
        throw badMessage("response", "it does not begin with a version and a status");
      }
    }
    if (this.reasonEnd === 0) {
      while (at < end && VALUE[bytes[at]!] === PLAIN) at++;
      if (at < end) {
        if (bytes[at] === LF) throw badMessage("response", "a line ends in a bare line feed");
        if (bytes[at] !== CR) throw badMessage("response", "a control character in its status line");
        this.reasonEnd = at++ - start;
      }
    }
    this.at = at - start;
    if (at === end || this.reasonEnd === 0) return false;
    if (bytes[at] !== LF) throw badMessage("response", "a carriage return without a line feed");
    this.at++;
    this.#readNumbers(bytes, start);
    return true;
  }

  #readNumbers(bytes: Uint8Array, start: number): void {
    this.minor = bytes[start + MINOR]! - FORM_DIGIT;
    const digit = (at: number) => bytes[start + STATUS + at]! - FORM_DIGIT;
    this.status = 100 * digit(0) + 10 * digit(1) + digit(2);
    if (this.minor > 1) throw badMessage("response", `it is HTTP/1.${this.minor}, expected HTTP/1.1`);
    if (this.status < 100 || this.status > 599) {
      throw badMessage("response", `its status is ${this.status}, expected 100 to 599`);
    }
  }
}
