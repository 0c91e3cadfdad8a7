import { ChunkLine } from "./chunk_line.ts";
import { FieldSection, type FieldSectionOptions } from "./field_section.ts";
import type { FieldTable } from "./field_table.ts";
import { badMessage, bodyTooLarge } from "./http_error.ts";
import type { InputBuffer } from "./input_buffer.ts";
import { CR, LF } from "./octets.ts";
import { dropFromTrailers } from "./trailers.ts";

const SIZE_LINE = 0;
const DATA = 1;
const DATA_RETURN = 2;
const DATA_LINE_FEED = 3;
const TRAILERS = 4;
const TRAILER_FIELDS = 5;
const LAST_LINE_FEED = 6;
const DONE = 7;

/** Options of a {@linkcode ChunkedBody}; the bounds of a head are those of trailer fields. */
export interface ChunkedBodyOptions extends FieldSectionOptions {
  /** The most bytes of data; 0 for no bound. @default {0} */
  readonly bodySize?: number;
}

/**
 * Finds the end of a chunked body, RFC 9112 section 7.1, and what of it is data. It holds none of the body: what it
 * tells are positions in the bytes that it was given. Only trailer fields wait in the input until they are complete.
 */
export class ChunkedBody {
  /** Where what can be passed on begins: the chunks as they stand, or decoded data. */
  passStart = 0;
  /** Behind what can be passed on. */
  passEnd = 0;
  /** How many bytes of data have come. */
  received = 0;
  /**
   * Whether the last chunk was not among what could be passed on, so that one has to be written behind it: it came in
   * pieces, or with trailer fields. Without decoding only.
   */
  needsEnd = false;
  readonly #line: ChunkLine;
  readonly #options: FieldSectionOptions;
  readonly #maxBytes: number;
  #section: FieldSection | undefined;
  #state = DONE;
  #decode = false;
  /** Bytes of the chunk that are still to come. */
  #left = 0;
  /** Where the line of a chunk begins whose size is zero so far; -1 if that was before these bytes. */
  #zeroAt = -1;

  /** Reads nothing yet. */
  constructor(options: ChunkedBodyOptions) {
    this.#maxBytes = options.bodySize || Infinity;
    this.#options = { ...options, isTrailer: true };
    this.#line = new ChunkLine(options.side);
  }

  /** Expects a body. With `decode`, data is moved together in the input, without its framing. */
  begin(decode: boolean): void {
    this.#state = SIZE_LINE;
    this.#decode = decode;
    this.#line.beginBody();
    this.#section = undefined;
    this.received = 0;
    this.needsEnd = false;
    this.passStart = this.passEnd = 0;
  }

  /** Whether the body is complete. */
  get done(): boolean {
    return this.#state === DONE;
  }

  /** The trailer fields, when the body is complete; undefined if there are none. Valid as those of a head. */
  get trailers(): FieldTable | undefined {
    return this.#section?.fields;
  }

  /**
   * Reads on, and takes from `input` what it has read. What is between `passStart` and `passEnd` is to be used before
   * `input` is given more room.
   *
   * @returns whether the body is complete.
   * @throws {HttpError} for anything outside the grammar, and when a bound is reached.
   */
  read(input: InputBuffer): boolean {
    const { bytes, end } = input;
    let at = input.start;
    this.passStart = this.passEnd = at;
    this.#zeroAt = this.#state === SIZE_LINE && this.#line.digits === 0 ? at : -1;
    while (at < end && this.#state < TRAILERS) {
      if (this.#state === DATA) at = this.#readData(bytes, { start: at, end });
      else this.#readFraming(bytes[at]!, ++at);
    }
    input.start = at;
    if (this.#state >= TRAILERS) this.#readEnd(input);
    if (!this.#decode) this.#markPassed(input.start);
    return this.#state === DONE;
  }

  /** `next` is the position behind the octet. */
  #readFraming(octet: number, next: number): void {
    if (this.#state === SIZE_LINE) {
      if (!this.#line.take(octet)) return;
      this.#left = this.#line.size;
      this.received += this.#left;
      if (this.received > this.#maxBytes) throw bodyTooLarge(this.#maxBytes);
      this.#state = this.#left === 0 ? TRAILERS : DATA;
    } else if (this.#state === DATA_RETURN) {
      this.#require(octet, CR);
      this.#state = DATA_LINE_FEED;
    } else {
      this.#require(octet, LF);
      this.#state = SIZE_LINE;
      this.#line.begin();
      this.#zeroAt = next;
    }
  }

  #readData(bytes: Uint8Array, { start, end }: { start: number; end: number }): number {
    const count = Math.min(this.#left, end - start);
    if (this.#decode) {
      if (this.passEnd !== start) bytes.copyWithin(this.passEnd, start, start + count);
      this.passEnd += count;
    }
    this.#left -= count;
    if (this.#left === 0) this.#state = DATA_RETURN;
    return start + count;
  }

  /** Reads what is behind the last chunk: an empty line, or trailer fields and an empty line. */
  #readEnd(input: InputBuffer): void {
    if (this.#state === TRAILERS && input.length > 0) {
      if (input.bytes[input.start] === CR) {
        input.start++;
        this.#state = LAST_LINE_FEED;
      } else {
        this.#section = new FieldSection(this.#options);
        this.#state = TRAILER_FIELDS;
      }
    }
    if (this.#state === LAST_LINE_FEED && input.length > 0) {
      this.#require(input.bytes[input.start++]!, LF);
      this.#finish(this.#zeroAt === -1);
    } else if (this.#state === TRAILER_FIELDS && this.#section!.parse(input)) {
      dropFromTrailers(this.#section!.fields);
      input.start += this.#section!.at;
      this.#finish(true);
    }
  }

  #finish(needsEnd: boolean): void {
    this.#state = DONE;
    this.needsEnd = needsEnd && !this.#decode;
  }

  /**
   * What begins with a zero may be the last chunk, which nothing of is passed on before the body is known to be
   * complete. Zeros that come by themselves in front of other digits are left out, which changes no size.
   */
  #markPassed(at: number): void {
    const whole = this.#state === DONE && !this.needsEnd;
    const isZero = this.#line.size === 0 && (this.#state === SIZE_LINE || this.#state >= TRAILERS);
    if (!isZero || whole) this.passEnd = at;
    else if (this.#zeroAt !== -1) this.passEnd = this.#zeroAt;
  }

  #require(octet: number, wanted: number): void {
    if (octet !== wanted) throw badMessage(this.#options.side, "a chunk does not end where it should");
  }
}
