import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  findHeadEnd,
  HttpRequestError,
  MAX_REQUEST_HEAD_BYTES,
  parseRequestHead,
  type RequestHead,
} from "../../src/http/request_head.ts";

const encode = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

/** A request with these lines, each with CRLF behind it, and the empty line. */
function parse(...lines: string[]): RequestHead {
  return parseRequestHead(encode([...lines, "", ""].join("\r\n")));
}

/** The code and status of the refusal. */
function refusal(...lines: string[]): string {
  const error = assertThrows(() => parse(...lines), HttpRequestError);
  return `${error.status} ${error.code}`;
}

Deno.test("a head is read: method, path, query, headers by name in lower case, length", () => {
  const head = parse(
    "PUT /api/x%20y?a=1?b HTTP/1.1",
    "Host: localhost:9901",
    "X-One:\t a b \t",
    "x-one: c",
    "Content-Length: 12",
  );
  assertEquals({ ...head, headers: [...head.headers] }, {
    method: "PUT",
    path: "/api/x%20y",
    query: "a=1?b",
    version: "1.1",
    headers: [["host", "localhost:9901"], ["x-one", "a b, c"], ["content-length", "12"]],
    contentLength: 12,
    keepAlive: true,
    expectsContinue: false,
  });
});

Deno.test("a connection is kept with HTTP/1.1 unless the client says otherwise, and not with 1.0", () => {
  const kept = (version: string, ...connection: string[]) =>
    parse(`GET / HTTP/${version}`, "Host: a", ...connection.map((value) => `Connection: ${value}`)).keepAlive;
  assertEquals(kept("1.1"), true);
  assertEquals(kept("1.1", "keep-alive"), true);
  assertEquals(kept("1.1", "close"), false);
  assertEquals(kept("1.1", "Foo , CLOSE"), false);
  assertEquals(kept("1.1", "foo", "close"), false);
  assertEquals(kept("1.1", "closed"), true);
  assertEquals(kept("1.0"), false);
  assertEquals(kept("1.0", "keep-alive"), false);
});

Deno.test("HTTP/1.0 may leave the host out, HTTP/1.1 must name exactly one", () => {
  assertEquals(parse("GET / HTTP/1.0").headers.size, 0);
  assertEquals(refusal("GET / HTTP/1.1"), "400 bad_request");
  assertEquals(refusal("GET / HTTP/1.1", "Host: a", "host: a"), "400 bad_request");
  assertEquals(refusal("GET / HTTP/1.0", "Host: a", "Host: b"), "400 bad_request");
});

Deno.test("a request line is three words with one space between them", () => {
  for (
    const line of [
      "",
      "GET",
      "GET /",
      "GET  / HTTP/1.1",
      " GET / HTTP/1.1",
      "GET / HTTP/1.1 ",
      "GET\t/ HTTP/1.1",
      "GET / / HTTP/1.1",
      "G(T / HTTP/1.1",
      "GET / http/1.1",
      "GET / HTTP/1",
      "GET / HTTP/11",
      "GET / HTTP/1.11",
      "GET / HTTP/1.1\r",
    ]
  ) assertEquals(refusal(line, "Host: a"), "400 bad_request", JSON.stringify(line));
  for (const version of ["0.9", "1.2", "2.0", "3.0"]) {
    assertEquals(refusal(`GET / HTTP/${version}`, "Host: a"), "505 bad_version", version);
  }
});

Deno.test("blanks around a header's value are not part of it, those within are", () => {
  const middle = `a${" \t".repeat(3000)}b`;
  const { headers } = parse("GET / HTTP/1.1", "Host: a", `X: \t ${middle} \t`, "Y:", "Z: \t ");
  assertEquals([headers.get("x"), headers.get("y"), headers.get("z")], [middle, "", ""]);
});

Deno.test("the target must be a path of visible ASCII", () => {
  for (
    const target of [
      "*",
      "ftp://a/",
      "http://",
      "http://u@a/",
      "http://a/\x7f",
      "http://a#b",
      "a:443",
      "healthz",
      "/a#b",
      "/\x7f",
      "/\x80",
      "/\xe4",
      "/\0",
      "?a",
      "//\x01",
    ]
  ) assertEquals(refusal(`GET ${target} HTTP/1.1`, "Host: a"), "400 bad_request", target);
  assertEquals(parse("POST /a/[::1]:80/drain HTTP/1.1", "Host: a").path, "/a/[::1]:80/drain");
  assertEquals(parse("GET //a HTTP/1.1", "Host: a").path, "//a");
});

Deno.test("of a target that is a URL the host counts in the place of Host, which must be there all the same", () => {
  for (const [target, path, query] of [["/x?y", "/x", "y"], ["", "/", ""], ["?y", "/", "y"]]) {
    const head = parse(`GET http://b:1${target} HTTP/1.1`, "Host: a");
    assertEquals([head.path, head.query, head.headers.get("host")], [path, query, "b:1"]);
  }
  assertEquals(refusal("GET http://b/ HTTP/1.1"), "400 bad_request");
});

