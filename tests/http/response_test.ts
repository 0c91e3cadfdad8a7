import { assertEquals } from "@std/assert";
import { encode, readResponse, splits } from "./read_head.ts";
import { BAD_RESPONSES, GOOD_RESPONSES } from "./responses.ts";

/** Beyond this, not every split is tried. */
const MAX_SPLIT_BYTES = 1000;

Deno.test("responses are read as they stand, in any pieces", () => {
  for (const [what, text, expected, asked] of GOOD_RESPONSES) {
    const bytes = encode(`${text}hello`);
    const told = readResponse({ pieces: [bytes], ...asked });
    const values = { length: text.length, ...JSON.parse(told) };
    for (const [key, value] of Object.entries(expected)) assertEquals(values[key], value, `${what}: ${key}`);
    for (const pieces of splits(bytes)) assertEquals(readResponse({ pieces, ...asked }), told, what);
  }
});

Deno.test("responses outside the grammar are refused, in any pieces", () => {
  const wrong: string[] = [];
  for (const [what, text, asked] of BAD_RESPONSES) {
    const bytes = encode(text);
    const told = readResponse({ pieces: [bytes], ...asked });
    if (!told.startsWith("502 bad_response: ")) wrong.push(`${what}: ${told}`);
    for (const pieces of bytes.length > MAX_SPLIT_BYTES ? [] : splits(bytes)) {
      const other = readResponse({ pieces, ...asked });
      if (other !== told) wrong.push(`${what}: ${other}, else ${told}`);
    }
  }
  assertEquals(wrong, []);
});
