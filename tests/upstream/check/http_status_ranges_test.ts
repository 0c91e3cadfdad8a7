import { assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { parseStatusRanges } from "../../../src/upstream/check/status_ranges.ts";

Deno.test("codes and ranges are read, with their ends", () => {
  const good: [text: string, inside: number[], outside: number[]][] = [
    ["200", [200], [199, 201]],
    ["200-399", [200, 300, 399], [199, 400]],
    ["200,204,300-399", [200, 204, 300, 399], [201, 203, 299, 400]],
    [" 200 , 401 ", [200, 401], [400]],
    ["100-599", [100, 599], [99, 600]],
  ];
  for (const [text, inside, outside] of good) {
    const ranges = parseStatusRanges(text);
    assertEquals([ranges.text, inside.filter(ranges.includes)], [text, inside]);
    assertEquals(outside.filter(ranges.includes), []);
  }
});

Deno.test("anything else is refused with what is expected", () => {
  const wrong: [text: string, expected: string][] = [
    ["", 'expected status codes such as 200, 200-399 or "200,204,300-399"'],
    ["2xx", "expected status codes"],
    ["200,", "expected status codes"],
    ["200-", "expected status codes"],
    ["200 - 399", "expected status codes"],
    ["20", "expected status codes"],
    ["1000", "expected status codes"],
    ["099", "expected codes from 100 to 599"],
    ["200-600", "expected codes from 100 to 599"],
    ["399-200", "expected the smaller code first in 399-200"],
  ];
  for (const [text, expected] of wrong) {
    const error = assertThrows(() => parseStatusRanges(text), CulvertError, expected);
    assertEquals(error.code, "bad_status_ranges");
  }
});
