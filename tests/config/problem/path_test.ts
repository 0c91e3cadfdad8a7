import { assertEquals } from "@std/assert";
import { formatPath, type Path } from "../../../src/config/problem/problem.ts";

const PATHS: readonly (readonly [Path, string])[] = [
  [[], ""],
  [["services", 0, "listen", 1], "services[0].listen[1]"],
  [["upstreams", "by-name", "balance"], "upstreams.by-name.balance"],
  [["upstreams", "my db", "balance"], 'upstreams["my db"].balance'],
  [["services", 2, "sni", "*.example.org"], 'services[2].sni["*.example.org"]'],
  [["a\nb"], '["a\\nb"]'],
  [["x".repeat(50)], `["${"x".repeat(39)}…"]`],
  [[0, 1], "[0][1]"],
];

for (const [path, text] of PATHS) {
  Deno.test(`the path ${JSON.stringify(path)} is written ${text}`, () =>
    assertEquals(formatPath(path), text));
}
