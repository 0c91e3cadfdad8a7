import { assertEquals, assertThrows } from "@std/assert";
import { HttpError, RequestParser, type RequestParserOptions, ResponseParser } from "../../src/mod.ts";
import type { ExpectedResponse, ParserEvents } from "../../src/mod.ts";
import { decode, encode, splits } from "./read_head.ts";

/** Events as they come, data that comes in pieces as one. */
class Recorder implements ParserEvents<unknown> {
  readonly told: unknown[] = [];

  onHead(head: unknown): void {
    this.told.push(head);
  }

  onData(data: Uint8Array): void {
    const last = this.told.at(-1);
    const text = decode(data);
    if (typeof last === "string") this.told[this.told.length - 1] = last + text;
    else this.told.push(text);
  }

  onEnd(trailers: unknown): void {
    this.told.push({ trailers });
  }
}

function readRequests(pieces: readonly Uint8Array[], options: RequestParserOptions = {}): unknown[] {
  const recorder = new Recorder();
  const parser = new RequestParser(recorder, options);
  try {
    for (const piece of pieces) {
      const taken = parser.push(piece);
      if (taken < piece.length) recorder.told.push({ left: decode(piece.subarray(taken)) });
    }
    parser.end();
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    recorder.told.push({ status: error.status, code: error.code });
    assertEquals(assertThrows(() => parser.push(encode("x"))), error);
    assertEquals(assertThrows(() => parser.end()), error);
  }
  return recorder.told;
}

function readResponses(pieces: readonly Uint8Array[], expected: readonly ExpectedResponse[]): unknown[] {
  const recorder = new Recorder();
  const parser = new ResponseParser(recorder);
  for (const request of expected) parser.expect(request);
  try {
    for (const piece of pieces) {
      if (parser.upgraded) recorder.told.push({ left: decode(piece) });
      else {
        const taken = parser.push(piece);
        if (taken < piece.length) recorder.told.push({ left: decode(piece.subarray(taken)) });
      }
    }
    parser.end();
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    recorder.told.push({ status: error.status, code: error.code });
    assertEquals(assertThrows(() => parser.push(encode("x"))), error);
  }
  return recorder.told;
}

const PIPELINE = "POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" +
  "\r\nPUT http://i/%61 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nA: b\r\nHost: j\r\n\r\n" +
  "GET / HTTP/1.0\r\n\r\n";

Deno.test("pipelined requests give the same events in any pieces", () => {
  const head = { form: "origin", query: "", keepAlive: true, expectsContinue: false, upgrade: [] };
  const expected = [
    {
      ...head,
      method: "POST",
      target: "/a?b",
      path: "/a",
      query: "?b",
      authority: "h",
      version: "1.1",
      fields: [["host", "h"], ["content-length", "5"]],
      body: "length",
      contentLength: 5,
    },
    "hello",
    { trailers: [] },
    {
      ...head,
      method: "PUT",
      target: "http://i/%61",
      form: "absolute",
      path: "/a",
      authority: "i",
      version: "1.1",
      fields: [["host", "h"], ["transfer-encoding", "chunked"]],
      body: "chunked",
    },
    "abcde",
    { trailers: [["a", "b"]] },
    {
      ...head,
      method: "GET",
      target: "/",
      path: "/",
      authority: "",
      version: "1.0",
      fields: [],
      body: "none",
      keepAlive: false,
    },
    { trailers: [] },
  ];
  const bytes = encode(PIPELINE);
  assertEquals(readRequests([bytes]), expected);
  for (const pieces of splits(bytes)) assertEquals(readRequests(pieces), expected);
});

Deno.test("a request that is cut short, or over a bound, ends the events with an error", () => {
  const bytes = encode(PIPELINE);
  for (let cut = 1; cut < bytes.length; cut++) {
    const last = readRequests([bytes.subarray(0, cut)]).at(-1) as Record<string, unknown>;
    const complete = "trailers" in last;
    assertEquals(complete || last["status"] === 400, true, `cut at ${cut}`);
  }
  assertEquals(readRequests([bytes], { bodySize: 4 }).at(-1), { status: 413, code: "body_too_large" });
  assertEquals(readRequests([bytes], { headerSize: 8 }).at(-1), { status: 414, code: "target_too_long" });
});

Deno.test("what follows a request for another protocol is left until the response is known", () => {
  const upgrade = "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n";
  const parser = new RequestParser(new Recorder());
  assertEquals(parser.push(encode(`${upgrade}GET`)), upgrade.length);
  assertEquals(parser.paused, true);
  assertEquals(parser.push(encode("GET")), 0);
  parser.resume();
  assertEquals(parser.push(encode("GET / HTTP/1.1\r\nHost: h\r\n\r\n")), 27);
  parser.end();
});

Deno.test("responses give the same events in any pieces, each for its request", () => {
  const text =
    "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" +
    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" +
    "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nB: c\r\n\r\n" +
    "HTTP/1.0 404 Not Found\r\n\r\ngone";
  const expected = [{ method: "GET" }, { method: "HEAD" }, { method: "POST" }, { method: "GET" }];
  const bytes = encode(text);
  const told = readResponses([bytes], expected);
  assertEquals(told.map((event) => typeof event === "string" ? event : Object.values(event as object)[0]), [
    103,
    200,
    "hello",
    [],
    200,
    [],
    200,
    "a",
    [["b", "c"]],
    404,
    "gone",
    [],
  ]);
  for (const pieces of splits(bytes)) assertEquals(readResponses(pieces, expected), told);
});

Deno.test("bytes that no request asked for, too many interim responses and a body cut short are refused", () => {
  const refused = { status: 502, code: "bad_response" };
  const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
  const get = [{ method: "GET" }];
  assertEquals(readResponses([encode(`${ok}x`)], get).at(-1), refused);
  assertEquals(readResponses([encode(ok)], []).at(-1), refused);
  assertEquals(readResponses([encode(ok.slice(0, -1))], get).at(-1), refused);
  assertEquals(readResponses([encode(ok)], [...get, ...get]).at(-1), refused);
  assertEquals(
    readResponses([encode("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n")], get).at(
      -1,
    ),
    refused,
  );
  const interim = "HTTP/1.1 102 Processing\r\n\r\n";
  assertEquals(readResponses([encode(interim.repeat(32) + ok)], get).at(-1), { trailers: [] });
  assertEquals(readResponses([encode(interim.repeat(33) + ok)], get).at(-1), refused);
});

Deno.test("what follows a change of protocol is left", () => {
  const text = "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n";
  const expected = [{ method: "GET", upgrade: ["a"] }];
  for (const pieces of splits(encode(`${text}\x01\x02`))) {
    const told = readResponses(pieces, expected).slice(1) as { left: string }[];
    assertEquals(told.map(({ left }) => left).join(""), "\x01\x02");
  }
});
