import { concat } from "@std/bytes/concat";
import type { ParsedResponseHead } from "../../http/parser_events.ts";
import { ResponseParser } from "../../http/response_parser.ts";

/** Fields of one connection, or about what a `Response` can't carry. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "transfer-encoding",
  "trailer",
  "upgrade",
]);
/** Responses that have no body whatever is sent, and to which the constructor gives none. */
const NULL_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

/** Makes a `Response` of the bytes of HTTP/1.1. Its body is streamed, or whole where it has come with the head. */
export class ResponseReceiver {
  /** All of the response has come. */
  ended = false;
  /** Made as soon as the head is there. */
  response: Response | undefined;
  readonly #isHead: boolean;
  readonly #onCancel: (reason: unknown) => void;
  readonly #parser: ResponseParser;
  #head: ParsedResponseHead | undefined;
  #pieces: Uint8Array<ArrayBuffer>[] = [];
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  #onDemand: (() => void) | undefined;

  /** `onCancel` is called when the body is not wanted any more. */
  constructor(method: string, onCancel: (reason: unknown) => void) {
    this.#isHead = method === "HEAD";
    this.#onCancel = onCancel;
    this.#parser = new ResponseParser({
      onHead: (head) => {
        if (head.status >= 200) this.#head = head;
      },
      onData: (data) => this.#take(data as Uint8Array<ArrayBuffer>),
      onEnd: () => {
        this.ended = true;
      },
    });
    this.#parser.expect({ method });
  }

  /** Takes bytes. Resolves when more are wanted. */
  async push(bytes: Uint8Array): Promise<void> {
    this.#parser.push(bytes);
    const head = this.#head;
    if (head !== undefined) this.response ??= this.#respond(head);
    if (this.ended) this.#controller?.close();
    else if (this.#controller !== undefined && this.#controller.desiredSize! <= 0) {
      await new Promise<void>((resolve) => this.#onDemand = resolve);
    }
  }

  /** The response is cut short, so its body must not look whole. */
  fail(error: unknown): void {
    if (!this.ended) this.#controller?.error(error);
    this.release();
  }

  /** Lets go of what waits for the body to be read. */
  release(): void {
    const onDemand = this.#onDemand;
    this.#onDemand = undefined;
    onDemand?.();
  }

  #take(data: Uint8Array<ArrayBuffer>): void {
    if (this.#controller !== undefined) this.#controller.enqueue(data);
    else this.#pieces.push(data);
  }

  #respond({ status, reason, fields }: ParsedResponseHead): Response {
    const headers = new Headers();
    for (const [name, value] of fields) if (!LEFT_OUT.has(name)) headers.append(name, value);
    if (status === 205) headers.delete("content-length");
    return new Response(this.#body(status), { status, statusText: reason, headers });
  }

  #body(status: number): BodyInit | null {
    if (this.#isHead || NULL_BODY.has(status)) return null;
    if (this.ended) return this.#pieces.length === 0 ? null : concat(this.#pieces) as Uint8Array<ArrayBuffer>;
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
        for (const piece of this.#pieces) controller.enqueue(piece);
      },
      pull: () => this.release(),
      cancel: (reason) => {
        this.#controller = undefined;
        this.#onCancel(reason);
        this.release();
      },
    }, { highWaterMark: 0 });
  }
}
