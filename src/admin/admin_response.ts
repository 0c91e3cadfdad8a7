import { escapeText } from "../core/escape_text.ts";
import { jsonInSlices } from "../core/json_slices.ts";
import type { Problem } from "../config/problem/problem.ts";
import type { StreamOutput } from "./live/live_feed.ts";

/** A response of the admin API. The session adds its length and whether the connection is kept. */
export interface AdminResponse {
  /** The status code, 200 to 599. */
  readonly status: number;
  /** By name, besides those of every response. */
  readonly headers?: Readonly<Record<string, string>>;
  /** In UTF-8, if it is text. */
  readonly body: string | Uint8Array;
  /**
   * Writes a body of unknown length after `body`, which ends with the connection. Resolves when it is done, soon after
   * the output is aborted.
   */
  readonly stream?: (out: StreamOutput) => Promise<void>;
}

/** The body of an error response. */
export interface ErrorBody {
  /** A stable name. */
  readonly code: string;
  /** For humans. */
  readonly message: string;
  /** Every problem of the request; absent if the message is sufficient. */
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

/** The headers of every response: no caching, no content sniffing, no use by pages of other origins. */
const ALWAYS: Readonly<Record<string, string>> = {
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
};

const encoder = new TextEncoder();

/** A JSON response, in which control and format characters are escaped. */
export function jsonResponse(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): AdminResponse {
  return {
    status,
    headers: { "Content-Type": "application/json", ...headers },
    body: `${escapeText(JSON.stringify(value))}\n`,
  };
}

/** As {@linkcode jsonResponse}, written in slices: a status has all backends. */
export async function largeJsonResponse(status: number, value: unknown): Promise<AdminResponse> {
  const body = `${await jsonInSlices(value, escapeText)}\n`;
  return { status, headers: { "Content-Type": "application/json" }, body };
}

/** An error response: `{"error": {"code": …, "message": …}}`, with `problems` if there are any. */
export function errorResponse(
  status: number,
  error: ErrorBody,
  headers: Readonly<Record<string, string>> = {},
): AdminResponse {
  return jsonResponse(status, { error }, headers);
}

/**
 * The bytes of a response. `headOnly`: without the body, for HEAD. `close`: the last response on its connection.
 *
 * @throws {TypeError} if a header value is not one line of ASCII.
 */
export function formatResponse(
  response: AdminResponse,
  { headOnly, close }: { headOnly: boolean; close: boolean },
): Uint8Array {
  const { status } = response;
  const body = typeof response.body === "string" ? encoder.encode(response.body) : response.body;
  const headers = {
    ...ALWAYS,
    ...response.headers,
    ...(response.stream === undefined ? { "Content-Length": String(body.length) } : {}),
    ...(close ? { "Connection": "close" } : {}),
  };
  let text = `HTTP/1.1 ${status} ${REASONS[status] ?? "Unknown"}\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[\x20-\x7e]*$/.test(value)) {
      throw new TypeError(`Cannot send the header "${name}": expected one line of ASCII`);
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
