import { assertEquals, assertThrows } from "@std/assert";
import { BodyReader } from "../../src/http/body.ts";
import { HttpError, type MessageSide } from "../../src/http/http_error.ts";
import { InputBuffer } from "../../src/http/input_buffer.ts";
import {
  CHUNK_END_BYTES,
  CHUNK_HEAD_BYTES,
  frameChunk,
  maxLastChunkBytes,
  writeLastChunk,
} from "../../src/http/write_chunk.ts";
import { BAD_BODIES, GOOD_BODIES } from "./chunked_bodies.ts";
import { decode, encode, splits } from "./read_head.ts";

interface Told {
  /** What was passed on, with the last chunk where it had to be written. */
  passed: string;
  /** What is left. */
  rest: string;
  received: number;
  trailers: string;
}

const NEXT = "GET / HTTP/1.1\r\n";
const CHUNKED = { bodyKind: "chunked", contentLength: 0 } as const;

interface ReadOptions {
  readonly decode: boolean;
  readonly side?: MessageSide;
  readonly bodySize?: number;
}

function readBody(
  pieces: readonly Uint8Array[],
  { decode: decodes, side = "request", bodySize = 0 }: ReadOptions,
) {
  const reader = new BodyReader({ side, headerSize: 4096, bodySize });
  const input = new InputBuffer(new Uint8Array(1));
  const told: Told = { passed: "", rest: "", received: 0, trailers: "" };
  reader.begin(CHUNKED, { decode: decodes });
  for (const piece of pieces) {
    input.append(piece);
    if (reader.done) continue;
    reader.read(input);
    told.passed += decode(input.bytes.subarray(reader.passStart, reader.passEnd));
    if (!reader.done) continue;
    const { trailers } = reader;
    const target = new Uint8Array(maxLastChunkBytes(trailers));
    const end = writeLastChunk(target, { at: 0, trailers });
    told.trailers = decode(target.subarray(3, end - 2));
    if (reader.needsEnd) told.passed += decode(target.subarray(0, end));
  }
  if (!reader.done) return "more";
  told.rest = decode(input.bytes.subarray(input.start, input.end));
  told.received = reader.received;
  return told;
}

function outcome(pieces: readonly Uint8Array[], options: ReadOptions): Told | string {
  try {
    return readBody(pieces, options);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return `${error.status} ${error.code}: ${error.message}`;
  }
}

/** The data and trailer fields of chunks, taken apart as simply as can be. */
function takeApart(text: string): { data: string; trailers: string } {
  let data = "";
  for (let at = 0;;) {
    const end = text.indexOf("\r\n", at);
    const size = Number.parseInt(text.slice(at, end), 16);
    if (size === 0) return { data, trailers: text.slice(end + 2, -2) };
    data += text.slice(end + 2, end + 2 + size);
    at = end + 2 + size + 2;
  }
}

Deno.test("chunks are decoded, and what follows them is left, in any pieces", () => {
  for (const [what, text, data, trailers = ""] of GOOD_BODIES) {
    const bytes = encode(text + NEXT);
    const expected = { passed: data, rest: NEXT, received: data.length, trailers };
    assertEquals(readBody([bytes], { decode: true }), expected, what);
    if (bytes.length > 4096) continue;
    for (const pieces of splits(bytes)) assertEquals(readBody(pieces, { decode: true }), expected, what);
  }
});

Deno.test("chunks pass as they stand, and in pieces still mean the same", () => {
  for (const [what, text, data, trailers = ""] of GOOD_BODIES) {
    const bytes = encode(text + NEXT);
    const whole = readBody([bytes], { decode: false }) as Told;
    if (text.endsWith("\r\n0\r\n\r\n")) assertEquals(whole.passed, text, what);
    for (const pieces of bytes.length > 4096 ? [[bytes]] : [...splits(bytes), [bytes]]) {
      const { passed, ...told } = readBody(pieces, { decode: false }) as Told;
      assertEquals(told, { rest: NEXT, received: data.length, trailers }, what);
      assertEquals(takeApart(passed), { data, trailers }, what);
    }
  }
});

