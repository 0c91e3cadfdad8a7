import { Buffer } from "node:buffer";
import { clientLeft } from "../proxy_error.ts";

/** Fields that frame the message or are about what a `Request` can't carry; the framing is written again. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "upgrade",
  "te",
  "trailer",
]);
/** Methods whose requests without a body say so. */
const WITH_CONTENT: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);
const URL_PARTS = /^(https?)(\+unix|\+vsock)?:\/\/([^/?#]*)([^#]*)/i;
/** What ends the authority of a URL, or is no part of a host. */
const NO_HOST = /[/?#@\\]/;
const NO_WORD = /[^\x21-\x7e]/g;
// deno-lint-ignore no-control-regex
const NO_VALUE = /[^\x01-\x09\x0b\x0c\x0e-\xff]/g;
/** A character that no message may have (DEL). */
const REFUSED = "\x7f";
const CRLF = new Uint8Array([0x0d, 0x0a]);
const LAST_CHUNK = new TextEncoder().encode("0\r\n\r\n");

/** Where a request was sent, by its URL, of which nothing is changed. */
export interface RequestedUrl {
  readonly isTls: boolean;
  /** As it was written. */
  readonly authority: string;
  /** The port that was asked for; 0 for a unix socket. */
  readonly port: number;
  /** Path and query, as they were written. */
  readonly target: string;
}

/** Where a request was sent. What is wrong with it is left as it is, for what reads the bytes to refuse. */
export function readRequestedUrl({ url, headers }: Request): RequestedUrl {
  const host = headers.get("host");
  const [, scheme, transport, named = "", rest = ""] = URL_PARTS.exec(url) ?? [];
  if (scheme === undefined) return { isTls: false, authority: host ?? "", port: 80, target: url };
  const isTls = scheme.toLowerCase() === "https";
  const port = Number(/:(\d+)$/.exec(named)?.[1] ?? (isTls ? 443 : 80));
  const target = rest.startsWith("/") ? rest : `/${rest}`;
  // A server writes Host into the URL as it came: a part of it must not become one of the path.
  if (host !== null && NO_HOST.test(host)) return { isTls, authority: host, port, target };
  if (transport === undefined) return { isTls, authority: named, port, target };
  // Without Host, what the runtime has in its place is the path of the socket.
  return { isTls, authority: host === null ? "localhost" : named, port: 0, target };
}

/**
 * A `Request` as the bytes of HTTP/1.1. Its body is read as it is asked for. A body that is not as long as its
 * Content-Length says is an error: what is left or missing would become part of another message.
 */
export class RequestBytes {
  /** The next bytes, in order. */
  #pieces: Uint8Array[];
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  /** Bytes that are still to come of a body with a length; in chunks: `undefined`. */
  #left: number | undefined;

  private constructor(
    head: Uint8Array,
    { reader, left, first }: {
      reader?: ReadableStreamDefaultReader<Uint8Array> | undefined;
      left?: number | undefined;
      first?: Uint8Array | undefined;
    },
  ) {
    this.#pieces = [head];
    this.#reader = reader;
    this.#left = left;
    if (first !== undefined) this.#append(first);
  }

  /** Reads the first bytes of a body of which nothing else tells whether there is one. */
  static async of(request: Request, url: RequestedUrl): Promise<RequestBytes> {
    const { headers, body, method } = request;
    if (request.bodyUsed) throw new TypeError("Cannot forward the request: its body has been used");
    if (body === null) {
      return new RequestBytes(writeHead(request, url, WITH_CONTENT.has(method) ? "0" : undefined), {});
    }
    const reader = body.getReader();
    const length = headers.get("content-length");
    if (length !== null && !headers.has("transfer-encoding")) {
      // Any other text than a number is refused by what reads it.
      return new RequestBytes(writeHead(request, url, length), { reader, left: Number(length) });
    }
    if (headers.has("transfer-encoding")) {
      return new RequestBytes(writeHead(request, url, "chunked"), { reader });
    }
    const first = await firstBytes(reader);
    if (first !== undefined) return new RequestBytes(writeHead(request, url, "chunked"), { reader, first });
    return new RequestBytes(writeHead(request, url, WITH_CONTENT.has(method) ? "0" : undefined), {});
  }

  /** Whether there is nothing more. */
  get done(): boolean {
    return this.#pieces.length === 0 && this.#reader === undefined;
  }

  /** Takes the next bytes, at least one unless there are no more. Rejects for a body that breaks. */
  async read(buffer: Uint8Array): Promise<number> {
    while (this.#pieces.length === 0 && this.#reader !== undefined) {
      const { done, value } = await this.#reader.read();
      if (done) this.#end();
      else this.#append(value);
    }
    return this.#copy(buffer);
  }

  /** Nothing more is read. */
  cancel(reason: unknown): void {
    this.#pieces = [];
    this.#reader?.cancel(reason).catch(() => {});
    this.#reader = undefined;
  }

  #copy(buffer: Uint8Array): number {
    let at = 0;
    while (at < buffer.length && this.#pieces.length > 0) {
      const [piece] = this.#pieces;
      const count = Math.min(piece!.length, buffer.length - at);
      buffer.set(piece!.subarray(0, count), at);
      at += count;
      if (count === piece!.length) this.#pieces.shift();
      else this.#pieces[0] = piece!.subarray(count);
    }
    return at;
  }

  #append(data: Uint8Array): void {
    if (data.length === 0) return;
    if (this.#left === undefined) {
      const size = new TextEncoder().encode(`${data.length.toString(16)}\r\n`);
      this.#pieces.push(size, data, CRLF);
      return;
    }
    if (data.length > this.#left) {
      throw new RangeError("the body of the request is longer than its Content-Length");
    }
    this.#left -= data.length;
    this.#pieces.push(data);
  }

  #end(): void {
    this.#reader = undefined;
    if (this.#left === undefined) this.#pieces.push(LAST_CHUNK);
    else if (this.#left > 0) {
      throw new RangeError("the body of the request is shorter than its Content-Length");
    }
  }
}

/** `undefined`: there is no body, or an empty one. */
async function firstBytes(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | undefined> {
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || value.length > 0) return value;
    }
  } catch (error) {
    throw clientLeft(error);
  }
}

/** `framing` is the value of Content-Length, or `chunked`; absent: there is no body. */
function writeHead(
  { method, headers }: Request,
  { authority, target }: RequestedUrl,
  framing: string | undefined,
): Uint8Array {
  const lines = [`${word(method)} ${word(target)} HTTP/1.1`, `Host: ${word(authority)}`];
  for (const [name, value] of headers) {
    // What waits for an interim response would wait in vain.
    const waits = name === "expect" && value.toLowerCase() === "100-continue";
    if (!LEFT_OUT.has(name) && !waits) lines.push(`${word(name)}: ${value.replaceAll(NO_VALUE, REFUSED)}`);
  }
  if (framing === "chunked") lines.push("Transfer-Encoding: chunked");
  else if (framing !== undefined) lines.push(`Content-Length: ${word(framing)}`);
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}

/** Text that can't end its line, or its place in it. What is not allowed there is refused by what reads it. */
function word(text: string): string {
  return text.replaceAll(NO_WORD, REFUSED);
}
