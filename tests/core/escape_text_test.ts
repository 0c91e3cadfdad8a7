import { assertEquals } from "@std/assert";
import { escapeText, quoteText } from "../../src/core/escape_text.ts";

Deno.test("what could deceive a reader of a log or a terminal is escaped, and nothing else is", () => {
  const cases: [string, string][] = [
    ["", ""],
    ['plain "text" ~ \\', 'plain "text" ~ \\'],
    ["grüße, 世界, 🚰", "grüße, 世界, 🚰"],
    ["\0\t\r\n\x1b[31m\x7f", String.raw`\u0000\u0009\u000d\u000a\u001b[31m\u007f`],
    ["\x85\x9b", String.raw`\u0085\u009b`],
    ["\u00ad\u200b\u202e\u2066\ufeff", String.raw`\u00ad\u200b\u202e\u2066\ufeff`],
    ["\u2028\u2029", String.raw`\u2028\u2029`],
    ["\u{e0041}", String.raw`\udb40\udc41`],
    ["\ud83d \udeb0", String.raw`\ud83d \udeb0`],
  ];
  for (const [text, expected] of cases) assertEquals(escapeText(text), expected);
});
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
