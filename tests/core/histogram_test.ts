import { assertEquals, assertThrows } from "@std/assert";
import { Histogram } from "../../src/core/histogram.ts";
import { seededRandom } from "./seeded_random.ts";

Deno.test("a value is counted in every bucket whose bound is not below it", () => {
  const histogram = new Histogram([0.1, 1, 10]);
  for (const seconds of [0, 0.1, 0.1000001, 1, 9.5, 10, 10.5, 1000]) histogram.observe(seconds);
  const { bounds, counts, count } = histogram.snapshot();
  assertEquals([bounds, counts, count], [[0.1, 1, 10], [2, 4, 6], 8]);
});

Deno.test("the sum is that of all values, those above every bound included", () => {
  const histogram = new Histogram([0.5]);
  for (const seconds of [0.25, 0.5, 4]) histogram.observe(seconds);
  assertEquals(histogram.snapshot(), { bounds: [0.5], counts: [2], sum: 4.75, count: 3 });
});

Deno.test("a histogram that has seen nothing is all zeros", () => {
  assertEquals(new Histogram([1, 2]).snapshot(), { bounds: [1, 2], counts: [0, 0], sum: 0, count: 0 });
});

Deno.test("a histogram without bounds has only a sum and a count", () => {
  const histogram = new Histogram([]);
  histogram.observe(3);
  assertEquals(histogram.snapshot(), { bounds: [], counts: [], sum: 3, count: 1 });
});

Deno.test("a snapshot stays as it was", () => {
  const given = [1, 2];
  const histogram = new Histogram(given);
  given[0] = 5;
  histogram.observe(1);
  const before = histogram.snapshot();
  histogram.observe(1);
  assertEquals(before, { bounds: [1, 2], counts: [1, 1], sum: 1, count: 1 });
  assertEquals(histogram.snapshot().counts, [2, 2]);
  assertThrows(() => (before.bounds as number[]).push(3), TypeError);
});

Deno.test("what is no length of time counts as none, and spoils nothing", () => {
  const histogram = new Histogram([1]);
  for (const seconds of [Number.NaN, -1, -Infinity, -0]) histogram.observe(seconds);
  assertEquals(histogram.snapshot(), { bounds: [1], counts: [4], sum: 0, count: 4 });
});

Deno.test("bounds that do not ascend, or are not finite, are refused", () => {
  for (const bounds of [[1, 1], [2, 1], [1, Infinity], [Number.NaN], [-Infinity, 1], [1, Number.NaN, 2]]) {
    assertThrows(() => new Histogram(bounds), RangeError, "must ascend");
  }
});

Deno.test("its counts equal those of the sorted values", () => {
  const random = seededRandom(20_261_120);
  const bounds = [0.01, 0.05, 0.25, 1, 5];
  const histogram = new Histogram(bounds);
  const values = Array.from({ length: 5000 }, () => random() ** 4 * 20);
  for (const value of values) histogram.observe(value);
  const { counts, count } = histogram.snapshot();
  assertEquals(counts, bounds.map((bound) => values.filter((value) => value <= bound).length));
  assertEquals(count, values.length);
});
