import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { BufferPool } from "../../src/net/buffers.ts";

const SMALL = 10;
const MEDIUM = 100;
const LARGE = 1000;

function smallPool(bounds: { maxMedium?: number; maxLarge?: number } = {}) {
  return new BufferPool({ smallBytes: SMALL, mediumBytes: MEDIUM, largeBytes: LARGE, ...bounds });
}

/** The sizes that a flow's reads are given, when they find so many bytes one after the other. */
function sizes(pool: BufferPool, counts: readonly number[]): number[] {
  let buffer = pool.take();
  const seen = counts.map((count) => {
    const { length } = buffer;
    buffer = pool.exchange(buffer, Math.min(count, length));
    return length;
  });
  pool.give(buffer);
  return seen;
}

Deno.test("a flow of small messages keeps one small buffer", () => {
  const pool = smallPool();
  const buffer = pool.take();
  for (const count of [1, 5, 9, 1]) assertStrictEquals(pool.exchange(buffer, count), buffer);
  assertEquals(pool.inUse, { small: 1, medium: 0, large: 0 });
});

Deno.test("a full buffer is followed by a large one, for as long as reads fill it", () => {
  assertEquals(sizes(smallPool(), [SMALL, LARGE, LARGE, 7]), [SMALL, LARGE, LARGE, LARGE]);
});

Deno.test("between bursts a flow waits with a medium buffer, and with a small one after a small burst", () => {
  assertEquals(sizes(smallPool(), [SMALL, 500, 60, 70, 3, 3]), [SMALL, LARGE, MEDIUM, MEDIUM, MEDIUM, SMALL]);
  assertEquals(sizes(smallPool(), [SMALL, 5, MEDIUM, 20, 3]), [SMALL, LARGE, MEDIUM, LARGE, MEDIUM]);
});

Deno.test("large buffers are bounded: beyond that a flow makes do with a medium one, and then a small one", () => {
  const pool = smallPool({ maxLarge: 1, maxMedium: 1 });
  const large = pool.exchange(pool.take(), SMALL);
  const medium = pool.exchange(pool.take(), SMALL);
  const small = pool.exchange(pool.take(), SMALL);
  assertEquals([large.length, medium.length, small.length], [LARGE, MEDIUM, SMALL]);
  assertEquals(pool.inUse, { small: 1, medium: 1, large: 1 });
  pool.give(large);
  assertEquals(pool.exchange(medium, MEDIUM).length, LARGE);
  assertEquals(pool.inUse, { small: 1, medium: 0, large: 1 });
});

Deno.test("a medium buffer can be had by itself, within the bound", () => {
  const pool = smallPool({ maxMedium: 1 });
  const medium = pool.takeMedium();
  assertEquals([medium?.length, pool.takeMedium()], [MEDIUM, undefined]);
  pool.give(medium!);
  assertStrictEquals(pool.takeMedium(), medium);
});

Deno.test("a buffer that is given back is lent again, and never to two at once", () => {
  const pool = smallPool();
  const first = pool.take();
  const second = pool.take();
  assertNotStrictEquals(first, second);
  pool.give(first);
  assertStrictEquals(pool.take(), first);
  const out = new Set(Array.from({ length: 100 }, () => pool.take()));
  assertEquals(out.size, 100);
  assert(!out.has(first) && !out.has(second));
});

Deno.test("after a burst of connections only some large buffers are kept", () => {
  const pool = smallPool();
  const burst = Array.from({ length: 200 }, () => pool.exchange(pool.take(), SMALL));
  for (const buffer of burst) pool.give(buffer);
  assertEquals(pool.inUse, { small: 0, medium: 0, large: 0 });
  const again = Array.from({ length: 200 }, () => pool.exchange(pool.take(), SMALL));
  assertEquals(again.filter((buffer) => burst.includes(buffer)).length, 64);
});

Deno.test("sizes that do not grow are refused", () => {
  assertThrows(() => new BufferPool({ smallBytes: 100, mediumBytes: 100 }), RangeError, "differ");
});
