import { assertEquals } from "@std/assert";
import { complaints } from "./support.ts";

const DOCS = new URL("../../docs/", import.meta.url);

/** The first example in YAML of a page. */
async function firstExample(page: string): Promise<string> {
  const text = await Deno.readTextFile(new URL(page, DOCS));
  return /^```yaml\n([^]*?)^```$/m.exec(text)![1]!;
}

Deno.test("the reference of the configuration is a good configuration", async () => {
  // Reading it does not look for the files that it names.
  assertEquals(complaints(await firstExample("configuration.md")), []);
});

Deno.test("the example for STARTTLS is a good configuration", async () => {
  assertEquals(complaints(await firstExample("starttls.md")), []);
});
