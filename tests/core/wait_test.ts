import { assertEquals, assertRejects } from "@std/assert";
import { onAbort, pause, settledWithin, withTimeout } from "../../src/core/wait.ts";
import { FakeClock } from "./fake_clock.ts";

const never = new Promise<never>(() => {});

Deno.test("onAbort calls back once, also for a signal that has aborted, and not after it is disposed of", () => {
  let calls = 0;
  const count = () => calls++;
  {
    using _late = onAbort(AbortSignal.abort(), count);
  }
  assertEquals(calls, 1);
  const [first, second] = [new AbortController(), new AbortController()];
  {
    using _first = onAbort(first.signal, count);
    using _second = onAbort(second.signal, count);
    first.abort();
    assertEquals(calls, 2);
  }
  second.abort();
  assertEquals(calls, 2);
});

Deno.test("a pause ends after its time or when the signal aborts, and leaves no timer", async () => {
  const clock = new FakeClock();
  const controller = new AbortController();
  const [timed, aborted] = [1000, 5000].map((ms) => pause(ms, { clock, signal: controller.signal }));
  clock.advance(1000);
  await timed;
  controller.abort();
  await aborted;
  await pause(1000, { clock, signal: controller.signal });
  assertEquals(clock.pending, 0);
});

Deno.test("settledWithin waits for a promise, rejected or not, for at most the timeout", async () => {
  const clock = new FakeClock();
  await settledWithin(Promise.reject(new Error("no")), { clock, timeoutMs: 1000 });
  assertEquals(clock.pending, 0);
  const waiting = settledWithin(never, { clock, timeoutMs: 1000 });
  clock.advance(1000);
  await waiting;
});

Deno.test("withTimeout rejects at the timeout or with the outer signal, and aborts the action's signal", async () => {
  const clock = new FakeClock();
  const outer = new AbortController();
  const options = { clock, timeoutMs: 1000, signal: outer.signal, timeoutError: () => new Error("late") };
  assertEquals(await withTimeout(options, () => Promise.resolve(7)), 7);
  assertEquals(clock.pending, 0);
  const reasons: unknown[] = [];
  const action = (signal: AbortSignal) => {
    signal.addEventListener("abort", () => reasons.push(signal.reason.message));
    return never;
  };
  const late = assertRejects(() => withTimeout(options, action), Error, "late");
  clock.advance(1000);
  await late;
  const given = assertRejects(() => withTimeout(options, action), Error, "stop");
  outer.abort(new Error("stop"));
  await given;
  assertEquals(reasons, ["late", "stop"]);
});
