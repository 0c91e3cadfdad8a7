import { badHttp } from "./response_head.ts";

const CR = 13;
const LF = 10;
const TAB = 9;
const SEMICOLON = 0x3b;
/** Up to 4 GiB, far more than anybody sends in one chunk. */
const MAX_SIZE_DIGITS = 8;
/** What may stand behind a size, which nobody uses. */
const MAX_EXTENSION_BYTES = 256;
const MAX_TRAILER_BYTES = 8 * 1024;

type State =
  | "size"
  | "extension"
  | "size-end"
  | "data"
  | "data-return"
  | "data-end"
  | "trailer-start"
  | "trailer"
  | "trailer-end"
  | "last"
  | "done";

/**
 * Takes the chunked coding off a body, RFC 9112 section 7.1, in whatever pieces it comes. Strict: CRLF at the end
 * of each line, no blanks around a size. Extensions and trailer fields are passed over, and bounded.
 */
export class ChunkedDecoder {
  #state: State = "size";
  #sizeBytes = 0;
  /** Digits of the size, or bytes of the extension or of the trailer, so far. */
  #count = 0;

  /** Whether the last chunk and the trailer have been read. */
  get done(): boolean {
    return this.#state === "done";
  }

  /**
   * Takes the next piece, and hands on what it holds of the body, as views.
   *
   * @returns how many bytes belong to the body; fewer than there are only when it is done.
   * @throws {CulvertError} `bad_http`
   */
  decode(bytes: Uint8Array, onData: (data: Uint8Array) => void): number {
    let at = 0;
    while (at < bytes.length && this.#state !== "done") {
      if (this.#state !== "data") {
        this.#step(bytes[at++]!);
        continue;
      }
      const count = Math.min(this.#sizeBytes, bytes.length - at);
      onData(bytes.subarray(at, at + count));
      at += count;
      this.#sizeBytes -= count;
      if (this.#sizeBytes === 0) this.#state = "data-return";
    }
    return at;
  }

  #step(byte: number): void {
    switch (this.#state) {
      case "size":
        return this.#inSize(byte);
      case "extension":
        if (byte === CR) this.#state = "size-end";
        else this.#skip(byte, { maxBytes: MAX_EXTENSION_BYTES, what: "a chunk's extension" });
        return;
      case "size-end":
        this.#count = 0;
        return this.#require(byte, LF, this.#sizeBytes === 0 ? "trailer-start" : "data");
      case "data-return":
        return this.#require(byte, CR, "data-end");
      case "data-end":
        return this.#require(byte, LF, "size");
      case "trailer-start":
      case "trailer":
        return this.#inTrailer(byte);
      case "trailer-end":
        return this.#require(byte, LF, "trailer-start");
      case "last":
        return this.#require(byte, LF, "done");
    }
  }

  #inSize(byte: number): void {
    const digit = digitOf(byte);
    if (digit !== undefined) {
      if (this.#count === 0) this.#sizeBytes = 0;
      if (++this.#count > MAX_SIZE_DIGITS) throw badHttp("the size of a chunk is too long");
      this.#sizeBytes = this.#sizeBytes * 16 + digit;
    } else if (this.#count > 0 && (byte === CR || byte === SEMICOLON)) {
      this.#count = 0;
      this.#state = byte === CR ? "size-end" : "extension";
    } else throw badHttp("the size of a chunk is no number");
  }

  #inTrailer(byte: number): void {
    if (byte === CR) this.#state = this.#state === "trailer-start" ? "last" : "trailer-end";
    else {
      this.#skip(byte, { maxBytes: MAX_TRAILER_BYTES, what: "the trailer" });
      this.#state = "trailer";
    }
  }

  #skip(byte: number, { maxBytes, what }: { maxBytes: number; what: string }): void {
    if ((byte < 0x20 && byte !== TAB) || byte === 0x7f) throw badHttp(`a control character in ${what}`);
    if (++this.#count > maxBytes) throw badHttp(`${what} is too long`);
  }

  #require(byte: number, wanted: number, next: State): void {
    if (byte !== wanted) throw badHttp("a chunk does not end where it should");
    this.#state = next;
  }
}

function digitOf(byte: number): number | undefined {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : undefined;
}
