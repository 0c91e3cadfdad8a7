import { latin1 } from "../core/latin1.ts";
import { CulvertError } from "../core/errors.ts";
import { trimBlanks } from "./response_head.ts";
import { quoteText } from "../core/escape_text.ts";

/** The head of an HTTP/1 request, read strictly. */
export interface RequestHead {
  /** As it was sent: methods are case-sensitive. */
  readonly method: string;
  /** What comes before the `?` of the target. Begins with `/`; not decoded. Visible ASCII only. */
  readonly path: string;
  /** What comes after the `?`; empty without one. Not decoded. */
  readonly query: string;
  /** The protocol's version. */
  readonly version: "1.0" | "1.1";
  /** By name in lower case. What came under one name several times is joined by `, `. */
  readonly headers: ReadonlyMap<string, string>;
  /** How long the body is, in bytes; absent where nothing is said about one, and there is none. */
  readonly contentLength?: number;
  /** Whether the connection may be used again. */
  readonly keepAlive: boolean;
  /** The client waits for a word before it sends the body. */
  readonly expectsContinue: boolean;
}

/** The most bytes of a head, with its request line and the empty line. */
export const MAX_REQUEST_HEAD_BYTES = 16 * 1024;
/** The most lines of headers. */
export const MAX_REQUEST_HEADERS = 100;

/** The request can't be taken; `status` is the answer to it, and the connection can't be used again. */
export class HttpRequestError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HttpRequestError";
  /** The status code of the answer. */
  readonly status: number;

  /** `code` is the stable name of the kind of error. */
  constructor(code: string, message: string, options: ErrorOptions & { status: number }) {
    super(code, message, options);
    this.status = options.status;
  }
}

const CR = 13;
const LF = 10;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Of these there may be one: who reads the first and who reads the last would not mean the same. */
const SINGLE = new Set(["host", "content-length", "transfer-encoding", "origin", "content-type", "expect"]);

/**
 * Where the head ends that `bytes` begins with: the number of its bytes, with its empty line; -1 if it does not end
 * there. `from` is where to go on looking, at the start of a line or within one that holds no line feed yet.
 *
 * @throws {HttpRequestError} for a line that ends in a bare line feed: it can't be told where others see its end.
 */
export function findHeadEnd(bytes: Uint8Array, from = 0): number {
  for (let at = bytes.indexOf(LF, from); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] !== CR) throw badRequest("a line ends without a carriage return");
    if (at === 1 || bytes[at - 2] === LF) return at + 1;
  }
  return -1;
}

/**
 * Reads the head of an HTTP/1.0 or 1.1 request, from its first byte to its empty line, as RFC 9110 and 9112 have it
 * and with no leniency: lines end in CRLF, no line goes on in the next one, no space stands before a colon, HTTP/1.1
 * has exactly one `Host`, and the length of a body is said once, in digits. The target must be a path, or a URL, whose
 * host then counts in the place of `Host` (RFC 9112 section 3.2.2). A body in chunks is refused (411), as RFC 9112 section 6.3 allows.
 *
 * @throws {HttpRequestError} for anything else.
 */
export function parseRequestHead(bytes: Uint8Array): RequestHead {
  if (bytes.length > MAX_REQUEST_HEAD_BYTES) throw headTooLarge();
  if (findHeadEnd(bytes) !== bytes.length) {
    throw badRequest("it is not one head, with one empty line at its end");
  }
  const lines = latin1(bytes.subarray(0, -4)).split("\r\n");
  if (bytes.length === 2) throw badRequest("the request line is empty");
  const { method, authority, target, version } = parseRequestLine(lines[0]!);
  if (lines.length - 1 > MAX_REQUEST_HEADERS) throw headTooLarge();
  const headers = new Map<string, string>();
  for (let i = 1; i < lines.length; i++) addHeader(headers, lines[i]!);
  checkHost(headers, version);
  if (authority !== undefined) headers.set("host", authority);
  const contentLength = bodyLength(headers, version);
  const question = target.indexOf("?");
  return {
    method,
    path: question === -1 ? target : target.slice(0, question),
    query: question === -1 ? "" : target.slice(question + 1),
    version,
    headers,
    ...(contentLength === undefined ? {} : { contentLength }),
    keepAlive: version === "1.1" && !hasToken(headers.get("connection"), "close"),
    expectsContinue: expectsContinue(headers, version),
  };
}

