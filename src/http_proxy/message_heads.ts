import type { HeadWriter } from "../http/head_writer.ts";
import { fieldId } from "../http/known_fields.ts";
import type { RequestHead } from "../http/request.ts";
import type { ResponseHead } from "../http/response.ts";
import type { Field } from "./header_rules.ts";
import { httpDate } from "./http_date.ts";

const CONTENT_LENGTH = fieldId("content-length");
const TRANSFER_ENCODING = fieldId("transfer-encoding");
const DATE = fieldId("date");

const SPACE = ascii(" ");
const VERSION = ascii(" HTTP/1.1\r\nHost: ");
const CHUNKED = ascii("Transfer-Encoding: chunked\r\n");
const UPGRADE = ascii("Connection: upgrade\r\n");
const TRAILERS = ascii("Connection: TE\r\nTE: trailers\r\n");
const UPGRADE_TRAILERS = ascii("Connection: upgrade, TE\r\nTE: trailers\r\n");
const HTTP = ascii("HTTP/1.1 ");
const CLOSE = ascii("Connection: close\r\n");
const KEEP_ALIVE = ascii("Connection: keep-alive\r\n");

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** What the head of a request to a backend is made of. */
export interface RequestTo {
  /** Its fields that are not passed on have been marked. */
  readonly request: RequestHead;
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly host: string;
}

/** Appends the head of a request to a backend, but for the fields that are added and the empty line. */
export function writeRequestHead(head: HeadWriter, { request, method, target, host }: RequestTo): void {
  const { fields, bodyKind } = request;
  head.text(method);
  head.raw(SPACE);
  head.text(target);
  head.raw(VERSION);
  head.text(host);
  head.endLine();
  head.kept(fields);
  if (bodyKind === "chunked") head.raw(CHUNKED);
  else if (fields.indexOf(CONTENT_LENGTH) !== -1) head.field("Content-Length", String(request.contentLength));
  if (request.upgrade !== "") head.raw(request.acceptsTrailers ? UPGRADE_TRAILERS : UPGRADE);
  else if (request.acceptsTrailers) head.raw(TRAILERS);
}

/** Appends fields. */
export function writeFields(head: HeadWriter, fields: readonly Field[]): void {
  for (const [name, value] of fields) head.field(name, value);
}

/** What becomes of the client's connection behind an answer; `tunnel` after 101. */
export type ConnectionEnd = "keep" | "keep-1.0" | "close" | "tunnel";

/** How the end of a body is marked for the client: as the backend tells it, or in another way. */
export type ReplyFraming = "same" | "chunked" | "until-close";

/** Appends the head of an answer to the client, but for the fields that are added and the empty line. */
export function writeResponseHead(
  head: HeadWriter,
  { response, connection, framing }: {
    response: ResponseHead;
    connection: ConnectionEnd;
    framing: ReplyFraming;
  },
): void {
  const { fields } = response;
  writeStatusLine(head, response);
  if (framing !== "same") fields.dropAll(TRANSFER_ENCODING);
  head.kept(fields);
  if (framing === "chunked") head.raw(CHUNKED);
  if (fields.indexOf(DATE) === -1) head.field("Date", httpDate());
  if (connection === "close") head.raw(CLOSE);
  else if (connection === "keep-1.0") head.raw(KEEP_ALIVE);
  else if (connection === "tunnel") head.raw(UPGRADE);
}

/** Appends the head of an interim answer. */
export function writeInterimHead(head: HeadWriter, response: ResponseHead): void {
  writeStatusLine(head, response);
  head.kept(response.fields);
  head.endLine();
}

function writeStatusLine(head: HeadWriter, response: ResponseHead): void {
  const { fields, minor, status } = response;
  if (minor === 1 && fields.count > 0) return head.range(fields.bytes, fields.base, fields.lineStart(0));
  head.raw(HTTP);
  head.text(String(status));
  head.raw(SPACE);
  head.text(response.reason);
  head.endLine();
}
