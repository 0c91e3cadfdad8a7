import { assert, assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import { RateLimiter } from "../../src/core/rate_limiter.ts";
import { FakeClock } from "./fake_clock.ts";

/** How many of so many tries are allowed. */
function countAllowed(limiter: RateLimiter, key: string, tries: number): number {
  return Array.from({ length: tries }, () => limiter.allow(key)).filter(Boolean).length;
}

Deno.test("a rate limiter allows a burst, and then as many as come back", () => {
  const clock = new FakeClock();
  const limiter = new RateLimiter({ connections: 10, perMs: 1_000, burst: 5, clock });
  assertEquals(countAllowed(limiter, "a", 20), 5);
  clock.advance(99);
  assertEquals(countAllowed(limiter, "a", 20), 0);
  clock.advance(1);
  assertEquals(countAllowed(limiter, "a", 20), 1);
  clock.advance(350);
  assertEquals(countAllowed(limiter, "a", 20), 3);
  clock.advance(50); // together with what was left over
  assertEquals(countAllowed(limiter, "a", 20), 1);
  clock.advance(1_000_000);
  assertEquals(countAllowed(limiter, "a", 20), 5);
});

Deno.test("a rate limiter keeps keys apart", () => {
  const limiter = new RateLimiter({ connections: 1, perMs: 1_000, burst: 2, clock: new FakeClock() });
  assertEquals(countAllowed(limiter, "a", 5), 2);
  assertEquals(countAllowed(limiter, "b", 5), 2);
  assertEquals(limiter.size, 2);
});

Deno.test("a rate limiter's burst is the number of connections unless said otherwise", () => {
  const clock = new FakeClock();
  assertEquals(countAllowed(new RateLimiter({ connections: 7, perMs: 60_000, clock }), "a", 20), 7);
  assertEquals(countAllowed(new RateLimiter({ connections: 0.5, perMs: 1_000, clock }), "a", 20), 1);
});

Deno.test("a rate limiter loses nothing to rounding", () => {
  const clock = new FakeClock();
  const limiter = new RateLimiter({ connections: 3, perMs: 1_000, burst: 3, clock });
  let allowed = countAllowed(limiter, "a", 10);
  for (let second = 0; second < 1_000; second++) {
    clock.advance(1_000);
    allowed += countAllowed(limiter, "a", 10);
  }
  assertEquals(allowed, 3 + 3 * 1_000);
});

Deno.test("a rate limiter is never above its rate and burst, however the tries fall", () => {
  const clock = new FakeClock();
  const limiter = new RateLimiter({ connections: 20, perMs: 1_000, burst: 4, clock });
  let seed = 1;
  const allowedAtMs: number[] = [];
  for (let i = 0; i < 2_000; i++) {
    seed = seed * 16_807 % 2_147_483_647;
    clock.advance(seed % 60);
    if (limiter.allow("a")) allowedAtMs.push(clock.now());
  }
  for (let from = 0; from < allowedAtMs.length; from += 7) {
    for (let to = from; to < allowedAtMs.length; to++) {
      const ms = allowedAtMs[to]! - allowedAtMs[from]!;
      assertLessOrEqual(to - from + 1, 4 + ms / 50);
    }
  }
});

Deno.test("a refused try takes nothing", () => {
  const clock = new FakeClock();
  const limiter = new RateLimiter({ connections: 1, perMs: 100, burst: 1, clock });
  assert(limiter.allow("a"));
  for (let i = 0; i < 9; i++) {
    clock.advance(10);
    assert(!limiter.allow("a"));
  }
  clock.advance(10);
  assert(limiter.allow("a"));
});

Deno.test("a rate limiter remembers no more keys than it may", () => {
  const limiter = new RateLimiter({
    connections: 1,
    perMs: 1_000,
    burst: 1,
    maxKeys: 100,
    clock: new FakeClock(),
  });
  for (let i = 0; i < 10_000; i++) assert(limiter.allow(`${i}`));
  assertEquals(limiter.size, 100);
  // The last hundred are those remembered.
  for (let i = 9_900; i < 10_000; i++) assert(!limiter.allow(`${i}`), `${i}`);
});

Deno.test("a full rate limiter first forgets a key whose bucket is full again, though used later", () => {
  const clock = new FakeClock();
  const limiter = new RateLimiter({ connections: 1, perMs: 100, burst: 3, maxKeys: 3, clock });
  assertEquals(countAllowed(limiter, "heavy", 3), 3); // full again at 300
  clock.advance(1);
  assertEquals(countAllowed(limiter, "heavy too", 3), 3); // full again at 301
  clock.advance(1);
  assert(limiter.allow("light")); // full again at 102
  clock.advance(98); // 100
  assert(limiter.allow("heavy"));
  clock.advance(3); // 103
  assert(limiter.allow("new")); // takes the place of "light", not of "heavy too", which was used least recently
  assert(limiter.allow("heavy too"));
  assert(!limiter.allow("heavy too"), "what it had taken is remembered");
  assert(!limiter.allow("heavy"), "what it had taken is remembered");
});

Deno.test("a full rate limiter forgets the least recently used when no bucket is full again", () => {
  const limiter = new RateLimiter({
    connections: 1,
    perMs: 1_000,
    burst: 1,
    maxKeys: 3,
    clock: new FakeClock(),
  });
  for (const key of ["a", "b", "c"]) assert(limiter.allow(key));
  assert(!limiter.allow("a")); // a refused try is a use
  assert(limiter.allow("d")); // in the place of b
  for (const key of ["a", "c", "d"]) assert(!limiter.allow(key), key);
  assert(limiter.allow("b")); // in the place of a
  assert(limiter.allow("a")); // in the place of c
  for (const key of ["d", "b", "a"]) assert(!limiter.allow(key), key);
});

Deno.test("a rate limiter does with a single key, and with one after the other", () => {
  const limiter = new RateLimiter({
    connections: 1,
    perMs: 1_000,
    burst: 1,
    maxKeys: 1,
    clock: new FakeClock(),
  });
  assert(limiter.allow("a"));
  assert(!limiter.allow("a"));
  assert(limiter.allow("b"));
  assert(!limiter.allow("b"));
  assertEquals(limiter.size, 1);
});

Deno.test("a rate limiter forgets in the order of use, as a plain list does", () => {
  const limiter = new RateLimiter({
    connections: 1,
    perMs: 1e12,
    burst: 1,
    maxKeys: 10,
    clock: new FakeClock(),
  });
  let used: string[] = [];
  let seed = 3;
  for (let i = 0; i < 5_000; i++) {
    seed = seed * 16_807 % 2_147_483_647;
    const key = `${seed % 15}`;
    assertEquals(limiter.allow(key), !used.includes(key));
    used = [key, ...used.filter((other) => other !== key)].slice(0, 10);
  }
});

Deno.test("a rate limiter refuses options that make no sense", () => {
  const clock = new FakeClock();
  const good = { connections: 1, perMs: 1_000, clock };
  for (
    const bad of [{ connections: 0 }, { perMs: 0 }, { burst: 0.5 }, { maxKeys: 0 }, { connections: NaN }]
  ) {
    assertThrows(() => new RateLimiter({ ...good, ...bad }), RangeError);
  }
});
