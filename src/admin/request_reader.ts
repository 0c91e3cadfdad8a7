import { badMessage, HttpError } from "../http/http_error.ts";
import { InputBuffer } from "../http/input_buffer.ts";
import { fieldId } from "../http/known_fields.ts";
import { RequestHead } from "../http/request.ts";
import type { Connection } from "../net/connection.ts";

/** The head of a request to the admin server. */
export interface AdminRequestHead {
  /** As it was sent: methods are case-sensitive. */
  readonly method: string;
  /** In its normal form; what of it is encoded stays so, an encoded slash too. `*` for the server as a whole. */
  readonly path: string;
  /** What comes after the `?`; empty without one. Not decoded. */
  readonly query: string;
  /** The protocol's version. */
  readonly version: "1.0" | "1.1";
  /** By name in lower case. Several values of one name are joined by `, `; `host` is that of a URL as target. */
  readonly headers: ReadonlyMap<string, string>;
  /** The length of the body in bytes; absent if Content-Length is. */
  readonly contentLength?: number;
  /** Whether the connection may be used again. Not in HTTP/1.0. */
  readonly keepAlive: boolean;
  /** Whether the client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}

/** The most bytes of a head, with its request line and the empty line. */
export const MAX_REQUEST_HEAD_BYTES = 16 * 1024;
const BUFFER_BYTES = 4096;

const HOST = fieldId("host");
/** Of these there may be one: the first and the last of two need not say the same. */
const SINGLE = [fieldId("origin"), fieldId("content-type")];

/**
 * Reads one HTTP/1 request after the other from a connection. What comes too early is kept for the next one. Memory is
 * bounded: 16 KiB for a head, and a body's memory follows what has come, not what has been announced.
 *
 * The caller owns the connection and sees to the deadlines: closing the connection makes what waits reject.
 */
export class RequestReader {
  readonly #connection: Connection;
  readonly #input = new InputBuffer(new Uint8Array(BUFFER_BYTES));
  readonly #head = new RequestHead({ headerSize: MAX_REQUEST_HEAD_BYTES, encodedSlashes: "keep" });

  /** Reads nothing yet. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** How many bytes have been read ahead. */
  get buffered(): number {
    return this.#input.length;
  }

  /** Waits for the first byte of a request. False when the stream ends instead. */
  async awaitRequest(): Promise<boolean> {
    return this.buffered > 0 || await this.#fill();
  }

  /**
   * Reads the next head, strictly ({@linkcode RequestHead}). A byte that cannot be there is refused without waiting for
   * more. A body in chunks is refused (411), as RFC 9112 section 6.3 allows.
   *
   * @throws {HttpError} for anything else, an end of the stream within the head included; or what the connection's
   * `read` throws.
   */
  async readHead(): Promise<AdminRequestHead> {
    const head = this.#head;
    head.begin();
    while (!head.parse(this.#input)) {
      const seen = this.#input.length;
      if (!await this.#fill()) throw badMessage("request", `the stream ends after ${seen} bytes of the head`);
    }
    if (head.bodyKind === "chunked") {
      const message = "Cannot read the body: expected a Content-Length, no chunks";
      throw new HttpError("length_required", message, { status: 411 });
    }
    if (SINGLE.some((id) => head.fields.isRepeated(id))) {
      throw badMessage("request", "Origin or Content-Type is there twice");
    }
    return describe(head);
  }

  /**
   * Reads a body of so many bytes, which the caller has found to be bearable.
   *
   * @throws {HttpError} when the stream ends within it; or what the connection's `read` throws.
   */
  async readBody(lengthBytes: number): Promise<Uint8Array> {
    let body = new Uint8Array(Math.min(lengthBytes, Math.max(BUFFER_BYTES, this.buffered)));
    const ahead = Math.min(lengthBytes, this.buffered);
    const { bytes, start } = this.#input;
    body.set(bytes.subarray(start, start + ahead));
    this.#input.start += ahead;
    for (let filled = ahead; filled < lengthBytes;) {
      if (filled === body.length) body = enlarge(body, Math.min(lengthBytes, 2 * body.length));
      const count = await this.#connection.read(body.subarray(filled));
      if (count === null) {
        throw badMessage("request", `the stream ends after ${filled} of ${lengthBytes} bytes of the body`);
      }
      filled += count;
    }
    return body;
  }

  /** Reads and forgets, until the stream ends or so many bytes have come. */
  async discard(maxBytes: number): Promise<void> {
    this.#input.clear();
    for (let count = 0; count < maxBytes;) {
      const more = await this.#connection.read(this.#input.bytes);
      if (more === null) return;
      count += more;
    }
  }

  /** Reads once, behind what is there. False at the end of the stream. */
  async #fill(): Promise<boolean> {
    const count = await this.#connection.read(this.#input.room());
    if (count === null) return false;
    this.#input.end += count;
    return true;
  }
}

function describe(head: RequestHead): AdminRequestHead {
  const { fields } = head;
  const headers = new Map<string, string>();
  for (let i = 0; i < fields.count; i++) {
    const name = fields.name(i);
    const before = headers.get(name);
    headers.set(name, before === undefined ? fields.value(i) : `${before}, ${fields.value(i)}`);
  }
  if (fields.indexOf(HOST) !== -1) headers.set("host", head.authority);
  return {
    method: head.method,
    path: head.path,
    query: head.query.slice(1),
    version: head.minor === 0 ? "1.0" : "1.1",
    headers,
    ...(headers.has("content-length") ? { contentLength: head.contentLength } : {}),
    keepAlive: head.keepAlive && head.minor === 1,
    expectsContinue: head.expectsContinue,
  };
}

function enlarge(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(length);
  larger.set(bytes);
  return larger;
}
