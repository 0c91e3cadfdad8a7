import { assertEquals } from "@std/assert";
import { ByteWindow } from "../../../src/upstream/check/byte_window.ts";
import { seededRandom } from "../../core/seeded_random.ts";
import { memoryPair } from "../../support/memory_connection.ts";

Deno.test("whatever is appended, read and used, the window holds what is left, up to its bound", async () => {
  const random = seededRandom(23);
  const below = (limit: number) => Math.floor(random() * limit);
  for (const maxBytes of [1, 7, 2048, 5000, 65_536]) {
    const window = new ByteWindow(maxBytes);
    const [near, far] = memoryPair({ capacity: 70_000 });
    let expected: number[] = [];
    let next = 0;
    for (let i = 0; i < 300; i++) {
      const piece = Uint8Array.from({ length: 1 + below(Math.min(3000, maxBytes * 2)) }, () => next++ & 0xff);
      if (i % 2 === 0) window.append(piece);
      else if (!window.full) {
        await far.send(piece.subarray(0, maxBytes - expected.length));
        const end = expected.length + piece.length;
        while (!window.full && window.bytes.length < end) {
          assertEquals(await window.readFrom(near), true);
        }
      }
      const taken = window.bytes.length - expected.length;
      assertEquals(
        taken,
        i % 2 === 1 && expected.length === maxBytes ? 0 : fitting(piece, maxBytes, expected),
      );
      expected = [...expected, ...piece.subarray(0, taken)];
      next -= piece.length - taken;
      assertEquals(window.bytes, Uint8Array.from(expected));
      assertEquals(window.full, expected.length === maxBytes);
      const used = below(3) === 0 ? expected.length : below(expected.length + 1);
      window.consume(used);
      expected = expected.slice(used);
    }
    far.close();
    window.consume(window.bytes.length);
    assertEquals(await window.readFrom(near), false);
    near.close();
  }
});

Deno.test("bytes are found from where it is asked for", () => {
  const window = new ByteWindow(100);
  window.append(new TextEncoder().encode("x--abcabc"));
  window.consume(1);
  const wanted = new TextEncoder().encode("abc");
  assertEquals([0, 2, 3, 5, 6, 100].map((from) => window.indexOf(wanted, from)), [2, 2, 5, 5, -1, -1]);
});

function fitting(piece: Uint8Array, maxBytes: number, held: readonly number[]): number {
  return Math.min(piece.length, maxBytes - held.length);
}
