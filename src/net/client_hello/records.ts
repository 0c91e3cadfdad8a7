import { CulvertError } from "../../core/errors.ts";

/** The longest ClientHello, with the four bytes of its own header. Those of browsers take about 2 KiB. */
export const MAX_CLIENT_HELLO_BYTES = 16 * 1024;

/** The most bytes that are looked at, with the headers of all records. */
export const MAX_CLIENT_HELLO_RECORDS_BYTES = 32 * 1024;

const RECORD_HEADER_BYTES = 5;
const HELLO_HEADER_BYTES = 4;
const MAX_FRAGMENT_BYTES = 1 << 14;
const HANDSHAKE = 22;
const ALERT = 21;
const CLIENT_HELLO = 1;

/**
 * Finds the ClientHello in a stream of TLS records (RFC 8446, section 5.1), over any number of which it may
 * be spread. It is fed the stream so far, again and again, and looks at each byte once.
 */
export class HelloAssembler {
  /** Where the bytes of the hello are: start and end of each piece, by turns. */
  readonly #pieces: number[] = [];
  /** How many bytes of the stream have been looked at. */
  #at = 0;
  /** Where the record that `#at` is in ends; the same as `#at` between two. */
  #recordEnd = 0;
  /** How many bytes of the hello have been found. */
  #found = 0;
  /** How long the hello is, with its header, as far as that has been read. */
  #size = 0;

  /** How many bytes of the stream the records of the hello take, once all have been found. */
  get length(): number {
    return this.#at;
  }

  /**
   * Looks at what has come since the last call. `bytes` is the stream from its start.
   *
   * @returns How many bytes of it there must be before it is worth while to look again; 0 when the hello is
   * complete.
   * @throws {CulvertError} `bad_client_hello`, as soon as the bytes can't become one.
   */
  advance(bytes: Uint8Array): number {
    while (this.#at < bytes.length) {
      if (this.#at === this.#recordEnd) {
        this.#checkRecord(bytes);
        if (bytes.length - this.#at < RECORD_HEADER_BYTES) break;
        this.#beginRecord(bytes);
      } else if (this.#takeFragment(bytes)) return 0;
    }
    if (this.#at < this.#recordEnd) return this.#recordEnd;
    checkTotal(this.#recordEnd + RECORD_HEADER_BYTES + 1);
    return this.#recordEnd + RECORD_HEADER_BYTES;
  }

  /** The hello, with its header, in one piece: a view of `bytes` where it came in one record. */
  join(bytes: Uint8Array): Uint8Array {
    const [start, end] = this.#pieces as [number, number];
    if (this.#pieces.length === 2) return bytes.subarray(start, end);
    const joined = new Uint8Array(this.#found);
    let filled = 0;
    for (let i = 0; i < this.#pieces.length; i += 2) {
      const piece = bytes.subarray(this.#pieces[i], this.#pieces[i + 1]);
      joined.set(piece, filled);
      filled += piece.length;
    }
    return joined;
  }

  /**
   * Checks as much of a record's header as there is. The minor version means nothing (RFC 8446, section 5.1).
   */
  #checkRecord(bytes: Uint8Array): void {
    const type = bytes[this.#at];
    const major = bytes[this.#at + 1];
    if (type !== HANDSHAKE) {
      throw badClientHello(
        this.#at === 0
          ? noTls(bytes)
          : type === ALERT
          ? "an alert comes before its end"
          : `a record of type ${type} comes before its end`,
      );
    }
    if (major !== undefined && major !== 3) {
      throw badClientHello(`a record of the version ${major}.x, where TLS has 3.x`);
    }
  }

  #beginRecord(bytes: Uint8Array): void {
    const length = bytes[this.#at + 3]! * 256 + bytes[this.#at + 4]!;
    if (length === 0) throw badClientHello("an empty record");
    if (length > MAX_FRAGMENT_BYTES) {
      throw new OversizedHelloError(`a record of ${length} bytes, more than ${MAX_FRAGMENT_BYTES}`);
    }
    this.#at += RECORD_HEADER_BYTES;
    this.#recordEnd = this.#at + length;
    this.#checkSize();
    checkTotal(this.#recordEnd);
  }

  /** Takes what there is of the record. Returns whether the hello is complete. */
  #takeFragment(bytes: Uint8Array): boolean {
    const end = Math.min(this.#recordEnd, bytes.length);
    for (; this.#found < HELLO_HEADER_BYTES && this.#at < end; this.#at++) this.#takeHeader(bytes);
    if (this.#at < end) {
      this.#note(end);
      this.#at = end;
    }
    // Before its header is complete, the size is not yet the size.
    return this.#found >= HELLO_HEADER_BYTES && this.#found === this.#size;
  }

  /** One byte of the hello's own header: its type, or one of the three of its length. */
  #takeHeader(bytes: Uint8Array): void {
    const byte = bytes[this.#at]!;
    if (this.#found === 0 && byte !== CLIENT_HELLO) {
      throw badClientHello(`the handshake begins with a message of type ${byte}`);
    }
    if (this.#found > 0) this.#size = this.#size * 256 + byte;
    this.#note(this.#at + 1);
    if (this.#found < HELLO_HEADER_BYTES) return;
    this.#size += HELLO_HEADER_BYTES;
    if (this.#size > MAX_CLIENT_HELLO_BYTES) {
      throw new OversizedHelloError(`it takes ${this.#size} bytes, more than ${MAX_CLIENT_HELLO_BYTES}`);
    }
    this.#checkSize(1);
  }

  /** The bytes from `#at` to `end` are the hello's. */
  #note(end: number): void {
    this.#found += end - this.#at;
    const last = this.#pieces.length - 1;
    if (this.#pieces[last] === this.#at) this.#pieces[last] = end;
    else this.#pieces.push(this.#at, end);
  }

  /** What follows a ClientHello comes in a record of its own: a server would read it differently from us. */
  #checkSize(taken = 0): void {
    if (this.#found < HELLO_HEADER_BYTES) return;
    const tooMany = this.#found + (this.#recordEnd - this.#at - taken) - this.#size;
    if (tooMany > 0) throw badClientHello(`${tooMany} bytes follow it in its record`);
  }
}

/** So that there is never anything to wait for beyond that many bytes. */
function checkTotal(bytes: number): void {
  if (bytes <= MAX_CLIENT_HELLO_RECORDS_BYTES) return;
  throw new OversizedHelloError(`its records take more than ${MAX_CLIENT_HELLO_RECORDS_BYTES} bytes`);
}

/** What the stream may be instead, from what there is of it, be it only one byte. */
function noTls(bytes: Uint8Array): string {
  const first = bytes[0]!;
  const isLetter = (first >= 0x41 && first <= 0x5a) || (first >= 0x61 && first <= 0x7a);
  if (isLetter) return "the stream is no TLS, but looks like text (plain HTTP, or a PROXY header?)";
  if (first >= 0x80) return "the stream is no TLS that is known today (an SSLv2 hello?)";
  if (first === ALERT) return "the stream begins with an alert";
  return `the stream is no TLS, it begins with the byte ${first}`;
}

/** A ClientHello that is larger than the bounds, and so is not read to its end. */
export class OversizedHelloError extends CulvertError {
  /** `reason` names the bound. */
  constructor(reason: string) {
    super("bad_client_hello", describe(reason));
  }
}

/** The error for a ClientHello that can't be read. */
export function badClientHello(reason: string): CulvertError {
  return new CulvertError("bad_client_hello", describe(reason));
}

function describe(reason: string): string {
  return `Cannot read the ClientHello: ${reason}`;
}
