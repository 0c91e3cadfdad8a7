import { assertEquals, assertStrictEquals } from "@std/assert";
import { Deadline } from "../../src/core/deadline.ts";
import { TimerWheel } from "../../src/core/timer_wheel.ts";
import { FakeClock } from "./fake_clock.ts";

function setUp(timeoutMs: number) {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock });
  const late = new Error("too late");
  let made = 0;
  const reason = () => {
    made++;
    return late;
  };
  const deadline = new Deadline(wheel, { timeoutMs, reason });
  return { clock, wheel, deadline, late, made: () => made };
}

Deno.test("the signal fires when the time is up, within a tick, with the reason made then", () => {
  const { clock, deadline, late, made } = setUp(1000);
  clock.advance(999);
  assertEquals([deadline.signal.aborted, made()], [false, 0]);
  clock.advance(101);
  assertEquals(deadline.signal.aborted, true);
  assertStrictEquals(deadline.signal.reason, late);
  assertEquals([made(), clock.pending], [1, 0]);
});

Deno.test("what is done in time is not interrupted, and leaves no timer", () => {
  const { clock, wheel, deadline } = setUp(1000);
  deadline[Symbol.dispose]();
  assertEquals(wheel.size, 0);
  clock.advance(10_000);
  assertEquals(deadline.signal.aborted, false);
});

Deno.test("a time of 0 never comes", () => {
  const { clock, wheel, deadline } = setUp(0);
  assertEquals(wheel.size, 0);
  clock.advance(1_000_000);
  assertEquals(deadline.signal.aborted, false);
});

Deno.test("an abort comes before the time, and the reason that came first stays", () => {
  const { clock, wheel, deadline, made } = setUp(1000);
  const left = new Error("the client has left");
  deadline.abort(left);
  deadline.abort(new Error("again"));
  clock.advance(10_000);
  assertStrictEquals(deadline.signal.reason, left);
  assertEquals([made(), wheel.size], [0, 0]);
});

Deno.test("what takes long is reported once, on the way to the deadline", () => {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock });
  let slow = 0;
  const onSlow = () => slow++;
  const deadline = new Deadline(wheel, { timeoutMs: 5000, reason: () => new Error("late"), onSlow });
  clock.advance(150);
  assertEquals(slow, 0);
  clock.advance(150);
  assertEquals([slow, deadline.signal.aborted], [1, false]);
  clock.advance(4600);
  assertEquals(deadline.signal.aborted, false);
  clock.advance(300);
  assertEquals([slow, deadline.signal.aborted, clock.pending], [1, true, 0]);
});

Deno.test("a deadline that is sooner than slow never says so", () => {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock });
  let slow = 0;
  const deadline = new Deadline(wheel, {
    timeoutMs: 150,
    reason: () => new Error("late"),
    onSlow: () => slow++,
  });
  clock.advance(600);
  assertEquals([slow, deadline.signal.aborted, clock.pending], [0, true, 0]);
});
