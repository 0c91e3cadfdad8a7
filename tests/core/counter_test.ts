import { assertEquals } from "@std/assert";
import { Counter, type CounterSlot } from "../../src/core/counter.ts";

/** The slot of one of several threads, and what all of them have counted. */
function slotsOf(threads: number): { slots: CounterSlot[]; totals: Int32Array } {
  const totals = new Int32Array(new SharedArrayBuffer(16));
  const slots = Array.from({ length: threads }, () => ({
    totals,
    own: new Int32Array(new SharedArrayBuffer(16)),
    index: 2,
  }));
  return { slots, totals };
}

Deno.test("a counter takes as many as its limit, and 0 is no limit", () => {
  const counter = new Counter();
  assertEquals([1, 2, 3].map(() => counter.tryAdd(2)), [true, true, false]);
  assertEquals([counter.tryAdd(0), counter.value, counter.own, counter.shared], [true, 3, 3, false]);
  counter.remove();
  counter.set(7);
  assertEquals([counter.value, counter.tryAdd(8), counter.tryAdd(8)], [7, true, false]);
});

Deno.test("shared counters are one, with what each had counted alone, and each knows its own part", () => {
  const { slots: [first, second], totals } = slotsOf(2);
  const [a, b] = [new Counter(), new Counter()];
  a.add();
  a.share(first!);
  a.share(second!); // Nothing the second time.
  b.set(2);
  b.share(second!);
  assertEquals([a.value, b.value, a.own, b.own, totals[2]], [3, 3, 1, 2, 3]);
  assertEquals([a.tryAdd(4), b.tryAdd(4), a.value], [true, false, 4]);
  b.set(0);
  assertEquals([a.value, first!.own[2], second!.own[2]], [2, 2, 0]);
  assertEquals([b.tryAdd(3), a.tryAdd(3)], [true, false]);
});
