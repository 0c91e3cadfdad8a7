import { FieldTable } from "./field_table.ts";
import {
  badMessage,
  headTooLarge,
  type HttpError,
  type MessageSide,
  showOctet,
  tooManyFields,
} from "./http_error.ts";
import type { InputBuffer } from "./input_buffer.ts";
import { knownFields } from "./known_fields.ts";
import { COLON, CR, isBlank, LF, LOW_LINE, NAME, PLAIN, VALUE } from "./octets.ts";

/** Bounds of a head or of a trailer section. */
export interface HeadLimits {
  /** The most bytes, with the start line and the empty line at the end. @default {32_768} */
  readonly headerSize?: number;
  /** The most fields, at most 65,534. @default {100} */
  readonly headers?: number;
}

/** The defaults of {@linkcode HeadLimits}. */
export const DEFAULT_HEAD_LIMITS: Required<HeadLimits> = { headerSize: 32 * 1024, headers: 100 };

/** Options of a {@linkcode FieldSection}. */
export interface FieldSectionOptions extends HeadLimits {
  /** Decides the status of errors. */
  readonly side: MessageSide;
  /** The fields come behind a body: a bound that is reached is a bad request then. @default {false} */
  readonly isTrailer?: boolean;
}

const LINE = 0;
const FIELD_NAME = 1;
const BLANKS = 2;
const FIELD_VALUE = 3;
const LINE_END = 4;
const LAST_END = 5;

/**
 * Reads the fields of a head or of a trailer section up to the empty line, RFC 9112 section 5, in one pass: each byte
 * is looked up once, whatever pieces the bytes arrive in.
 */
export class FieldSection {
  /** The fields that have been read. */
  readonly fields: FieldTable = new FieldTable();
  /** How many bytes of the head have been read: behind the empty line when it is complete. */
  at = 0;
  readonly #side: MessageSide;
  readonly #maxBytes: number;
  readonly #maxFields: number;
  readonly #isTrailer: boolean;
  #state = LINE;
  #hasLowLine = false;

  /** Reads nothing yet. */
  constructor(options: FieldSectionOptions) {
    const { side, headerSize, headers, isTrailer = false } = { ...DEFAULT_HEAD_LIMITS, ...options };
    this.#side = side;
    this.#isTrailer = isTrailer;
    this.#maxBytes = headerSize;
    this.#maxFields = Math.min(headers, 0xfffe);
  }

  /** Forgets the last message. The first field begins `at` bytes behind the start of the head. */
  begin(at: number): void {
    this.at = at;
    this.#state = LINE;
    this.fields.clear();
  }

  /**
   * Reads on. `input` begins with the head, and may have been moved or have grown since the last time. Nothing is
   * taken from it.
   *
   * @returns whether the section is complete.
   * @throws {HttpError} for anything outside the grammar, at its first wrong byte; and when a bound is reached.
   */
  parse(input: InputBuffer): boolean {
    const { bytes, start } = input;
    const { fields } = this;
    const end = Math.min(input.end, start + this.#maxBytes);
    fields.bytes = bytes;
    fields.base = start;
    let at = start + this.at;
    while (at < end) {
      if (this.#state === LAST_END) {
        this.#requireLineFeed(bytes[at]);
        this.at = at + 1 - start;
        return true;
      }
      if (this.#state === LINE) {
        if (bytes[at] === CR) {
          this.#state = LAST_END;
          at++;
          continue;
        }
        if (fields.count === this.#maxFields) throw this.#tooMany();
        fields.startField(at - start);
        this.#hasLowLine = false;
        this.#state = FIELD_NAME;
      }
      at = this.#readLine(at, end);
    }
    this.at = at - start;
    if (this.at >= this.#maxBytes) throw this.#tooLarge();
    return false;
  }

  /** Reads on in the line of a field, up to its end or to that of the bytes. Returns where it stopped. */
  #readLine(at: number, end: number): number {
    const { bytes, base } = this.fields;
    if (this.#state === FIELD_NAME) {
      let kind = 0;
      while (at < end && (kind = NAME[bytes[at]!]!) !== 0) {
        if (kind === LOW_LINE) this.#hasLowLine = true;
        at++;
      }
      if (at === end) return at;
      this.#endName(at++);
    }
    if (this.#state === BLANKS) {
      while (at < end && isBlank(bytes[at])) at++;
      if (at === end) return at;
      this.fields.startValue(at - base);
      this.#state = FIELD_VALUE;
    }
    if (this.#state === FIELD_VALUE) {
      while (at < end && VALUE[bytes[at]!] === PLAIN) at++;
      if (at === end) return at;
      if (bytes[at] !== CR) throw this.#badValue(bytes[at]!);
      this.fields.endField(at - base);
      this.#state = LINE_END;
      if (++at === end) return at;
    }
    this.#requireLineFeed(bytes[at]);
    this.#state = LINE;
    return at + 1;
  }

  /** `at` is where the name ends. */
  #endName(at: number): void {
    const { fields } = this;
    const start = fields.base + fields.openName;
    const range = { start, end: at };
    if (fields.bytes[at] !== COLON || start === at) throw this.#badName(fields.bytes[at]!, at - start);
    let id = knownFields.find(fields.bytes, range);
    if (id === 0 && this.#hasLowLine) id = -knownFields.findFolded(fields.bytes, range);
    fields.endName(at - fields.base, id);
    this.#state = BLANKS;
  }

  #requireLineFeed(octet: number | undefined): void {
    if (octet !== LF) throw badMessage(this.#side, "a carriage return without a line feed");
  }

  #tooLarge(): HttpError {
    if (!this.#isTrailer) return headTooLarge(this.#side, this.#maxBytes);
    return badMessage(this.#side, `its trailer fields have more than ${this.#maxBytes} bytes`);
  }

  #tooMany(): HttpError {
    if (!this.#isTrailer) return tooManyFields(this.#side, this.#maxFields);
    return badMessage(this.#side, `it has more than ${this.#maxFields} trailer fields`);
  }

  #badName(octet: number, length: number): HttpError {
    if (isBlank(octet)) {
      const reason = length > 0 ? "white space before a colon" : "a line that begins with white space";
      return badMessage(this.#side, reason);
    }
    if (octet === COLON) return badMessage(this.#side, "a field without a name");
    if (octet === LF) return badMessage(this.#side, "a line ends in a bare line feed");
    if (octet === CR) return badMessage(this.#side, "a field without a colon");
    return badMessage(this.#side, `the name of a field has the octet ${showOctet(octet)}`);
  }

  #badValue(octet: number): HttpError {
    if (octet === LF) return badMessage(this.#side, "a line ends in a bare line feed");
    return badMessage(this.#side, `the value of a field has the octet ${showOctet(octet)}`);
  }
}
