import { assertEquals } from "@std/assert";
import { complaints } from "./support.ts";

const README = new URL("../../README.md", import.meta.url);

Deno.test("the configuration reference of the README is a good configuration", async () => {
  const text = await Deno.readTextFile(README);
  const reference = /^## Configuration\n[^]*?^```yaml\n([^]*?)^```$/m.exec(text)![1]!;
  // Reading it does not look for the files that it names.
  assertEquals(complaints(reference), []);
});

Deno.test("the example for STARTTLS in the README is a good configuration", async () => {
  const text = await Deno.readTextFile(README);
  const example = /^### STARTTLS\n[^]*?^```yaml\n([^]*?)^```$/m.exec(text)![1]!;
  assertEquals(complaints(example), []);
});
