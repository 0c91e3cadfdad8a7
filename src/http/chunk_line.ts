import { badMessage, type HttpError, type MessageSide, showOctet } from "./http_error.ts";
import { CR, HEX_VALUE, isBlank, LF, PLAIN, SEMICOLON, TOKEN, VALUE } from "./octets.ts";

/** Up to 2^52 - 1, a number that is exact. */
const MAX_SIZE_DIGITS = 13;
/** The extensions of one chunk. */
const MAX_EXTENSION_BYTES = 1024;
/** All extensions of a body. */
const MAX_BODY_EXTENSION_BYTES = 64 * 1024;

const SIZE = 0;
/** Behind a semicolon. */
const BEFORE_NAME = 1;
const NAME = 2;
/** White space behind a name, before `=` or a semicolon. */
const BEHIND_NAME = 3;
const BEFORE_VALUE = 4;
const TOKEN_VALUE = 5;
const QUOTED = 6;
const ESCAPED = 7;
/** Behind the quotation mark that closes a value. */
const BEHIND_QUOTED = 8;
/** White space behind a value, before a semicolon. */
const BEHIND_VALUE = 9;
const LINE_FEED = 10;

const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Reads the line in front of a chunk, RFC 9112 section 7.1: the size, and extensions, which nothing is made of. Strict:
 * no white space around the size, CRLF at the end. The white space that the grammar has around `;` and `=` of an
 * extension is taken.
 */
export class ChunkLine {
  /** The size of the chunk, as far as its digits have been read. */
  size = 0;
  /** How many digits of the size have been read. */
  digits = 0;
  readonly #side: MessageSide;
  #state = SIZE;
  #extensionBytes = 0;
  #bodyExtensionBytes = 0;

  /** Reads nothing yet. */
  constructor(side: MessageSide) {
    this.#side = side;
  }

  /** Expects the first chunk of a body. */
  beginBody(): void {
    this.#bodyExtensionBytes = 0;
    this.begin();
  }

  /** Expects the next chunk. */
  begin(): void {
    this.size = 0;
    this.digits = 0;
    this.#extensionBytes = 0;
    this.#state = SIZE;
  }

  /**
   * Takes the next byte.
   *
   * @returns whether it was the last one of the line.
   * @throws {HttpError} for anything outside the grammar, and when a bound is reached.
   */
  take(octet: number): boolean {
    if (this.#state === SIZE) this.#takeSize(octet);
    else if (this.#state === LINE_FEED) {
      if (octet !== LF) throw this.#bad("a carriage return without a line feed in a chunk");
      return true;
    } else {
      this.#countExtension();
      this.#takeExtension(octet);
    }
    return false;
  }

  #takeSize(octet: number): void {
    const value = HEX_VALUE[octet]!;
    if (value < 16) {
      if (++this.digits > MAX_SIZE_DIGITS) throw this.#bad("the size of a chunk has too many digits");
      this.size = this.size * 16 + value;
    } else if (this.digits === 0) throw this.#bad("a chunk without a size");
    else if (octet === CR) this.#state = LINE_FEED;
    else if (octet === SEMICOLON) this.#state = BEFORE_NAME;
    else throw this.#bad(`the octet ${showOctet(octet)} behind the size of a chunk`);
  }

  #countExtension(): void {
    if (++this.#extensionBytes > MAX_EXTENSION_BYTES) {
      throw this.#bad("the extensions of a chunk are too long");
    }
    if (++this.#bodyExtensionBytes > MAX_BODY_EXTENSION_BYTES) {
      throw this.#bad("the extensions of all chunks are too long");
    }
  }

  #takeExtension(octet: number): void {
    const next = this.#next(octet);
    if (next === -1) throw this.#bad(`the octet ${showOctet(octet)} in the extension of a chunk`);
    this.#state = next;
  }

  /** The state behind the octet; -1 if it must not stand there. */
  #next(octet: number): number {
    switch (this.#state) {
      case BEFORE_NAME:
        return isBlank(octet) ? BEFORE_NAME : isToken(octet) ? NAME : -1;
      case NAME:
        if (isToken(octet)) return NAME;
        return octet === CR ? LINE_FEED : isBlank(octet) ? BEHIND_NAME : behindName(octet);
      case BEHIND_NAME:
        return isBlank(octet) ? BEHIND_NAME : behindName(octet);
      case BEFORE_VALUE:
        if (isBlank(octet)) return BEFORE_VALUE;
        return octet === QUOTE ? QUOTED : isToken(octet) ? TOKEN_VALUE : -1;
      case TOKEN_VALUE:
        return isToken(octet) ? TOKEN_VALUE : behindValue(octet);
      case QUOTED:
        if (octet === QUOTE) return BEHIND_QUOTED;
        return VALUE[octet] !== PLAIN ? -1 : octet === BACKSLASH ? ESCAPED : QUOTED;
      case ESCAPED:
        return VALUE[octet] === PLAIN ? QUOTED : -1;
      case BEHIND_QUOTED:
        return behindValue(octet);
      default:
        return isBlank(octet) ? BEHIND_VALUE : octet === SEMICOLON ? BEFORE_NAME : -1;
    }
  }

  #bad(reason: string): HttpError {
    return badMessage(this.#side, reason);
  }
}

function isToken(octet: number): boolean {
  return TOKEN[octet] === PLAIN;
}

function behindName(octet: number): number {
  return octet === EQUALS ? BEFORE_VALUE : octet === SEMICOLON ? BEFORE_NAME : -1;
}

function behindValue(octet: number): number {
  if (octet === CR) return LINE_FEED;
  return isBlank(octet) ? BEHIND_VALUE : octet === SEMICOLON ? BEFORE_NAME : -1;
}