/** The head is larger than it may be. */
export function headTooLarge(): HttpRequestError {
  return new HttpRequestError(
    "head_too_large",
    `Cannot read the request: its head has more than ${MAX_REQUEST_HEAD_BYTES} bytes or ${MAX_REQUEST_HEADERS} headers`,
    { status: 431 },
  );
}

/** The request is no good; `why` goes on after a colon. */
export function badRequest(why: string): HttpRequestError {
  return new HttpRequestError("bad_request", `Cannot read the request: ${why}`, { status: 400 });
}

interface RequestLine {
  readonly method: string;
  /** Of a target that is a URL. */
  readonly authority: string | undefined;
  /** Begins with `/`. */
  readonly target: string;
  readonly version: "1.0" | "1.1";
}

function parseRequestLine(line: string): RequestLine {
  const parts = line.split(" ");
  const [method = "", written = "", protocol = ""] = parts;
  if (parts.length !== 3 || !TOKEN.test(method)) throw badRequest(`no request line: ${quoteText(line)}`);
  const version = /^HTTP\/(\d\.\d)$/.exec(protocol)?.[1];
  if (version === undefined) throw badRequest(`no HTTP version: ${quoteText(protocol)}`);
  if (version !== "1.0" && version !== "1.1") {
    throw new HttpRequestError("bad_version", `Cannot speak HTTP/${version}: expected HTTP/1.1`, {
      status: 505,
    });
  }
  // Other forms are for proxies; a fragment never leaves the client.
  const [, authority, rest = written] = /^https?:\/\/([^/?#@]+)(?=[/?]|$)(.*)$/i.exec(written) ?? [];
  const target = authority === undefined || rest.startsWith("/") ? rest : `/${rest}`;
  if (!/^\/[!-~]*$/.test(target) || target.includes("#")) {
    throw badRequest(`the target is no path: ${quoteText(written)}`);
  }
  return { method, authority, target, version };
}

function addHeader(headers: Map<string, string>, line: string): void {
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
  // A space before the colon and a folded line fail here too: neither is part of a name.
  if (!TOKEN.test(name)) throw badRequest(`no header: ${quoteText(line)}`);
  const value = trimBlanks(line.slice(colon + 1));
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) {
    throw badRequest(`a control character in the header ${quoteText(name)}`);
  }
  const before = headers.get(name);
  if (before !== undefined && SINGLE.has(name)) {
    throw badRequest(`the header ${quoteText(name)} is there twice`);
  }
  headers.set(name, before === undefined ? value : `${before}, ${value}`);
}

function checkHost(headers: ReadonlyMap<string, string>, version: string): void {
  if (version === "1.1" && !headers.has("host")) throw badRequest("the header Host is missing");
}

/** RFC 9112, section 6.3: whatever could be read in two ways is refused. */
function bodyLength(headers: ReadonlyMap<string, string>, version: string): number | undefined {
  const length = headers.get("content-length");
  if (headers.has("transfer-encoding")) {
    if (length !== undefined) throw badRequest("both Content-Length and Transfer-Encoding");
    if (version === "1.0") throw badRequest("Transfer-Encoding with HTTP/1.0");
    throw new HttpRequestError(
      "length_required",
      "Cannot read the body: expected a Content-Length, no chunks",
      {
        status: 411,
      },
    );
  }
  if (length === undefined) return undefined;
  if (!/^\d{1,15}$/.test(length)) throw badRequest(`no length of a body: ${quoteText(length)}`);
  return Number(length);
}

function expectsContinue(headers: ReadonlyMap<string, string>, version: string): boolean {
  const expectation = headers.get("expect");
  if (expectation === undefined || version === "1.0") return false;
  if (expectation.toLowerCase() === "100-continue") return true;
  throw new HttpRequestError("bad_expectation", `Cannot do as expected: ${quoteText(expectation)}`, {
    status: 417,
  });
}

function hasToken(value: string | undefined, token: string): boolean {
  return value !== undefined && value.split(",").some((part) => part.trim().toLowerCase() === token);
}
