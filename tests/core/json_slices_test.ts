import { assertEquals } from "@std/assert";
import { jsonInSlices } from "../../src/core/json_slices.ts";

const backends = Array.from({ length: 3 }, (_, index) => ({ address: `a:${index}`, checks: [[index], {}] }));
const VALUES: readonly unknown[] = [
  null,
  'a\u2028"b',
  1.5,
  NaN,
  [],
  {},
  [undefined, [[[[[1]]]]]],
  { a: undefined, b: { c: undefined, "d\n": [true] } },
  { upstreams: [{ name: "u", backends }, { name: "v", backends: [] }], ready: false },
];

Deno.test("JSON that is written in slices is what JSON.stringify writes", async () => {
  for (const value of VALUES) assertEquals(await jsonInSlices(value), JSON.stringify(value));
});

Deno.test("each piece of it is escaped", async () => {
  const escape = (piece: string) => piece.replaceAll("x", "\\u0078");
  assertEquals(await jsonInSlices({ x: ["axx"] }, escape), '{"\\u0078":["a\\u0078\\u0078"]}');
});

Deno.test("large values leave the event loop free between pieces", async () => {
  const value = { list: Array.from({ length: 100_000 }, (_, index) => ({ index, name: `n${index}` })) };
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  assertEquals(await jsonInSlices(value), JSON.stringify(value));
  clearInterval(timer);
  assertEquals(turns > 1, true);
});
