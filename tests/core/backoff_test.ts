import { assert, assertEquals } from "@std/assert";
import { Backoff } from "../../src/core/backoff.ts";
import { seededRandom } from "./seeded_random.ts";

Deno.test("delays double from the first to the longest, each with half of it left to chance", () => {
  const low = new Backoff({ minMs: 100, maxMs: 1000, random: () => 0 });
  const high = new Backoff({ minMs: 100, maxMs: 1000, random: () => 1 });
  assertEquals(Array.from({ length: 6 }, () => low.next()), [50, 100, 200, 400, 500, 500]);
  assertEquals(Array.from({ length: 6 }, () => high.next()), [100, 200, 400, 800, 1000, 1000]);
});

Deno.test("after a success it starts again", () => {
  const backoff = new Backoff({ minMs: 100, maxMs: 1000, random: () => 1 });
  for (let i = 0; i < 5; i++) backoff.next();
  backoff.reset();
  assertEquals([backoff.next(), backoff.next()], [100, 200]);
});

Deno.test("two that failed together do not come back together", () => {
  const a = new Backoff({ minMs: 100, maxMs: 1000, random: seededRandom(1) });
  const b = new Backoff({ minMs: 100, maxMs: 1000, random: seededRandom(2) });
  const apart = Array.from({ length: 8 }, () => Math.abs(a.next() - b.next()));
  assert(apart.every((ms) => ms > 0), `apart by ${apart}`);
});
