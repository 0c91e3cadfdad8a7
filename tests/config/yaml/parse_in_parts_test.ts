import { assertEquals, assertThrows } from "@std/assert";
import { parse } from "@std/yaml";
import { parseInParts } from "../../../src/config/yaml/parse_in_parts.ts";
import { readDocumentSteps } from "../../../src/config/yaml/read_document.ts";
import { withoutOldNumbers } from "../../../src/config/yaml/yaml_numbers.ts";
import { ConfigError } from "../../../src/config/problem/problem.ts";
import { runAtOnce } from "../../../src/core/slices.ts";

/** Parsed with parts of one entry each. */
function inParts(text: string): unknown {
  return runAtOnce(parseInParts(text, { partLength: 1 }))?.document;
}

Deno.test("a text that is parsed in parts says what it says as a whole", () => {
  const texts = [
    "version: 1\nservices:\n  - name: a\n    listen: [':1']\n  - name: b\n    listen: [':2']\n",
    "services:\n- name: a\n- name: b\nother: x\n",
    "# top\n\nup:\n  # inner\n  db:\n    backends:\n      - a:1\n      # note\n      - address: b:1\n        weight: 0100\n",
    "a: |\n  - x\n  k: v\n\nb: >-\n  folded\n  text\nc: 'it''s\n  long'\nd: {x: [1,\n  2]}\n",
    "a:\r\n  - 1\r\n  -\r\n    b: 2\r\nc: 3\r\n",
    "- - 1\n  - 2\n- - 3\n",
    "-   a: 1\n    b:\n      - x\n      - y\n-   a: 2\n",
    "a: &x 1\nb:\n  c: &y 2\n  d: 3\n",
    "null: 1\ntrue: 2\n'q': 3\n",
  ];
  for (const text of texts) assertEquals(inParts(text), withoutOldNumbers(parse(text), text), text);
});

Deno.test("what no part says by itself is left to the parser of the whole text", () => {
  const texts = [
    "a: &x 1\nb: *x\n",
    "base: &b {k: 1}\nall:\n  <<: *b\n  other: 2\n",
    "a: 1\nb: 2\na: 3\n",
    "a: 'open\nb: 1\n",
    "a: [1,\n2]\nb: 1\n",
    "? a\n: b\n? c\n: d\n",
    "a: 1\n---\nb: 2\n",
    "a: 1\n...\nb: 2\n",
    "a:\n  several\n  lines\nb: 1\n",
    "__proto__: 1\nb: 2\n",
    "a: 1\n- b\n",
    "a: 1\n b: 2\n",
    "just\na text\n",
  ];
  for (const text of texts) assertEquals(inParts(text), undefined, text);
});

Deno.test("an error in a long text has the line of the whole text", () => {
  const item = (i: number) => `  - name: s${i}\n    listen: [":${i}"]\n`;
  const items = Array.from({ length: 1000 }, (_, i) => item(i));
  items[700] = "  - name: a\n    name: b\n";
  const text = `services:\n${items.join("")}`;
  const error = assertThrows(() => runAtOnce(readDocumentSteps(text, "f")), ConfigError);
  const whole = assertThrows(() => parse(text), SyntaxError) as SyntaxError & { line: number };
  assertEquals([error.problems[0]?.line, whole.line], [1403, 1403]);
});

Deno.test("a long text in block style is parsed in many steps, however it nests", () => {
  const backends = Array.from({ length: 2000 }, (_, i) => `          - address: 10.0.0.1:${i + 1}\n`).join(
    "",
  );
  const nested = `services:\n  - name: a\n    upstream:\n        backends:\n${backends}`;
  const steps = [...readDocumentSteps(nested, "f")].length;
  assertEquals(steps > 8, true, `${steps} steps`);
  assertEquals(runAtOnce(readDocumentSteps(nested, "f")), parse(nested));
});
