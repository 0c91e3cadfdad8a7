import { quoteText } from "../../core/escape_text.ts";
import { BodyReader } from "../../http/body.ts";
import { HttpError } from "../../http/http_error.ts";
import { InputBuffer } from "../../http/input_buffer.ts";
import { latin1 } from "../../core/latin1.ts";
import { ResponseHead } from "../../http/response.ts";
import type { Connection } from "../../net/connection.ts";
import { ByteWindow } from "./byte_window.ts";
import { CheckFailedError } from "./check.ts";

/** The longest head. */
export const MAX_HEAD_BYTES = 16 * 1024;
/** The most bytes of a body that are searched. */
export const MAX_BODY_BYTES = 64 * 1024;
const MAX_TRAILER_BYTES = 8 * 1024;
const MAX_INTERIM = 8;
const FIRST_BYTES = 2048;
const SHOWN_BYTES = 128;

/**
 * Reads the response to one request, strictly and no further than needed. The caller owns the connection, and closes it to
 * abort.
 */
export class HttpCheckResponse {
  readonly #connection: Connection;
  readonly #method: string;
  readonly #input = new InputBuffer(new Uint8Array(FIRST_BYTES));
  readonly #head = new ResponseHead({ headerSize: MAX_HEAD_BYTES });

  /** `method` is that of the request. */
  constructor(connection: Connection, options: { method: string }) {
    this.#connection = connection;
    this.#method = options.method;
  }

  /**
   * Reads the head, skipping interim responses (1xx).
   *
   * @throws {CheckFailedError}
   */
  async readHead(): Promise<ResponseHead> {
    const head = this.#head;
    head.begin(this.#method);
    for (let interim = 0; interim <= MAX_INTERIM; interim++) {
      await this.#readOneHead();
      if (!head.isInterim) return head;
      head.beginNext();
    }
    throw new CheckFailedError(`sent more than ${MAX_INTERIM} interim answers`);
  }

  /**
   * Reads the body until `text` occurs in it.
   *
   * @throws {CheckFailedError} if the body ends without it, is longer than is searched, or can't be read.
   */
  async findInBody(head: ResponseHead, text: string): Promise<void> {
    const wanted = new TextEncoder().encode(text);
    const body = new ByteWindow(MAX_BODY_BYTES);
    const reader = new BodyReader({ side: "response", headerSize: MAX_TRAILER_BYTES });
    reader.begin(head, { decode: true });
    for (let from = 0;;) {
      const ended = this.#readBody(reader, body);
      if (body.indexOf(wanted, from) >= 0) return;
      // The received bytes may end with a part of the text.
      from = Math.max(0, body.bytes.length - wanted.length + 1);
      if (body.full) throw notFound(text, `of which ${MAX_BODY_BYTES} bytes were searched`);
      if (!ended && await this.#fill()) continue;
      const whole = ended || reader.end();
      throw notFound(text, `which ${whole ? "is" : "broke off:"} ${excerpt(body.bytes)}`);
    }
  }

  async #readOneHead(): Promise<void> {
    while (!this.#parseHead()) {
      if (await this.#fill()) continue;
      if (this.#input.length === 0) throw new CheckFailedError("closed the connection without an answer");
      throw new CheckFailedError(`closed the connection within the head of its answer: ${this.#excerpt()}`);
    }
  }

  #parseHead(): boolean {
    try {
      return this.#head.parse(this.#input);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      throw new CheckFailedError(`${error.message}; it begins with ${this.#excerpt()}`, { cause: error });
    }
  }

  /** Moves received bytes to the body. Returns whether it is complete. */
  #readBody(reader: BodyReader, body: ByteWindow): boolean {
    try {
      const done = reader.read(this.#input);
      body.append(this.#input.bytes.subarray(reader.passStart, reader.passEnd));
      return done;
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      throw new CheckFailedError(error.message, { cause: error });
    }
  }

  /** Waits for more. False at the end of the stream. */
  async #fill(): Promise<boolean> {
    const count = await this.#connection.read(this.#input.room());
    this.#input.end += count ?? 0;
    return count !== null;
  }

  #excerpt(): string {
    const { bytes, start, end } = this.#input;
    return excerpt(bytes.subarray(start, end));
  }
}

function notFound(text: string, where: string): CheckFailedError {
  return new CheckFailedError(`${quoteText(text)} is not in the body, ${where}`);
}

function excerpt(bytes: Uint8Array): string {
  if (bytes.length === 0) return "empty";
  return quoteText(latin1(bytes, 0, Math.min(bytes.length, SHOWN_BYTES)));
}
