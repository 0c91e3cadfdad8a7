import { assertEquals } from "@std/assert";
import { quoteText } from "../../src/core/quote_text.ts";

Deno.test("a peer's text is quoted so that it can neither break a line nor command a terminal", () => {
  const texts: readonly [text: string, quoted: string][] = [
    ["plain text", '"plain text"'],
    ['a "quote" and \\', '"a \\"quote\\" and \\\\"'],
    ["line\r\nbreak \0", '"line\\r\\nbreak \\u0000"'],
    ["\x1b[2J \x7f \x9b \xff", '"\\u001b[2J \\u007f \\u009b \\u00ff"'],
    ["\u202eevil \u{1f600}", '"\\u202eevil \\ud83d\\ude00"'],
    ["x".repeat(81), `"${"x".repeat(80)}…"`],
  ];
  for (const [text, quoted] of texts) assertEquals(quoteText(text), quoted);
});
