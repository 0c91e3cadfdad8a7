import type { HttpProxyOptions } from "../../../src/http_proxy/http_proxy_options.ts";

/** One step of a client: it sends text, waits until it has received some, or ends its side. */
export type ClientStep = string | { readonly until: string } | "END";

/** What a client has to receive as one answer. */
export interface WantedAnswer {
  readonly status: number;
  /** Field lines that must be there, names in lower case. */
  readonly has?: readonly string[];
  /** Names of fields that must not be there. */
  readonly lacks?: readonly string[];
  /** The content, without its framing. */
  readonly body?: string;
  /** The answer must not look whole: its end is missing. @default {false} */
  readonly cut?: boolean;
}

/** What the origin has to receive as one request. */
export interface WantedRequest {
  /** The request line. */
  readonly line: string;
  /** Field lines that must be there, names in lower case. */
  readonly has?: readonly string[];
  /** Names of fields that must not be there. */
  readonly lacks?: readonly string[];
  /** The content, without its framing. */
  readonly body?: string;
  /** Field lines behind the body. */
  readonly trailers?: readonly string[];
}

/** One hard case: what is sent, and what both ends have to see. */
export interface StrictnessCase {
  readonly name: string;
  readonly client: readonly ClientStep[];
  /** What the origin sends for the first request. @default {DEFAULT_ANSWER} */
  readonly origin?: string;
  /** When it sends: with the head of the request, or behind its body. @default {"request"} */
  readonly answersAt?: "head" | "request";
  /** What it sends behind the body, where it has sent something with the head. @default nothing */
  readonly final?: string;
  /** What it does then. @default {"keep"} */
  readonly then?: "keep" | "close";
  /** The answers, interim ones too: a status, or more. */
  readonly answers: readonly (number | WantedAnswer)[];
  /** The complete requests; "any" where that is not looked at. @default none */
  readonly requests?: readonly (string | WantedRequest)[] | "any";
  /** Whether the connection of the client has ended then, or carries another request. @default {"closed"} */
  readonly connection?: "closed" | "open" | "any";
  /** Options of the proxy. */
  readonly options?: Partial<HttpProxyOptions>;
}

/** What the origin answers where a case does not say anything else. */
export const DEFAULT_ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** A request that is refused with one of these statuses, of which the origin sees nothing whole. */
export function refused(
  name: string,
  request: string,
  status: number,
  more: Partial<StrictnessCase> = {},
): StrictnessCase {
  return { name, client: [request], answers: [status], ...more };
}

/** A request that is served, after which the connection can be used. */
export function served(
  name: string,
  request: string,
  wanted: string | WantedRequest,
  more: Partial<StrictnessCase> = {},
): StrictnessCase {
  return { name, client: [request], answers: [200], requests: [wanted], connection: "open", ...more };
}

/** A character of a table, for the name of a case. */
export function octet(code: number): string {
  return `0x${code.toString(16).padStart(2, "0")}`;
}