Deno.test("chunks outside the grammar are refused, in any pieces, from clients and from backends", () => {
  const wrong: string[] = [];
  for (const [what, text] of BAD_BODIES) {
    const bytes = encode(text);
    for (const decode of [true, false]) {
      const told = outcome([bytes], { decode });
      if (typeof told !== "string" || !told.startsWith("400 bad_request")) {
        wrong.push(`${what}: ${JSON.stringify(told)}`);
      }
      for (const pieces of bytes.length > 6000 ? [] : splits(bytes)) {
        const other = outcome(pieces, { decode });
        if (other !== told) wrong.push(`${what}: in pieces ${JSON.stringify(other)}`);
      }
    }
    const told = outcome([bytes], { decode: false, side: "response" });
    if (typeof told !== "string" || !told.startsWith("502 bad_response")) {
      wrong.push(`response, ${what}: ${told}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("no part of the last chunk is passed on before the body is complete", () => {
  for (
    const text of [
      "5\r\nhello\r\n0\r\n\r\n",
      "5\r\nhello\r\n000;a=b\r\n\r\n",
      "5\r\nhello\r\n0\r\nA: b\r\n\r\n",
    ]
  ) {
    const bytes = encode(text);
    for (let cut = 1; cut < bytes.length; cut++) {
      const reader = new BodyReader({ side: "request" });
      const input = new InputBuffer(bytes.slice(), cut);
      reader.begin(CHUNKED);
      assertEquals(reader.read(input), false);
      const passed = decode(input.bytes.subarray(reader.passStart, reader.passEnd));
      assertEquals("5\r\nhello\r\n".startsWith(passed), true, passed);
      assertEquals(reader.end(), false);
    }
  }
});

Deno.test("a chunked body over its bound is refused as soon as its size is known, in any pieces", () => {
  const bytes = encode("3\r\nabc\r\n4\r\nX");
  for (const pieces of [[bytes], ...splits(bytes)]) {
    const told = outcome(pieces, { decode: false, bodySize: 6 });
    assertEquals(told, "413 body_too_large: Cannot serve the request: its body has more than 6 bytes");
  }
  assertEquals(
    (outcome([encode("3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")], { decode: true, bodySize: 6 }) as Told).passed,
    "abcdef",
  );
});

Deno.test("a body of a length ends after it, and is refused over its bound", () => {
  const reader = new BodyReader({ side: "request", bodySize: 5 });
  assertThrows(() => reader.begin({ bodyKind: "length", contentLength: 6 }), HttpError, "more than 5 bytes");
  for (const pieces of splits(encode("helloNEXT"))) {
    const input = new InputBuffer(new Uint8Array(1));
    let passed = "";
    reader.begin({ bodyKind: "length", contentLength: 5 });
    for (const piece of pieces) {
      input.append(piece);
      if (reader.done) continue;
      reader.read(input);
      passed += decode(input.bytes.subarray(reader.passStart, reader.passEnd));
    }
    assertEquals([passed, reader.received, reader.done], ["hello", 5, true]);
    assertEquals(decode(input.bytes.subarray(input.start, input.end)), "NEXT");
  }
});

Deno.test("the end of the connection ends a body without a length, and cuts short any other one", () => {
  const reader = new BodyReader({ side: "response" });
  for (
    const [bodyKind, whole] of [["until-close", true], ["length", false], ["chunked", false], [
      "none",
      true,
    ]] as const
  ) {
    reader.begin({ bodyKind, contentLength: bodyKind === "length" ? 5 : 0 });
    const input = new InputBuffer(encode("1\r\na"), bodyKind === "none" ? 0 : 4);
    assertEquals(reader.read(input), bodyKind === "none", bodyKind);
    assertEquals(reader.end(), whole, bodyKind);
  }
});

Deno.test("data is made a chunk where it stands", () => {
  for (const size of [1, 9, 10, 15, 16, 255, 256, 65_536]) {
    const bytes = new Uint8Array(CHUNK_HEAD_BYTES + size + CHUNK_END_BYTES).fill(0x78);
    const end = CHUNK_HEAD_BYTES + size;
    const start = frameChunk(bytes, { start: CHUNK_HEAD_BYTES, end });
    const text = decode(bytes.subarray(start, end + CHUNK_END_BYTES));
    assertEquals(text, `${size.toString(16)}\r\n${"x".repeat(size)}\r\n`);
  }
});
