import { assert, assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import { ChunkedDecoder } from "../../src/http/chunked_decoder.ts";
import { seededRandom } from "../core/seeded_random.ts";
import { joined } from "../net/hex.ts";
import { mutate } from "../net/mutate.ts";

/** What a body decodes to, fed in pieces of this size; and what is left after its end. */
function decode(text: string | Uint8Array, pieceBytes = Infinity) {
  const decoder = new ChunkedDecoder();
  const bytes = joined(text);
  const data: Uint8Array[] = [];
  let used = 0;
  while (used < bytes.length && !decoder.done) {
    used += decoder.decode(bytes.subarray(used, Math.min(used + pieceBytes, bytes.length)), (piece) => {
      data.push(piece.slice());
    });
  }
  return { body: new TextDecoder().decode(joined(...data)), done: decoder.done, left: bytes.length - used };
}

Deno.test("chunks are joined, in whatever pieces they come, up to the end of the body", () => {
  const bodies: [text: string, body: string, left: number][] = [
    ["0\r\n\r\n", "", 0],
    ["5\r\nhello\r\n0\r\n\r\nHTTP", "hello", 4],
    ["1\r\na\r\n00000002\r\nbc\r\n0\r\n\r\n", "abc", 0],
    ["A\r\n0123456789\r\n0a;name=value;x\r\n0123456789\r\n0;last\r\n\r\n", "01234567890123456789", 0],
    ["2\r\n\r\n\r\n0\r\nTrailer: x\r\nAnother: y\r\n\r\n", "\r\n", 0],
  ];
  for (const [text, body, left] of bodies) {
    for (const pieceBytes of [1, 2, 3, 5, 1000]) {
      const decoded = decode(text, pieceBytes);
      assertEquals([decoded.body, decoded.done], [body, true]);
      if (pieceBytes === 1000) assertEquals(decoded.left, left);
    }
    for (let end = 0; end < text.length - left; end++) assert(!decode(text.slice(0, end)).done);
  }
});

Deno.test("what is no chunk is refused", () => {
  const wrong: [text: string, message: string][] = [
    ["\r\n", "the size of a chunk is no number"],
    ["g\r\n", "the size of a chunk is no number"],
    ["-1\r\n", "the size of a chunk is no number"],
    ["0x1\r\n", "the size of a chunk is no number"],
    [" 1\r\n", "the size of a chunk is no number"],
    ["1 \r\n", "the size of a chunk is no number"],
    ["1\n", "the size of a chunk is no number"],
    ["000000001", "the size of a chunk is too long"],
    ["1\rx", "a chunk does not end where it should"],
    ["1\r\nab", "a chunk does not end where it should"],
    ["1\r\na\n", "a chunk does not end where it should"],
    ["1\r\na\rx", "a chunk does not end where it should"],
    ["1;\n", "a control character in a chunk's extension"],
    [`1;${"x".repeat(257)}`, "a chunk's extension is too long"],
    ["0\r\nA: b\n", "a control character in the trailer"],
    ["0\r\n\rx", "a chunk does not end where it should"],
    [`0\r\n${"A: b\r\n".repeat(3000)}`, "the trailer is too long"],
  ];
  for (const [text, message] of wrong) {
    const error = assertThrows(() => decode(text), CulvertError, message);
    assertEquals(error.code, "bad_http");
  }
});

Deno.test("whatever is changed in a body, it decodes to the same in one piece and byte by byte, or not at all", () => {
  const random = seededRandom(21);
  const good = joined("5\r\nhello\r\n10;a=b\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n");
  const attempt = (bytes: Uint8Array, pieceBytes: number) => {
    try {
      const { body, done } = decode(bytes, pieceBytes);
      return `${done} ${body}`;
    } catch (error) {
      if (!(error instanceof CulvertError && error.code === "bad_http")) throw error;
      return error.message;
    }
  };
  for (let i = 0; i < 5000; i++) {
    const changed = mutate(good, random);
    assertEquals(attempt(changed, 1), attempt(changed, Infinity));
  }
});
