import { Buffer } from "node:buffer";
import { escapeText } from "../core/escape_text.ts";
import type { Field } from "./header_rules.ts";
import { httpDate } from "./http_date.ts";
import type { ErrorPage } from "./options.ts";

/** How an answer of the proxy itself is written. */
export interface AnswerOptions {
  /** What the client takes: the value of Accept. @default text */
  readonly accept?: string | undefined;
  /** Told to the client, so that the line in the log can be found. */
  readonly requestId?: string | undefined;
  /** Pages in the place of generated content. */
  readonly errors?: Readonly<Record<number, ErrorPage>> | undefined;
  /** Seconds, for Retry-After. */
  readonly retryAfter?: number | undefined;
  /** The methods, for Allow. */
  readonly allow?: string | undefined;
  /** The target of a redirect, for Location. */
  readonly location?: string | undefined;
  /** The request was HEAD: the content is left out, and its length is sent. @default {false} */
  readonly isHead?: boolean | undefined;
  /** The connection is closed after it. @default {false} */
  readonly close?: boolean | undefined;
  /** The client speaks HTTP/1.0 and keeps the connection. @default {false} */
  readonly keepAlive?: boolean | undefined;
  /** Further fields. @default none */
  readonly fields?: readonly Field[] | undefined;
  /** The content, with its type among `fields`, in the place of a generated one. */
  readonly body?: Uint8Array | undefined;
}

/** Reason phrases of RFC 9110 section 15 and RFC 6585. */
const PHRASES: Readonly<Record<number, string>> = {
  200: "OK",
  201: "Created",
  202: "Accepted",
  204: "No Content",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  418: "I'm a teapot",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  426: "Upgrade Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  451: "Unavailable For Legal Reasons",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};

const CLASSES = ["Informational", "OK", "Redirection", "Client Error", "Server Error"];

/** What is said to people, besides the phrase. Nothing of backends. */
const SENTENCES: Readonly<Record<number, string>> = {
  404: "There is nothing at this address.",
  405: "This method can't be used here.",
  408: "The request did not come in time.",
  413: "The request is too large.",
  414: "The address is too long.",
  429: "There were too many requests.",
  431: "The fields of the request are too large.",
  502: "The server gave no valid answer.",
  503: "The service is not available at the moment.",
  504: "The server did not answer in time.",
};

type Kind = "text" | "html" | "json";
const TYPES: Readonly<Record<Kind, string>> = {
  text: "text/plain; charset=utf-8",
  html: "text/html; charset=utf-8",
  json: "application/json",
};
/** As much of Accept is looked at, in characters. */
const MAX_ACCEPT = 1024;
const NO_BODY = new Uint8Array();
const encoder = new TextEncoder();

/** The reason phrase of a status. */
export function reasonPhrase(status: number): string {
  return PHRASES[status] ?? CLASSES[Math.floor(status / 100) - 1] ?? "Unknown";
}

/** An answer of the proxy itself, from its status line to the end of its content. */
export function ownAnswer(status: number, options: AnswerOptions): Uint8Array {
  const { body, fields } = contentOf(status, options);
  const hasBody = status !== 204 && status !== 304;
  const lines = [`HTTP/1.1 ${status} ${reasonPhrase(status)}`, `Date: ${httpDate()}`];
  const { location, allow, retryAfter, close = false, keepAlive = false, isHead = false } = options;
  if (location !== undefined) lines.push(`Location: ${location}`);
  if (allow !== undefined) lines.push(`Allow: ${allow}`);
  if (retryAfter !== undefined) lines.push(`Retry-After: ${retryAfter}`);
  for (const [name, value] of fields) lines.push(`${name}: ${value}`);
  if (hasBody) lines.push(`Content-Length: ${body.length}`);
  if (close) lines.push("Connection: close");
  else if (keepAlive) lines.push("Connection: keep-alive");
  const head = `${lines.join("\r\n")}\r\n\r\n`;
  return concat(head, hasBody && !isHead ? body : NO_BODY);
}

/** How many bytes of content an answer has. */
export function contentBytes(answer: Uint8Array): number {
  const { buffer, byteOffset, length } = answer;
  return length - Buffer.from(buffer as ArrayBuffer, byteOffset, length).indexOf("\r\n\r\n") - 4;
}

function contentOf(status: number, options: AnswerOptions): { body: Uint8Array; fields: readonly Field[] } {
  const { body, fields = [], errors, accept } = options;
  if (body !== undefined) return { body, fields };
  const page = errors?.[status];
  if (page !== undefined) return { body: page.body, fields: [["Content-Type", page.type], ...fields] };
  const kind = preferredKind(accept);
  const type: Field = ["Content-Type", TYPES[kind]];
  return { body: encoder.encode(generate(kind, status, options.requestId)), fields: [type, ...fields] };
}

function generate(kind: Kind, status: number, requestId: string | undefined): string {
  const title = `${status} ${reasonPhrase(status)}`;
  const sentence = SENTENCES[status];
  const id = requestId === undefined ? undefined : escapeText(requestId);
  if (kind === "json") {
    return `${JSON.stringify({ status, error: reasonPhrase(status), message: sentence, requestId: id })}\n`;
  }
  if (kind === "text") {
    return [title, sentence, id && `Request: ${id}`].filter(Boolean).join("\n") + "\n";
  }
  const paragraphs = [sentence, id && `Request: <code>${escapeHtml(id)}</code>`].filter(Boolean);
  return `<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>${title}</title>\n<h1>${title}</h1>\n${
    paragraphs.map((text) => `<p>${text}</p>\n`).join("")
  }</html>\n`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** What a client would rather have: the highest weight, then what it names, then the first of JSON, HTML and text. */
function preferredKind(accept: string | undefined): Kind {
  if (accept === undefined || accept.length > MAX_ACCEPT) return "text";
  const ranges = accept.split(",").map(readRange);
  let best: Kind = "text";
  let bestScore = 0;
  for (const kind of ["json", "html", "text"] as const) {
    const score = scoreOf(kind, ranges);
    // If only a wildcard matches, text is the default.
    if (score > bestScore || (score === bestScore && score <= 1 && kind === "text")) {
      [best, bestScore] = [kind, score];
    }
  }
  return best;
}

interface Range {
  readonly type: string;
  readonly weight: number;
}

function readRange(text: string): Range {
  const [type = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
  const value = weight === undefined ? 1 : Number(weight);
  return { type, weight: value >= 0 && value <= 1 ? value : 0 };
}

/** The weight of a kind, RFC 9110 section 12.5.1; of the same weights, one that is named counts for more. */
function scoreOf(kind: Kind, ranges: readonly Range[]): number {
  const group = kind === "json" ? "application/*" : "text/*";
  const named = ranges.find(({ type }) => isOfKind(type, kind));
  if (named !== undefined) return named.weight === 0 ? 0 : named.weight + 0.0005;
  const range = ranges.find(({ type }) => type === group) ?? ranges.find(({ type }) => type === "*/*");
  return range?.weight ?? 0;
}

function isOfKind(type: string, kind: Kind): boolean {
  if (kind === "text") return type === "text/plain";
  if (kind === "html") return type === "text/html" || type === "application/xhtml+xml";
  return type === "application/json" || /^application\/[\w.-]+\+json$/.test(type);
}

function concat(head: string, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(head.length + body.length);
  // A character of a head is a byte.
  for (let i = 0; i < head.length; i++) bytes[i] = head.charCodeAt(i);
  bytes.set(body, head.length);
  return bytes;
}
