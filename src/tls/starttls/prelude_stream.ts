import { latin1 } from "../../core/latin1.ts";
import { type Connection, writeAll } from "../../net/connection.ts";
import { quoteText } from "../../core/escape_text.ts";
import { TlsHandshakeError } from "../session/handshake_errors.ts";

/** The most that a peer may send in clear before TLS begins, in bytes. */
export const MAX_PRELUDE_BYTES = 16 * 1024;
const BUFFER_BYTES = 1024;
const LF = 0x0a;
const CR = 0x0d;

/**
 * The clear text that comes before TLS, to be read piece by piece within a bound. What has been read from the
 * connection and not been taken is known, so that nothing of it can be mistaken for what came through TLS.
 *
 * The connection is not owned, and the deadline is the caller's: closing the connection makes every call reject.
 */
export class PreludeStream {
  readonly #connection: Connection;
  #buffer = new Uint8Array(BUFFER_BYTES);
  #start = 0;
  #end = 0;
  #read = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** What has been read and not been taken. A view. */
  get rest(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /**
   * The next `count` bytes, which stay. A view, good until the next call.
   *
   * @throws {TlsHandshakeError} `aborted` if the stream ends first.
   */
  async peek(count: number): Promise<Uint8Array> {
    while (this.#end - this.#start < count) await this.#fill(count);
    return this.#buffer.subarray(this.#start, this.#start + count);
  }

  /** As {@linkcode PreludeStream.peek}, and takes them. */
  async take(count: number): Promise<Uint8Array> {
    const bytes = await this.peek(count);
    this.#start += count;
    return bytes;
  }

  /**
   * The next line, without its CRLF, as Latin-1.
   *
   * @throws {TlsHandshakeError} `bad-starttls` for a line of more than `max` bytes, and for a CR, LF or NUL that is
   * no part of a line's end: programs disagree about where such a line ends.
   */
  async line(max: number): Promise<string> {
    let length = 0;
    for (let at = -1; at < 0;) {
      at = this.rest.subarray(0, max).indexOf(LF);
      if (at >= 0) length = at + 1;
      else if (this.rest.length >= max) throw badPrelude(`a line has more than ${max} bytes`);
      else await this.#fill(this.rest.length + 1);
    }
    const line = await this.take(length);
    const text = latin1(line.subarray(0, -2));
    if (length < 2 || line[length - 2] !== CR || /[\r\0]/.test(text)) {
      throw badPrelude("a line does not end with CRLF, or has a control character");
    }
    return text;
  }

  /** Writes all of it; a text as Latin-1. */
  async write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? Uint8Array.from(data, (char) => char.charCodeAt(0)) : data;
    await writeAll(this.#connection, bytes);
  }

  /** Writes the last data for the peer, and ends our side. */
  async writeLast(data: string | Uint8Array): Promise<void> {
    await this.write(data);
    await this.#connection.closeWrite();
  }

  /**
   * TLS may begin: nothing that the peer has sent in clear is left. What was sent behind the request would be taken
   * for a part of what comes through TLS (CVE-2011-0411, CVE-2021-23214, CVE-2021-23222).
   *
   * @throws {TlsHandshakeError} `plaintext-injection` if something is left.
   */
  requireEmpty(): void {
    const { length } = this.rest;
    if (length === 0) return;
    throw new TlsHandshakeError("plaintext-injection", {
      detail: `${length} unencrypted bytes followed the last message before TLS`,
    });
  }

  async #fill(count: number): Promise<void> {
    if (this.#read >= MAX_PRELUDE_BYTES) throw badPrelude(`more than ${MAX_PRELUDE_BYTES} bytes before TLS`);
    this.#makeRoom(count);
    const read = await this.#connection.read(this.#buffer.subarray(this.#end));
    if (read === null) {
      throw new TlsHandshakeError("aborted", { detail: "it closed the connection before TLS began" });
    }
    this.#end += read;
    this.#read += read;
  }

  #makeRoom(count: number): void {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#start + count <= this.#buffer.length && this.#end < this.#buffer.length) return;
    const { rest } = this;
    // Never more than what has come, and what may still come, can fill.
    if (count > this.#buffer.length) {
      this.#buffer = new Uint8Array(Math.min(2 * count, 2 * MAX_PRELUDE_BYTES));
    }
    this.#buffer.set(rest, 0);
    this.#end = rest.length;
    this.#start = 0;
  }
}

/** What came breaks the rules of the protocol that TLS is to begin in. */
export function badPrelude(why: string): TlsHandshakeError {
  return new TlsHandshakeError("bad-starttls", { detail: why });
}

/** A backend does not begin TLS. What it says about that is not to be trusted, and only shown. */
export function refusedByBackend(answer: string): TlsHandshakeError {
  return new TlsHandshakeError("starttls-refused", {
    detail: `it does not start TLS: it answered ${quoteText(answer)}`,
  });
}

/** A client goes on without TLS. */
export function withoutTls(what: string): TlsHandshakeError {
  return new TlsHandshakeError("no-starttls", { detail: `it continued without TLS: ${quoteText(what)}` });
}
