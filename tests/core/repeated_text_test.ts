import { assertEquals } from "@std/assert";
import { RepeatedText } from "../../src/core/repeated_text.ts";

Deno.test("text is that of the bytes, whatever was read before", () => {
  const text = new RepeatedText();
  const bytes = new TextEncoder().encode(`example.org example.com ${"x".repeat(300)}é`);
  const ranges = [[0, 11], [0, 11], [12, 23], [0, 10], [0, 0], [0, 11], [24, 324], [24, 152], [
    24,
    153,
  ]] as const;
  for (const [start, end] of ranges) {
    assertEquals(text.read(bytes, start, end), String.fromCharCode(...bytes.subarray(start, end)));
  }
  assertEquals(text.read(bytes, 324, 326), "\u00c3\u00a9");
});
