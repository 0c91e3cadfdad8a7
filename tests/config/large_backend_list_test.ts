import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { parseBackendList } from "../../src/config/backend_list.ts";
import { readLargeBackendList } from "../../src/config/large_backend_list.ts";
import { ConfigError } from "../../src/config/problem/problem.ts";
import { MAX_BACKENDS } from "../../src/upstream/discover/backend_set.ts";

const OPTIONS = { name: "backends.yaml", folder: "/etc/culvert" };

/** Items of more than one part. */
function items(from = 0, count = 700): string {
  const address = (i: number) => `10.0.${i >> 8}.${i & 255}:5432`;
  return Array.from({ length: count }, (_, i) => `- ${address(from + i)}\n`).join("");
}

const GOOD: readonly (readonly [name: string, text: string])[] = [
  ["addresses", items()],
  ["mappings", items().replaceAll(/- (.*)/g, "-   address: $1\n    weight: 5\n\n# note")],
  ["lines of Windows", items().replaceAll("\n", "\r\n")],
  ["a comment and a marker in front, and no end of the last line", `# all\n---\n${items()}- a:1`],
  ["an anchor that a later part refers to", `- &a {address: "a:1", weight: 2}\n${items()}`],
  ["a flow sequence", `[${items().replaceAll(/- (.*)\n/g, '"$1",\n ')}]`],
  ["indented items", items().replaceAll("- ", "  - ")],
  ["few", "- a:1\n- b:1\n"],
];

const BAD: readonly (readonly [name: string, text: string])[] = [
  ["a bad address late", `${items()}- nonsense\n`],
  ["an address that is there twice, in two parts", `${items()}- 10.0.0.0:5432\n`],
  ["the same address in another form", `${items()}- "[::ffff:10.0.0.0]:5432"\n- "[::FFFF:10.0.0.0]:5432"\n`],
  ["nothing", ""],
  ["a mapping", `backends:\n${items()}`],
  ["a second document", `${items()}---\n${items(700)}`],
  ["an anchor that is not there", `${items()}- *a\n`],
  ["a quotation that does not end", `- "a:1\n${items()}`],
  ["too many", items(0, MAX_BACKENDS + 1)],
];

Deno.test("a large list reads as it does in one piece", async () => {
  for (const [name, text] of GOOD) {
    assertEquals(await readLargeBackendList(text, OPTIONS), parseBackendList(text, OPTIONS), name);
  }
  assertEquals((await readLargeBackendList(items(), OPTIONS)).length, 700);
});

Deno.test("what is wrong with a large list is reported with its place in the whole", async () => {
  for (const [name, text] of BAD) {
    const whole = assertThrows(() => parseBackendList(text, OPTIONS), ConfigError);
    const error = await assertRejects(() => readLargeBackendList(text, OPTIONS), ConfigError);
    assertEquals(error.message, whole.message, name);
  }
});

Deno.test("connections go on while a large list is read", async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await readLargeBackendList(items(0, 20_000), OPTIONS);
  clearInterval(timer);
  assert(turns >= 3, `${turns}`);
});
