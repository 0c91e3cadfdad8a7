import { assertEquals } from "@std/assert";
import { FakeClock } from "./fake_clock.ts";

Deno.test("a fake clock fires what is due, in the order of time and then of setting", () => {
  const clock = new FakeClock();
  const fired: string[] = [];
  clock.after(20, () => fired.push(`b@${clock.now()}`));
  clock.after(10, () => fired.push(`a@${clock.now()}`));
  clock.after(20, () => fired.push(`c@${clock.now()}`));
  const cancel = clock.after(15, () => fired.push("never"));
  clock.after(21, () => fired.push("later"));
  cancel();
  clock.advance(20);
  assertEquals(fired, ["a@10", "b@20", "c@20"]);
  assertEquals(clock.now(), 20);
  assertEquals(clock.pending, 1);
});

Deno.test("a fake clock fires timers that a timer sets on the way", () => {
  const clock = new FakeClock();
  const times: number[] = [];
  const tick = () => {
    times.push(clock.now());
    clock.after(10, tick);
  };
  clock.after(10, tick);
  clock.advance(35);
  assertEquals(times, [10, 20, 30]);
  assertEquals(clock.now(), 35);
});

Deno.test("a fake clock lets promises run between timers when asked to", async () => {
  const clock = new FakeClock();
  const sleep = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));
  const times: number[] = [];
  const loop = (async () => {
    for (let i = 0; i < 3; i++) {
      await sleep(10);
      times.push(clock.now());
    }
  })();
  await clock.advanceAsync(30);
  await loop;
  assertEquals(times, [10, 20, 30]);
});
