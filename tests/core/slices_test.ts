import { assert, assertEquals, assertRejects } from "@std/assert";
import { runAtOnce, runInSlices, type Steps } from "../../src/core/slices.ts";

function* count(steps: number): Steps<number> {
  for (let step = 0; step < steps; step++) yield;
  return steps;
}

Deno.test("work in slices gives way as often as its slices are short, and at once not at all", async () => {
  let pauses = 0;
  const pause = () => Promise.resolve(void pauses++);
  assertEquals(await runInSlices(count(10), { sliceMs: 0, pause }), 10);
  assertEquals(pauses, 10);
  assertEquals(await runInSlices(count(10), { sliceMs: Infinity, pause }), 10);
  assertEquals(pauses, 10);
  assertEquals(runAtOnce(count(10)), 10);
});

Deno.test("the event loop goes on between slices", async () => {
  let turns = 0;
  let done = false;
  const others = (async () => {
    for (; !done; turns++) await new Promise((resolve) => setTimeout(resolve, 0));
  })();
  await runInSlices(count(20), { sliceMs: 0 });
  done = true;
  await others;
  assert(turns >= 10, `${turns}`);
});

Deno.test("what work in slices throws rejects", async () => {
  function* broken(): Steps<void> {
    yield;
    throw new TypeError("broken");
  }
  await assertRejects(() => runInSlices(broken()), TypeError, "broken");
});
