import { assertEquals, assertThrows } from "@std/assert";
import { ByteCursor } from "../../src/core/byte_cursor.ts";
import { hex } from "../net/hex.ts";

const fail = (reason: string) => new Error(reason);

Deno.test("numbers are read in network order, without a sign", () => {
  const cursor = new ByteCursor(hex("00 ff  fffe  fffffd  fffffffc"), { fail, offset: 1 });
  const numbers = [1, 2, 3, 4] as const;
  assertEquals(numbers.map((size) => cursor.uint(size, "it")), [0xff, 0xfffe, 0xfffffd, 0xfffffffc]);
  assertEquals([cursor.offset, cursor.left], [11, 0]);
  cursor.end("all");
});

Deno.test("a vector is as long as it says, and one inside of another can't leave it", () => {
  const cursor = new ByteCursor(hex("0003 01aabb cc"), { fail });
  const inner = cursor.nested(2, "outer");
  assertEquals([...inner.vector(1, "inner")], [0xaa]);
  assertEquals([inner.left, cursor.left], [1, 1]);
  assertThrows(() => inner.end("outer"), Error, "1 bytes too many in outer");
  assertThrows(() => inner.uint(2, "more"), Error, "more is cut short: 2 bytes announced, 1 there");
});

Deno.test("what is not there is an error that names it", () => {
  const empty = new ByteCursor(hex(""), { fail });
  assertThrows(() => empty.uint(1, "the type"), Error, "the type is cut short: 1 bytes announced, 0 there");
  const short = new ByteCursor(hex("05 aa"), { fail });
  assertThrows(() => short.vector(1, "the name"), Error, "the name is cut short: 5 bytes announced, 1 there");
  const none = new ByteCursor(hex("05"), { fail });
  assertThrows(
    () => none.vector(2, "it"),
    Error,
    "the length of it is cut short: 2 bytes announced, 1 there",
  );
});
