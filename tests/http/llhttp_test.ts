import { assertEquals } from "@std/assert";
import { RequestParser, ResponseParser } from "../../src/mod.ts";
import { Llhttp } from "../support/llhttp.ts";
import { ACCEPTED_REQUESTS } from "./accepted_requests.ts";
import { GOOD_BODIES } from "./chunked_bodies.ts";
import { decode, encode } from "./read_head.ts";
import { GOOD_RESPONSES } from "./responses.ts";

/** What two readers must agree on. */
interface Read {
  target: string;
  fields: string[][];
  body: string;
  complete: boolean;
}

const MAX_BYTES = 128 * 1024;

function readByLlhttp(bytes: Uint8Array, kind: "request" | "response"): Read | string {
  const read: Read = { target: "", fields: [], body: "", complete: false };
  let inValue = true;
  let inTrailers = false;
  const events = {
    onUrl: (at: number, length: number) => void (read.target += parser.text(at, length)),
    onField(at: number, length: number) {
      if (inTrailers) return;
      if (inValue) read.fields.push(["", ""]);
      inValue = false;
      read.fields.at(-1)![0] += parser.text(at, length).toLowerCase();
    },
    onValue(at: number, length: number) {
      inValue = true;
      if (!inTrailers) read.fields.at(-1)![1] += parser.text(at, length);
    },
    onHeadersComplete: () => void (inTrailers = true),
    onBody: (at: number, length: number) => void (read.body += parser.text(at, length)),
    onMessageComplete: () => void (read.complete = true),
  };
  const parser = new Llhttp(kind, { events, maxBytes: MAX_BYTES });
  const error = parser.execute(bytes);
  if (error !== 0) return `error ${error}`;
  if (!read.complete) parser.finish();
  for (const field of read.fields) field[1] = field[1]!.replace(/[ \t]+$/, "");
  return read;
}

function readByUs(bytes: Uint8Array, kind: "request" | "response"): Read {
  const read: Read = { target: "", fields: [], body: "", complete: false };
  const events = {
    onHead(head: { target?: string; fields: readonly (readonly [string, string])[] }) {
      read.target = head.target ?? "";
      read.fields = head.fields.map(([name, value]) => [name, value]);
    },
    onData: (data: Uint8Array) => void (read.body += decode(data)),
    onEnd: () => void (read.complete = true),
  };
  const parser = kind === "request" ? new RequestParser(events) : new ResponseParser(events);
  if (parser instanceof ResponseParser) parser.expect({ method: "GET" });
  parser.push(bytes);
  parser.end();
  return read;
}

/** The body that the head of a corpus announces. */
function withBody(text: string): string {
  if (/\r\ntransfer-encoding:/i.test(text)) return `${text}3\r\nabc\r\n0\r\n\r\n`;
  return /\r\ncontent-length:\s*0*5\s*\r\n/i.test(text) ? `${text}hello` : text;
}

/** What differs, and what llhttp refuses. */
function compare(messages: readonly (readonly [what: string, text: string])[], kind: "request" | "response") {
  const refused: string[] = [];
  for (const [what, text] of messages) {
    const bytes = encode(text);
    const theirs = readByLlhttp(bytes, kind);
    if (typeof theirs === "string") refused.push(what);
    else assertEquals(readByUs(bytes, kind), theirs, what);
  }
  return refused;
}

Deno.test("requests that are taken mean the same to llhttp", () => {
  const messages = ACCEPTED_REQUESTS
    // The body of such a length can't be sent here, and behind an upgrade llhttp stops.
    .filter(([what]) => !/2\^53|upgrade/.test(what))
    .map(([what, text]) => [what, withBody(text)] as const);
  // It knows a list of methods, and takes no tab behind a coding.
  const refused = compare(messages, "request").filter((what) => !what.startsWith("the method "));
  assertEquals(refused, ["chunks in capitals with white space"]);
});

Deno.test("chunked bodies that are taken mean the same to llhttp", () => {
  const head = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const messages = GOOD_BODIES.map(([what, text]) => [what, head + text] as const);
  assertEquals(compare(messages, "request"), [
    "white space in an extension",
    // Such a field is not forwarded.
    "a trailer field that is not passed on: Content-Length: 5",
    "a trailer field that is not passed on: Transfer-Encoding: chunked",
  ]);
});

Deno.test("responses that are taken mean the same to llhttp", () => {
  const messages = GOOD_RESPONSES
    .filter(([, text, , asked]) => asked === undefined && !/^HTTP\/1.1 1/.test(text))
    .map(([what, text]) => [what, /^\S+ (?:204|304)/.test(text) ? text : withBody(text)] as const);
  assertEquals(compare(messages, "response"), []);
});
