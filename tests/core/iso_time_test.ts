import { assertEquals, assertThrows } from "@std/assert";
import { isoTime } from "../../src/core/iso_time.ts";
import { seededRandom } from "./seeded_random.ts";

Deno.test("a time is written as Date.toISOString writes it", () => {
  const random = seededRandom(1);
  const edges = [
    0,
    1,
    999,
    1000,
    59_999,
    60_000,
    86_399_999,
    86_400_000,
    1_795_176_000_000,
    253_402_300_799_999,
  ];
  const others = Array.from({ length: 20_000 }, () => Math.floor(random() * 4e12));
  const fractions = others.slice(0, 1000).map((ms) => ms + random());
  const before1970 = others.slice(0, 1000).map((ms) => -ms);
  for (const ms of [...edges, ...others, ...fractions, ...before1970, 253_402_300_800_000, 8.64e15]) {
    assertEquals(isoTime(ms), new Date(ms).toISOString(), String(ms));
  }
});

Deno.test("what is not a time is rejected", () => {
  for (const ms of [NaN, Infinity, -Infinity, 8.64e15 + 86_400_000]) {
    assertThrows(() => isoTime(ms), RangeError);
  }
});
