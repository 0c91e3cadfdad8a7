import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { ConfigError } from "../../src/config/problem.ts";
import { readDocument } from "../../src/config/read_document.ts";

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
