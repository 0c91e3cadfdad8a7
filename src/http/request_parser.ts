import { badMessage } from "./http_error.ts";
import { InputBuffer } from "./input_buffer.ts";
import { MessageBody, piecesOf } from "./message_body.ts";
import { listFields, type ParsedRequestHead, type ParserEvents } from "./parser_events.ts";
import { RequestHead, type RequestHeadOptions } from "./request.ts";

/** Options of a {@linkcode RequestParser}. */
export interface RequestParserOptions extends RequestHeadOptions {
  /** The most bytes of a body; 0 for no bound. @default {0} */
  readonly bodySize?: number;
}

const FIRST_BYTES = 4096;

/**
 * Reads the requests that come on one connection, HTTP/1.0 and 1.1 after RFC 9112: bytes in, in any pieces; heads, data
 * and ends out, the same for any pieces. Strict: what is outside the grammar, or what two readers could understand in
 * different ways, is refused. It holds no more than the head, or the trailer fields, that are being read, and 16 KiB.
 *
 * It opens, reads and closes nothing, and knows no time: that is the caller's.
 *
 * @example
 * ```ts
 * import { RequestParser } from "@culvert/culvert";
 *
 * const parser = new RequestParser({
 *   onHead: ({ method, path, query }) => console.log(method, path, query), // PUT /a/c ?d
 *   onData: (data) => console.log(new TextDecoder().decode(data)), // hello
 *   onEnd: () => console.log("complete"), // complete
 * });
 * const text = "PUT /a/b/../c?d HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\n\r\nhello";
 * const bytes = new TextEncoder().encode(text);
 * parser.push(bytes.subarray(0, 20));
 * parser.push(bytes.subarray(20));
 * parser.end();
 * ```
 *
 * @example What must not be served
 * ```ts
 * import { HttpError, RequestParser } from "@culvert/culvert";
 *
 * const parser = new RequestParser({ onHead: () => {} });
 * try {
 *   parser.push(new TextEncoder().encode("GET / HTTP/1.1\r\nHost : a\r\n\r\n"));
 * } catch (error) {
 *   if (!(error instanceof HttpError)) throw error;
 *   console.log(error.status, error.message); // 400 Cannot read the request: white space before a colon
 * }
 * ```
 */
export class RequestParser {
  readonly #events: ParserEvents<ParsedRequestHead>;
  readonly #head: RequestHead;
  readonly #body: MessageBody;
  readonly #input = new InputBuffer(new Uint8Array(FIRST_BYTES));
  #state: "head" | "body" | "paused" = "head";
  /** What has been wrong: nothing that comes later can be trusted. */
  #fault: unknown;

  /** Reads nothing yet. */
  constructor(events: ParserEvents<ParsedRequestHead>, options: RequestParserOptions = {}) {
    this.#events = events;
    this.#head = new RequestHead(options);
    this.#body = new MessageBody(events as ParserEvents<never>, { ...options, side: "request" });
    this.#head.begin();
  }

  /**
   * Whether the last request asks for a change of protocol: it depends on the response what the next bytes are. Until
   * {@linkcode RequestParser.resume}, nothing is read.
   */
  get paused(): boolean {
    return this.#state === "paused";
  }

  /**
   * Takes the next bytes, and tells what they bring. The bytes stay the caller's.
   *
   * @returns how many bytes have been taken: all of them, but for what follows a request that asks for a change of
   * protocol. Push the rest behind {@linkcode RequestParser.resume}, or hand it to the other protocol.
   * @throws {HttpError} for what must not be served. The parser is of no use from then on, and throws it again.
   */
  push(bytes: Uint8Array): number {
    if (this.#fault !== undefined) throw this.#fault;
    let taken = 0;
    try {
      for (const piece of piecesOf(bytes)) {
        if (this.#state === "paused") break;
        this.#input.append(piece);
        this.#read();
        taken += piece.length;
      }
    } catch (error) {
      this.#fault = error;
      throw error;
    }
    // What was looked at ahead goes back.
    const ahead = this.#state === "paused" ? this.#input.length : 0;
    if (ahead > 0) this.#input.clear();
    return taken - ahead;
  }

  /** The response to a request that asked for a change of protocol was an ordinary one: requests follow. */
  resume(): void {
    if (this.#state === "paused") this.#state = "head";
  }

  /**
   * The client has ended its side.
   *
   * @throws {HttpError} if that was within a request.
   */
  end(): void {
    if (this.#fault !== undefined) throw this.#fault;
    if (this.#state === "body" || this.#input.length > 0) {
      throw this.#fault = badMessage("request", "the connection ends within it");
    }
  }

  #read(): void {
    while (this.#state !== "paused") {
      if (this.#state === "head") {
        if (!this.#head.parse(this.#input)) return;
        this.#events.onHead(describe(this.#head));
        this.#body.begin(this.#head);
        this.#state = "body";
      }
      if (!this.#body.read(this.#input)) return;
      this.#state = this.#head.upgrade === "" ? "head" : "paused";
      this.#head.begin();
    }
  }
}

function describe(head: RequestHead): ParsedRequestHead {
  const { method, target, form, path, query, authority, bodyKind, contentLength } = head;
  return {
    ...{ method, target, form, path, query, authority },
    version: head.minor === 0 ? "1.0" : "1.1",
    fields: listFields(head.fields, { kept: false }),
    body: bodyKind,
    ...(bodyKind === "length" ? { contentLength } : {}),
    keepAlive: head.keepAlive,
    expectsContinue: head.expectsContinue,
    upgrade: head.upgrade === "" ? [] : head.upgrade.split(","),
  };
}
