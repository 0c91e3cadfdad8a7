import { assertEquals } from "@std/assert";
import { encode, readRequest, splits } from "./read_head.ts";
import { REFUSED_REQUESTS } from "./refused_requests.ts";

Deno.test("what is outside the grammar, or can be read in two ways, is refused with its status, in any pieces", () => {
  const wrong: string[] = [];
  for (const [what, status, text] of REFUSED_REQUESTS) {
    const bytes = encode(text);
    const told = readRequest({ pieces: [bytes] });
    if (!told.startsWith(`${status} `)) wrong.push(`${what}: expected ${status}, got ${told}`);
    for (const pieces of splits(bytes)) {
      const other = readRequest({ pieces });
      if (other !== told) wrong.push(`${what}: ${other} after ${pieces[0]!.length} bytes, else ${told}`);
    }
  }
  assertEquals(wrong, []);
});
