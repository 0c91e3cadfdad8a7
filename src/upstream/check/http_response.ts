import { latin1 } from "../../core/latin1.ts";
import { ChunkedDecoder } from "../../http/chunked_decoder.ts";
import type { Connection } from "../../net/connection.ts";
import { bodyFraming, HeadScanner, parseResponseHead, type ResponseHead } from "../../http/response_head.ts";
import { quoteText } from "../../core/escape_text.ts";
import { ByteWindow } from "./byte_window.ts";
import { CheckFailedError } from "./check.ts";

/** How much of a head is read. */
export const MAX_HEAD_BYTES = 16 * 1024;
/** How much of a body is searched. */
export const MAX_BODY_BYTES = 64 * 1024;
const MAX_INTERIM = 8;

/**
 * Reads the answer to one request, strictly and no further than needed. The caller owns the connection, and
 * closes it to give up.
 */
export class HttpResponse {
  readonly #connection: Connection;
  readonly #method: string;
  readonly #window = new ByteWindow(MAX_HEAD_BYTES);

  /** `method` is that of the request, which has been sent. */
  constructor(connection: Connection, options: { method: string }) {
    this.#connection = connection;
    this.#method = options.method;
  }

  /**
   * Reads the head, passing over those that are only in between (1xx).
   *
   * @throws {CheckFailedError} or {CulvertError} `bad_http`
   */
  async readHead(): Promise<ResponseHead> {
    for (let interim = 0; interim <= MAX_INTERIM; interim++) {
      const head = await this.#readOneHead();
      // Nobody has asked for another protocol: that one is an answer, if a strange one.
      if (head.status >= 200 || head.status === 101) return head;
    }
    throw new CheckFailedError(`sent more than ${MAX_INTERIM} interim answers`);
  }

  /**
   * Reads the body until `text` has come in it.
   *
   * @throws {CheckFailedError} if the body ends without it, or is longer than is searched; {CulvertError}
   * `bad_http`
   */
  async findInBody(head: ResponseHead, text: string): Promise<void> {
    const wanted = new TextEncoder().encode(text);
    const body = new ByteWindow(MAX_BODY_BYTES);
    let from = 0;
    for await (const ended of this.#receiveBody(head, body)) {
      if (body.indexOf(wanted, from) >= 0) return;
      // What has come may end with the beginning of it.
      from = Math.max(0, body.bytes.length - wanted.length + 1);
      if (ended === "cut") throw notFound(text, `which broke off: ${excerpt(body)}`);
      if (body.full) throw notFound(text, `of which ${MAX_BODY_BYTES} bytes were searched`);
    }
    throw notFound(text, `which is ${excerpt(body)}`);
  }

  async #readOneHead(): Promise<ResponseHead> {
    const window = this.#window;
    const scanner = new HeadScanner();
    for (;;) {
      const length = scanner.scan(window.bytes);
      if (length > 0) {
        const head = parseResponseHead(window.bytes.subarray(0, length));
        window.consume(length);
        return head;
      }
      if (window.full) {
        throw new CheckFailedError(`the head of its answer is longer than ${MAX_HEAD_BYTES} bytes`);
      }
      if (await window.readFrom(this.#connection)) continue;
      if (window.bytes.length === 0) throw new CheckFailedError("closed the connection without an answer");
      throw new CheckFailedError(`closed the connection within the head of its answer: ${excerpt(window)}`);
    }
  }

  /** Fills `body` from what has been read already, and then piece by piece. */
  async *#receiveBody(head: ResponseHead, body: ByteWindow): AsyncGenerator<"more" | "cut"> {
    const window = this.#window;
    const framing = bodyFraming(head, this.#method);
    const chunks = framing.kind === "chunked" ? new ChunkedDecoder() : undefined;
    let left = framing.kind === "length" ? framing.length : framing.kind === "none" ? 0 : Infinity;
    while (left > 0) {
      const { bytes } = window;
      if (chunks !== undefined) {
        chunks.decode(bytes, (data) => body.append(data));
        if (chunks.done) left = 0;
      } else {
        body.append(left < bytes.length ? bytes.subarray(0, left) : bytes);
        left -= Math.min(left, bytes.length);
      }
      window.consume(bytes.length);
      yield "more";
      if (left > 0 && !await window.readFrom(this.#connection)) {
        if (framing.kind !== "until-close") yield "cut";
        return;
      }
    }
  }
}

function notFound(text: string, where: string): CheckFailedError {
  return new CheckFailedError(`${quoteText(text)} is not in the body, ${where}`);
}

function excerpt({ bytes }: ByteWindow): string {
  return bytes.length === 0 ? "empty" : quoteText(latin1(bytes, 0, Math.min(bytes.length, 128)));
}
