import type { HeadLimits } from "./field_section.ts";
import { badMessage } from "./http_error.ts";
import { InputBuffer } from "./input_buffer.ts";
import { MessageBody, piecesOf } from "./message_body.ts";
import { listFields, type ParsedResponseHead, type ParserEvents } from "./parser_events.ts";
import { ResponseHead } from "./response.ts";

/** The request that a response answers. */
export interface ExpectedResponse {
  /** Its method, as it was sent. */
  readonly method: string;
  /** The protocols that it asked for in Upgrade, in lower case. @default {[]} */
  readonly upgrade?: readonly string[];
}

/** More heads before the final one than any server needs. */
const MAX_INTERIM = 32;
const FIRST_BYTES = 4096;

/**
 * Reads the responses that come on one connection, HTTP/1.0 and 1.1 after RFC 9112: bytes in, in any pieces; heads,
 * data and ends out, the same for any pieces. As strict as {@linkcode RequestParser}, and as frugal.
 *
 * @example
 * ```ts
 * import { ResponseParser } from "@culvert/culvert";
 *
 * const parser = new ResponseParser({
 *   onHead: ({ status }) => console.log(status), // 200
 *   onData: (data) => console.log(new TextDecoder().decode(data)), // hello
 *   onEnd: (trailers) => console.log(trailers), // [["etag", "1"]]
 * });
 * const text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nETag: 1\r\n\r\n";
 * parser.expect({ method: "GET" });
 * parser.push(new TextEncoder().encode(text));
 * ```
 */
export class ResponseParser {
  readonly #events: ParserEvents<ParsedResponseHead>;
  readonly #head: ResponseHead;
  readonly #body: MessageBody;
  readonly #input = new InputBuffer(new Uint8Array(FIRST_BYTES));
  readonly #expected: ExpectedResponse[] = [];
  #state: "idle" | "head" | "body" | "upgraded" = "idle";
  #interim = 0;
  /** What has been wrong: nothing that comes later can be trusted. */
  #fault: unknown;

  /** Reads nothing yet. */
  constructor(events: ParserEvents<ParsedResponseHead>, limits: HeadLimits = {}) {
    this.#events = events;
    this.#head = new ResponseHead(limits);
    this.#body = new MessageBody(events as ParserEvents<never>, { ...limits, side: "response" });
  }

  /** Whether the connection has changed to the protocol that was asked for; what follows is not read. */
  get upgraded(): boolean {
    return this.#state === "upgraded";
  }

  /** Expects one more response, behind those that are expected already. */
  expect(request: ExpectedResponse): void {
    this.#expected.push(request);
    if (this.#state === "idle") this.#begin();
  }

  /**
   * Takes the next bytes, and tells what they bring. The bytes stay the caller's.
   *
   * @returns how many bytes have been taken: all of them, but for what follows a change of protocol.
   * @throws {HttpError} for what must not be passed on, more than 32 interim responses and bytes that no request has
   * asked for included. The parser is of no use from then on, and throws it again.
   */
  push(bytes: Uint8Array): number {
    if (this.#fault !== undefined) throw this.#fault;
    let taken = 0;
    try {
      for (const piece of piecesOf(bytes)) {
        if (this.#state === "upgraded") break;
        this.#input.append(piece);
        this.#read();
        taken += piece.length;
      }
    } catch (error) {
      this.#fault = error;
      throw error;
    }
    const ahead = this.#state === "upgraded" ? this.#input.length : 0;
    if (ahead > 0) this.#input.clear();
    return taken - ahead;
  }

  /**
   * The server has ended its side: that ends a body whose end is not marked in another way.
   *
   * @throws {HttpError} if a response was under way or expected, and is not complete with that.
   */
  end(): void {
    if (this.#fault !== undefined) throw this.#fault;
    if (this.#state === "idle" || this.#state === "upgraded") return;
    if (this.#state === "body" && this.#body.end() && this.#expected.length === 0) this.#state = "idle";
    else throw this.#fault = badMessage("response", "the connection ends within it");
  }

  #begin(): void {
    const request = this.#expected.shift();
    this.#state = request === undefined ? "idle" : "head";
    this.#interim = 0;
    if (request !== undefined) this.#head.begin(request.method, request.upgrade?.join(","));
  }

  #read(): void {
    while (this.#state !== "upgraded") {
      if (this.#state === "head" && !this.#readHead()) return;
      if (this.#state === "body") {
        if (!this.#body.read(this.#input)) return;
        this.#begin();
      }
      if (this.#state === "idle") {
        if (this.#input.length === 0) return;
        throw badMessage("response", "it answers no request");
      }
    }
  }

  /** Whether there is more to be done with what has come. */
  #readHead(): boolean {
    const head = this.#head;
    if (!head.parse(this.#input)) return false;
    this.#events.onHead(describe(head));
    if (head.isUpgrade) this.#state = "upgraded";
    else if (!head.isInterim) {
      this.#body.begin(head);
      this.#state = "body";
    } else {
      if (++this.#interim > MAX_INTERIM) throw badMessage("response", "too many interim responses");
      head.beginNext();
    }
    return true;
  }
}

function describe(head: ResponseHead): ParsedResponseHead {
  const { status, reason, bodyKind, contentLength, reusable } = head;
  return {
    ...{ status, reason, reusable },
    version: head.minor === 0 ? "1.0" : "1.1",
    fields: listFields(head.fields, { kept: false }),
    body: bodyKind,
    ...(bodyKind === "length" ? { contentLength } : {}),
  };
}
