import { assertEquals } from "@std/assert";
import { BoundedCache } from "../../src/core/bounded_cache.ts";

function cacheOf(entries: number, weight: number): BoundedCache<string> {
  return new BoundedCache({ entries, weight, weigh: (text) => text.length });
}

Deno.test("the entry that was used least lately makes room, by number", () => {
  const cache = cacheOf(2, 100);
  cache.set("a", "1");
  cache.set("b", "2");
  assertEquals(cache.get("a"), "1");
  cache.set("c", "3");
  assertEquals(["a", "b", "c"].map((key) => cache.get(key)), ["1", undefined, "3"]);
  assertEquals([cache.size, cache.weight], [2, 2]);
});

Deno.test("as many make room as are needed, by weight", () => {
  const cache = cacheOf(100, 10);
  for (const key of ["a", "b", "c", "d", "e"]) cache.set(key, "xx");
  cache.set("f", "xxxxx");
  assertEquals(["a", "b", "c", "d", "e", "f"].filter((key) => cache.get(key) !== undefined), ["d", "e", "f"]);
  assertEquals([cache.size, cache.weight], [3, 9]);
});

Deno.test("what is replaced does not count any more, and what is too heavy is not kept", () => {
  const cache = cacheOf(100, 10);
  cache.set("a", "xxxxxxxx");
  cache.set("a", "xx");
  cache.set("b", "xxxxxxxx");
  assertEquals([cache.size, cache.weight], [2, 10]);
  cache.set("a", "xxxxxxxxxxx");
  assertEquals([cache.get("a"), cache.size, cache.weight], [undefined, 1, 8]);
});
