import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { ConfigError } from "../../../src/config/problem/problem.ts";
import { readDocument } from "../../../src/config/yaml/read_document.ts";

const BAD: readonly (readonly [text: string, message: string])[] = [
  [
    "a: 1\n b: 2\n",
    'f:2:3: expected YAML (Cannot read block: bad indentation of a mapping entry), got "b: 2"',
  ],
  ["a: 1\nb: 2\na: 3\n", 'f:3:1: expected YAML (Cannot store mapping pair: duplicated key), got "a: 3"'],
  [
    "a: 1\nb: [2,\n\n",
    "f:2: expected YAML (Cannot read flow collection: unexpected end of the stream within a flow collection), " +
    "got the end of the text",
  ],
  [
    "a: 'x",
    "f:1: expected YAML (Unexpected end of the stream within a single quoted scalar), got the end of the text",
  ],
  // The parser's column is wrong here, so there is none.
  [
    "a: &x\n  b: 1\na: &x\n  b: 2",
    'f:3: expected YAML (Cannot store mapping pair: duplicated key), got "a: &x"',
  ],
  ["a: *x", 'f:1:6: expected YAML (Cannot read alias: unidentified alias "x"), got "a: *x"'],
  ["a: !x y", 'f:1:8: expected YAML (Cannot resolve unknown tag !<!x>), got "a: !x y"'],
  [
    "a: 1\n---\nb: 2",
    "f:2:1: expected YAML (Found more than 1 document in the stream: expected a single document), " +
    'got "---"',
  ],
  [
    "a: \u0001",
    'f:1:5: expected YAML (Stream contains non-printable characters), got "a: \\u0001"',
  ],
];

const TAB = "YAML (tab in the indentation, where only spaces count)";

/** Texts with tabs, where the first that matters is, and what it indents. */
const TABS: readonly (readonly [text: string, at: string, value: string])[] = [
  ["a:\n\tb: 1\n", "2:1", "b: 1"],
  ["a:\n\tb: 1\n\tc: 2\n", "2:1", "b: 1"],
  ["a:\n  b: 1\n\tc: 2\n", "3:1", "c: 2"],
  ["a:\n\t- 1\n\t- 2\n", "2:1", "- 1"],
  ["a:\n  - x: 1\n\t  y: 2\n", "3:1", "y: 2"],
  ["a:\n  - x: 1\n  \ty: 2\n", "3:3", "y: 2"],
  ["a:\r\n  b:\r\n\t\tc: 1\r\nd: 2\r\n", "3:1", "c: 1"],
  ["a: 1\n\n# x\n\tb: 2\nc: 3\n", "4:1", "b: 2"],
  ["a: |\n\tfoo\nb: 1\n", "2:1", "foo"],
  ["a: {\n\tb: 1}\nc:\n\t'd': 1\n", "4:1", "'d': 1"],
  ["\ta: 1\n", "1:1", "a: 1"],
];

for (const [text, at, value] of TABS) {
  Deno.test(`${JSON.stringify(text)} has a tab in the indentation`, () => {
    const error = assertThrows(() => readDocument(text, "f"), ConfigError);
    assertEquals(error.message, `f:${at}: expected ${TAB}, got ${JSON.stringify(value)}`);
  });
}

Deno.test("tabs that indent nothing are no harm", () => {
  const good = [
    '{\n\t"a": [\n\t\t1\n\t]\n}\n',
    "a:\t1\nb:\t\n  c: 1\n",
    "a:\n\t# why\n  b: 1\n\t\n  c: 2\n",
    "a: |\n  x\n  \ty: 1\n\n  - z\n",
    "a: 'x\n\ty: 1'\n",
    'a: "x\n\ty"\n',
    "a: {\n\tb: 1,\n\t}\n",
    "a: x\n  \ty\n",
  ];
  for (const text of good) assertEquals(typeof readDocument(text, "f"), "object", JSON.stringify(text));
});

Deno.test("what is wrong before a tab is reported instead", () => {
  const error = assertThrows(() => readDocument("a: 1\n b: 2\nc:\n\td: 1\n", "f"), ConfigError);
  assertEquals(error.problems[0]!.line, 2);
});

for (const [text, message] of BAD) {
  Deno.test(`${JSON.stringify(text)} is no YAML`, () => {
    const error = assertThrows(() => readDocument(text, "f"), ConfigError);
    assertEquals(error.message, message);
    assertInstanceOf(error.cause, SyntaxError);
    assertEquals(error.problems.map(({ kind, path }) => [kind, path]), [["syntax", ""]]);
  });
}

Deno.test("a text that is deeper than the parser can go is no YAML that can be read", () => {
  const error = assertThrows(() => readDocument("{a: ".repeat(100_000), "f"), ConfigError);
  assertEquals(error.message, "f: expected YAML (it is too deep)");
});
