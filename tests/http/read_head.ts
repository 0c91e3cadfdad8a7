import { HttpError } from "../../src/http/http_error.ts";
import { InputBuffer } from "../../src/http/input_buffer.ts";
import { RequestHead, type RequestHeadOptions } from "../../src/http/request.ts";
import { ResponseHead } from "../../src/http/response.ts";
import type { HeadLimits } from "../../src/http/field_section.ts";
import type { FieldTable } from "../../src/http/field_table.ts";

/** A character stands for a byte. */
export function encode(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** The bytes as a string, a character for each. */
export function decode(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** What a parser says of a message: all that it tells, `more`, or the status of its error with its code. */
export type Told = string;

/** What {@linkcode readRequest} is told besides the bytes. */
export interface ReadOptions extends RequestHeadOptions {
  /** The sizes of the pieces of the bytes. */
  readonly pieces: readonly Uint8Array[];
  /** How many requests come before the one that is told of. @default {0} */
  readonly skip?: number;
}

function read(pieces: readonly Uint8Array[], parse: (input: InputBuffer) => string | undefined): Told {
  // As small as can be: each piece moves what is there.
  const input = new InputBuffer(new Uint8Array(1));
  try {
    for (const piece of pieces) {
      input.append(piece);
      const told = parse(input);
      if (told !== undefined) return told;
    }
    return "more";
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return `${error.status} ${error.code}: ${error.message}`;
  }
}

function fieldsOf(fields: FieldTable): string[] {
  return Array.from({ length: fields.count }, (_, i) => {
    const line = `${fields.name(i)}: ${fields.value(i)}`;
    return fields.isDropped(i) ? `-${line}` : line;
  });
}

function copyOf(fields: FieldTable): string {
  const target = new Uint8Array(fields.maxCopyBytes);
  return decode(target.subarray(0, fields.copyKept(target, 0)));
}

/** All that the parser tells of a request, as one JSON text. */
export function readRequest({ pieces, skip = 0, ...options }: ReadOptions): Told {
  const head = new RequestHead(options);
  let seen = 0;
  head.begin();
  return read(pieces, (input) => {
    if (!head.parse(input)) return undefined;
    if (seen++ < skip) {
      head.begin();
      return undefined;
    }
    const { method, target, form, path, routePath, query, authority, host, port, minor } = head;
    const { bodyKind, contentLength, keepAlive, expectsContinue, acceptsTrailers, upgrade } = head;
    const fields = fieldsOf(head.fields);
    const copy = copyOf(head.fields);
    return JSON.stringify({
      ...{ method, target, form, path, routePath, query, authority, host, port, minor },
      ...{ bodyKind, contentLength, keepAlive, expectsContinue, acceptsTrailers, upgrade, fields, copy },
      length: head.length,
    });
  });
}

/** What {@linkcode readResponse} is told besides the bytes. */
export interface ReadResponseOptions extends HeadLimits {
  /** The sizes of the pieces of the bytes. */
  readonly pieces: readonly Uint8Array[];
  /** Of the request. */
  readonly method?: string;
  /** Asked for by the request. */
  readonly upgrade?: string;
}

/** All that the parser tells of a response, as one JSON text. */
export function readResponse({ pieces, method = "GET", upgrade = "", ...limits }: ReadResponseOptions): Told {
  const head = new ResponseHead(limits);
  head.begin(method, upgrade);
  return read(pieces, (input) => {
    if (!head.parse(input)) return undefined;
    const { status, reason, minor, bodyKind, contentLength, reusable, isInterim, isUpgrade } = head;
    const fields = fieldsOf(head.fields);
    const copy = copyOf(head.fields);
    return JSON.stringify({
      ...{ status, reason, minor, bodyKind, contentLength, reusable, isInterim, isUpgrade, fields, copy },
      length: head.length,
    });
  });
}

/** The bytes in two pieces, cut at every place, and each byte by itself. */
export function* splits(bytes: Uint8Array): Generator<Uint8Array[]> {
  for (let at = 1; at < bytes.length; at++) yield [bytes.subarray(0, at), bytes.subarray(at)];
  yield Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
}
