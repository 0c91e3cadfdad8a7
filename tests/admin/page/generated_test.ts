import { assertEquals } from "@std/assert";
import { digestOf, digestOfSources, readScript } from "../../../tools/page.ts";

Deno.test("the script of the live page is the one of its sources: else run `deno task page`", async () => {
  const { sources, content, text } = await readScript();
  assertEquals([sources, content], [await digestOfSources(), await digestOf(text)]);
});
