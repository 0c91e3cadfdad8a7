import { enlarge } from "../core/enlarge.ts";
import type { Connection } from "../net/connection.ts";
import {
  badRequest,
  findHeadEnd,
  headTooLarge,
  MAX_REQUEST_HEAD_BYTES,
  parseRequestHead,
  type RequestHead,
} from "./request_head.ts";

const BUFFER_BYTES = 4096;

/**
 * Reads one HTTP/1 request after the other from a connection. What comes too early is kept for the next one. Memory is
 * bounded: 16 KiB for a head, and a body's memory follows what has come, not what has been announced.
 *
 * The caller owns the connection and sees to the deadlines: closing the connection makes what waits reject.
 */
export class HttpRequestReader {
  readonly #connection: Connection;
  #buffer = new Uint8Array(BUFFER_BYTES);
  #start = 0;
  #end = 0;

  /** Reads nothing yet. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** How many bytes have come that nobody has taken yet. */
  get buffered(): number {
    return this.#end - this.#start;
  }

  /** Waits for the first byte of a request. False when the stream ends instead. */
  async awaitRequest(): Promise<boolean> {
    return this.buffered > 0 || await this.#fill();
  }

  /**
   * Reads the next head. A byte that no request begins with is refused at once, without waiting for a line.
   *
   * @throws {HttpRequestError} for anything that is no head, an end of the stream within it included; or what the
   * connection's `read` throws.
   */
  async readHead(): Promise<RequestHead> {
    for (let seen = 0;;) {
      const bytes = this.#buffer.subarray(this.#start, this.#end);
      if (bytes.length > 0 && !isLetter(bytes[0]!)) throw badRequest("it does not begin with a method");
      const length = findHeadEnd(bytes, seen);
      if (length !== -1) {
        const head = parseRequestHead(bytes.subarray(0, length));
        this.#take(length);
        return head;
      }
      if (bytes.length >= MAX_REQUEST_HEAD_BYTES) throw headTooLarge();
      seen = bytes.length;
      if (!await this.#fill()) throw badRequest(`the stream ends after ${seen} bytes of the head`);
    }
  }

  /**
   * Reads a body of so many bytes, which the caller has found to be bearable.
   *
   * @throws {HttpRequestError} when the stream ends within it; or what the connection's `read` throws.
   */
  async readBody(lengthBytes: number): Promise<Uint8Array> {
    let body = new Uint8Array(Math.min(lengthBytes, Math.max(BUFFER_BYTES, this.buffered)));
    const ahead = Math.min(lengthBytes, this.buffered);
    body.set(this.#buffer.subarray(this.#start, this.#start + ahead));
    this.#take(ahead);
    for (let filled = ahead; filled < lengthBytes;) {
      if (filled === body.length) body = enlarge(body, Math.min(lengthBytes, 2 * body.length));
      const count = await this.#connection.read(body.subarray(filled));
      if (count === null) {
        throw badRequest(`the stream ends after ${filled} of ${lengthBytes} bytes of the body`);
      }
      filled += count;
    }
    return body;
  }

  /** Reads and forgets, until the stream ends or so many bytes have come. */
  async discard(maxBytes: number): Promise<void> {
    this.#take(this.buffered);
    for (let count = 0; count < maxBytes;) {
      const more = await this.#connection.read(this.#buffer);
      if (more === null) return;
      count += more;
    }
  }

  #take(count: number): void {
    this.#start += count;
    if (this.#start === this.#end) this.#start = this.#end = 0;
  }

  /** Reads once, behind what is there. False at the end of the stream. */
  async #fill(): Promise<boolean> {
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    if (this.#end === this.#buffer.length) {
      this.#buffer = enlarge(this.#buffer, Math.min(2 * this.#end, MAX_REQUEST_HEAD_BYTES));
    }
    const count = await this.#connection.read(this.#buffer.subarray(this.#end));
    if (count === null) return false;
    this.#end += count;
    return true;
  }
}

function isLetter(byte: number): boolean {
  return (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122);
}
