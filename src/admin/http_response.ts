import { escapeText } from "../core/escape_text.ts";
import type { Problem } from "../config/problem/problem.ts";

/** An answer. How it is framed (its length, whether the connection goes on) is not its business. */
export interface HttpResponse {
  /** The status code, 200 to 599. */
  readonly status: number;
  /** By name. Those that every answer has need not be named. */
  readonly headers?: Readonly<Record<string, string>>;
  /** In UTF-8, if it is text. */
  readonly body: string | Uint8Array;
}

/** What an error's answer says besides its status. */
export interface ErrorBody {
  /** A stable name. */
  readonly code: string;
  /** For people. */
  readonly message: string;
  /** Everything that is wrong with what was sent; absent where the message says it all. */
  readonly problems?: readonly Problem[];
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  411: "Length Required",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  422: "Unprocessable Content",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};

/** What every answer says: it is about this moment, what it says it is, and nobody else's page may have it. */
const ALWAYS: Readonly<Record<string, string>> = {
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
};

const encoder = new TextEncoder();

/** An answer in JSON, in which control and format characters are escaped. */
export function jsonResponse(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  return {
    status,
    headers: { "Content-Type": "application/json", ...headers },
    body: `${escapeText(JSON.stringify(value))}\n`,
  };
}

/** The answer for an error: `{"error": {"code": …, "message": …}}`, with `problems` where there are any. */
export function errorResponse(
  status: number,
  error: ErrorBody,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  return jsonResponse(status, { error }, headers);
}

/**
 * The bytes of an answer. `headOnly`: to a HEAD, which is told the length and not sent the body. `close`: it is the
 * last one of its connection.
 *
 * @throws {TypeError} for a header that would end its line.
 */
export function formatResponse(
  response: HttpResponse,
  { headOnly, close }: { headOnly: boolean; close: boolean },
): Uint8Array {
  const { status } = response;
  const body = typeof response.body === "string" ? encoder.encode(response.body) : response.body;
  const headers = {
    ...ALWAYS,
    ...response.headers,
    "Content-Length": String(body.length),
    ...(close ? { "Connection": "close" } : {}),
  };
  let text = `HTTP/1.1 ${status} ${REASONS[status] ?? "Unknown"}\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[\x20-\x7e]*$/.test(value)) {
      throw new TypeError(`Cannot send the header ${name}: not one line of ASCII`);
    }
    text += `${name}: ${value}\r\n`;
  }
  const head = encoder.encode(`${text}\r\n`);
  if (headOnly) return head;
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}
