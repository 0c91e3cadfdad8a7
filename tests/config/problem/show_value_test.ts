import { assertEquals } from "@std/assert";
import { showValue } from "../../../src/config/problem/show_value.ts";

const endless: unknown[] = [];
endless.push(endless);

let huge: unknown = "lol";
for (let level = 0; level < 40; level++) huge = Array(10).fill(huge);

const VALUES: readonly (readonly [unknown, string])[] = [
  [undefined, "nothing"],
  [null, "nothing"],
  [5, "5"],
  [NaN, "NaN"],
  [true, "true"],
  ["heavy", '"heavy"'],
  ["a\nb\u0007", '"a\\nb\\u0007"'],
  ["x".repeat(58), `"${"x".repeat(58)}"`],
  ["x".repeat(59), `"${"x".repeat(57)}…"`],
  ["x".repeat(1_000_000), `"${"x".repeat(57)}…"`],
  [[], "[]"],
  [{}, "{}"],
  [{ a: 1, b: [null, "x"] }, '{"a": 1, "b": [null, "x"]}'],
  [["x".repeat(40), "y".repeat(40)], `["${"x".repeat(40)}", "${"y".repeat(13)}…`],
  [endless, `${"[".repeat(31)}${"]".repeat(28)}…`],
  [new Date("2020-01-01T00:00:00Z"), "2020-01-01T00:00:00.000Z"],
  [new Date("no"), "a date"],
];

for (const [value, text] of VALUES) {
  Deno.test(`a value is shown as ${text}`, () => assertEquals(showValue(value), text));
}

Deno.test("a value that is enormous when it is written out is shown at once", () => {
  assertEquals(showValue(huge).length, 60);
});
