import { assertEquals } from "@std/assert";
import { latin1 } from "../../src/core/latin1.ts";

Deno.test("every byte is one character of the same number, in short texts and long ones", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const text = latin1(bytes);
  assertEquals([...text].map((char) => char.charCodeAt(0)), [...bytes]);
  for (const [start, end] of [[0, 0], [127, 134], [128, 151], [128, 153], [250, 256]] as const) {
    assertEquals(latin1(bytes, start, end), text.slice(start, end));
    assertEquals(latin1(bytes.subarray(start), 0, end - start), text.slice(start, end));
  }
});