Deno.test("a header with a space before the colon, a folded one, or one with control characters is refused", () => {
  for (
    const line of [
      "X : a",
      "X\t: a",
      " X: a",
      "\tfolded",
      " folded: b",
      ": a",
      "X",
      "X(: a",
      "X: a\0b",
      "X: a\rb",
      "X: a\x1bb",
      "X: a\x7f",
      "\xe4: a",
    ]
  ) assertEquals(refusal("GET / HTTP/1.1", "Host: a", line), "400 bad_request", JSON.stringify(line));
  assertEquals(parse("GET / HTTP/1.1", "Host: a", "X: a\tb\xe4").headers.get("x"), "a\tb\xe4");
  assertEquals(parse("GET / HTTP/1.1", "Host: a", "X:").headers.get("x"), "");
});

Deno.test("the length of a body is said once, in digits", () => {
  for (
    const value of ["", "-1", "+1", "1.0", "0x10", "1 2", "1,1", "1, 1", "١", "1e3", "9".repeat(16), "abc"]
  ) {
    const line = `Content-Length: ${value}`;
    assertEquals(refusal("PUT / HTTP/1.1", "Host: a", line), "400 bad_request", value);
  }
  assertEquals(
    refusal("PUT / HTTP/1.1", "Host: a", "Content-Length: 5", "Content-Length: 5"),
    "400 bad_request",
  );
  assertEquals(parse("PUT / HTTP/1.1", "Host: a", "Content-Length: 007").contentLength, 7);
  assertEquals(parse("PUT / HTTP/1.1", "Host: a", "Content-Length: 0").contentLength, 0);
});

Deno.test("a body in chunks is refused; with a length besides, or in HTTP/1.0, it is an attack", () => {
  const chunked = "Transfer-Encoding: chunked";
  assertEquals(refusal("PUT / HTTP/1.1", "Host: a", chunked), "411 length_required");
  assertEquals(refusal("PUT / HTTP/1.1", "Host: a", "Transfer-Encoding: identity"), "411 length_required");
  assertEquals(refusal("PUT / HTTP/1.1", "Host: a", chunked, "Content-Length: 5"), "400 bad_request");
  assertEquals(refusal("PUT / HTTP/1.1", "Host: a", "Content-Length: 5", chunked), "400 bad_request");
  assertEquals(refusal("PUT / HTTP/1.1", "Host: a", chunked, chunked), "400 bad_request");
  assertEquals(refusal("PUT / HTTP/1.0", "Host: a", chunked), "400 bad_request");
});

Deno.test("of expectations only 100-continue can be met, and HTTP/1.0 has none", () => {
  assertEquals(parse("PUT / HTTP/1.1", "Host: a", "Expect: 100-Continue").expectsContinue, true);
  assertEquals(parse("PUT / HTTP/1.0", "Host: a", "Expect: 100-continue").expectsContinue, false);
  assertEquals(refusal("PUT / HTTP/1.1", "Host: a", "Expect: gold"), "417 bad_expectation");
});

Deno.test("a hundred headers are read and one more is not; 16 KiB are read and one byte more is not", () => {
  const headers = Array.from({ length: 99 }, (_, i) => `X-${i}: a`);
  assertEquals(parse("GET / HTTP/1.1", "Host: a", ...headers).headers.size, 100);
  assertEquals(refusal("GET / HTTP/1.1", "Host: a", ...headers, "Y: b"), "431 head_too_large");
  const rest = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".length;
  const long = "x".repeat(MAX_REQUEST_HEAD_BYTES - rest);
  assertEquals(parse("GET / HTTP/1.1", "Host: a", `X: ${long}`).headers.get("x"), long);
  assertEquals(refusal("GET / HTTP/1.1", "Host: a", `X: ${long}x`), "431 head_too_large");
});

Deno.test("a head ends at its empty line, and a bare line feed is no end of a line", () => {
  const end = (text: string, from = 0) => findHeadEnd(encode(text), from);
  assertEquals(end("GET / HTTP/1.1\r\nHost: a\r\n\r\nrest\r\n\r\n"), 27);
  assertEquals(end("GET / HTTP/1.1\r\nHost: a\r\n"), -1);
  assertEquals(end("GET / HTTP/1.1\r\nHost: a\r\n\r"), -1);
  assertEquals(end("\r\n"), 2);
  assertEquals(end(""), -1);
  for (const text of ["GET / HTTP/1.1\n\n", "a\r\n\nb", "a\r\nb\n", "\n"]) {
    assertThrows(() => end(text), HttpRequestError, "without a carriage return");
  }
  assertThrows(() => parseRequestHead(encode("GET / HTTP/1.0\r\n\r\nx")), HttpRequestError);
  assertThrows(() => parseRequestHead(encode("GET / HTTP/1.0\r\n")), HttpRequestError);
  assertThrows(() => parseRequestHead(encode("\r\n")), HttpRequestError, "the request line is empty");
});

Deno.test("what a client has sent is escaped and cut short in the message", () => {
  const error = assertThrows(() => parse(`\x1b[31m${"x".repeat(1000)}`, "Host: a"), HttpRequestError);
  assert(error.message.includes("\\u001b[31mxxx") && error.message.length < 200, error.message);
});
