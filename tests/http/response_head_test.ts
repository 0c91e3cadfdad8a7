import { assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import {
  bodyFraming,
  fieldValues,
  HeadScanner,
  parseResponseHead,
  type ResponseHead,
} from "../../src/http/response_head.ts";
import { seededRandom } from "../core/seeded_random.ts";
import { mutate } from "../net/mutate.ts";

/** A character for each byte. */
function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

function parse(...lines: string[]): ResponseHead {
  return parseResponseHead(bytes(`${lines.join("\r\n")}\r\n\r\n`));
}

function framing(fields: string[], { method = "GET", status = "HTTP/1.1 200 OK" } = {}) {
  return bodyFraming(parse(status, ...fields), method);
}

Deno.test("a head is found at its end, in whatever pieces it comes", () => {
  const head = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
  const all = bytes(`${head}body\r\n\r\n`);
  for (const step of [1, 2, 3, 7, all.length]) {
    const scanner = new HeadScanner();
    let found = 0;
    for (let end = 0; found === 0; end = Math.min(end + step, all.length)) {
      found = scanner.scan(all.subarray(0, end));
    }
    assertEquals(found, head.length, `in steps of ${step}`);
  }
});

Deno.test("what can't become a head is refused at its first wrong byte", () => {
  const wrong: [text: string, message: string][] = [
    ["S", 'it begins with "S"'],
    ["HTTP/2", 'it begins with "HTTP/2"'],
    ["\r", 'it begins with "\\r"'],
    ["HTTP/1.1 200 OK\n", "a line of its head ends without a carriage return"],
    ["HTTP/1.1 200 OK\r\nA: b\n", "a line of its head ends without a carriage return"],
  ];
  for (const [text, message] of wrong) {
    const scanner = new HeadScanner();
    assertEquals(scanner.scan(bytes(text.slice(0, -1))), 0);
    assertThrows(() => scanner.scan(bytes(text)), CulvertError, message);
  }
});

Deno.test("status, reason and fields are read as they stand", () => {
  const head = parse(
    "HTTP/1.1 404 Not Found",
    "Server:nginx",
    "X-Empty:",
    "A: \t one  two \t",
    "a: \xe4\xa0",
  );
  assertEquals(head, {
    version: "1.1",
    status: 404,
    reason: "Not Found",
    fields: [["server", "nginx"], ["x-empty", ""], ["a", "one  two"], ["a", "\xe4\xa0"]],
  });
  assertEquals(fieldValues(head, "a"), ["one  two", "\xe4\xa0"]);
  assertEquals(parse("HTTP/1.0 200 "), { version: "1.0", status: 200, reason: "", fields: [] });
  assertEquals(parse("HTTP/1.1 999").status, 999);
});

Deno.test("folded lines, blanks before a colon, control characters and other garbage are refused", () => {
  const wrong = [
    ["HTTP/1.1 20 OK"],
    ["HTTP/1.1 099 OK"],
    ["HTTP/1.1 2000 OK"],
    ["HTTP/1.1  200 OK"],
    ["HTTP/1.2 200 OK"],
    ["HTTP/1.1 200\tOK"],
    ["HTTP/1.1 200 O\0K"],
    ["HTTP/1.1 200 O\rK"],
    ["HTTP/1.1 200 OK", "A: b", " folded"],
    ["HTTP/1.1 200 OK", " A: b"],
    ["HTTP/1.1 200 OK", "A : b"],
    ["HTTP/1.1 200 OK", ": b"],
    ["HTTP/1.1 200 OK", "A"],
    ["HTTP/1.1 200 OK", "A b: c"],
    ["HTTP/1.1 200 OK", "A: b\0"],
    ["HTTP/1.1 200 OK", "A: b\rC: d"],
    ["HTTP/1.1 200 OK", "A: \x7f"],
    ["HTTP/1.1 200 OK", "\xc4: b"],
  ];
  for (const lines of wrong) {
    const error = assertThrows(() => parse(...lines), CulvertError, "Cannot read the HTTP response: ");
    assertEquals(error.code, "bad_http");
  }
  assertThrows(
    () => parse("HTTP/1.1 200 OK", "A\x1b[31m: b"),
    CulvertError,
    '"A\\u001b[31m: b" is no header field',
  );
});

Deno.test("the end of the body is told by its framing, and by nothing else", () => {
  assertEquals(framing([]), { kind: "until-close" });
  assertEquals(framing(["Content-Length: 0"]), { kind: "length", length: 0 });
  assertEquals(framing(["Content-Length: 123"]), { kind: "length", length: 123 });
  assertEquals(framing(["Transfer-Encoding: Chunked"]), { kind: "chunked" });
  assertEquals(framing(["Content-Length: 5"], { method: "HEAD" }), { kind: "none" });
  for (const status of [101, 204, 304]) {
    assertEquals(framing(["Content-Length: 5"], { status: `HTTP/1.1 ${status} X` }), { kind: "none" });
  }
});

Deno.test("framing that could be understood in two ways is refused", () => {
  const wrong: [fields: string[], message: string][] = [
    [["Content-Length: 5", "Transfer-Encoding: chunked"], "both a length and a transfer encoding"],
    [["Content-Length: 5", "Content-Length: 5"], "more than one length"],
    [["Content-Length: 5, 5"], 'its length is "5, 5"'],
    [["Content-Length: +5"], 'its length is "+5"'],
    [["Content-Length: 0x5"], 'its length is "0x5"'],
    [["Content-Length:"], 'its length is ""'],
    [["Content-Length: 1000000000000000"], "its length is"],
    [["Transfer-Encoding: gzip, chunked"], 'its transfer encoding is "gzip, chunked"'],
    [["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], 'is "chunked, chunked"'],
    [["Transfer-Encoding: xchunked"], 'is "xchunked"'],
  ];
  for (const [fields, message] of wrong) assertThrows(() => framing(fields), CulvertError, message);
  const old = { status: "HTTP/1.0 200 OK" };
  assertThrows(() => framing(["Transfer-Encoding: chunked"], old), CulvertError, "and is HTTP/1.0");
});

Deno.test("nothing that is sent brings any other error than ours, whatever is changed in it", () => {
  const random = seededRandom(20);
  const good = bytes("HTTP/1.1 200 OK\r\nContent-Length: 12\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n");
  const outcomes = { read: 0, incomplete: 0, refused: 0 };
  for (let i = 0; i < 20_000; i++) {
    const changed = mutate(good, random);
    try {
      const length = new HeadScanner().scan(changed);
      if (length === 0) outcomes.incomplete++;
      else {
        bodyFraming(parseResponseHead(changed.subarray(0, length)), "GET");
        outcomes.read++;
      }
    } catch (error) {
      if (!(error instanceof CulvertError && error.code === "bad_http")) throw error;
      outcomes.refused++;
    }
  }
  assertEquals(Object.values(outcomes).every((count) => count > 100), true, JSON.stringify(outcomes));
});
