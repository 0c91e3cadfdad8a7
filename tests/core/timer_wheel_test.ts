import { assertEquals } from "@std/assert";
import { TimerWheel, WheelTimer } from "../../src/core/timer_wheel.ts";
import { FakeClock } from "./fake_clock.ts";

function setUp() {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock, tickMs: 100 });
  const fired: number[] = [];
  const timer = (nextMs = 0) =>
    new WheelTimer((nowMs) => {
      fired.push(nowMs);
      return nextMs === 0 ? 0 : nowMs + nextMs;
    });
  return { clock, wheel, fired, timer };
}

Deno.test("a timer fires once, at the first tick at or after its time", () => {
  const { clock, wheel, fired, timer } = setUp();
  wheel.start(timer(), 250);
  clock.advance(299);
  assertEquals(fired, []);
  clock.advance(1);
  assertEquals(fired, [300]);
  clock.advance(10_000);
  assertEquals(fired, [300]);
  assertEquals([wheel.size, clock.pending], [0, 0]);
});

Deno.test("a timer that says when it wants to be called next is called then", () => {
  const { clock, wheel, fired, timer } = setUp();
  const repeating = timer(500);
  wheel.start(repeating, 500);
  clock.advance(1600);
  assertEquals(fired, [500, 1000, 1500]);
  wheel.stop(repeating);
  clock.advance(5000);
  assertEquals(fired.length, 3);
  assertEquals(clock.pending, 0);
});

Deno.test("starting a running timer moves it", () => {
  const { clock, wheel, fired, timer } = setUp();
  const moved = timer();
  wheel.start(moved, 1000);
  clock.advance(500);
  wheel.start(moved, 1000);
  clock.advance(900);
  assertEquals(fired, []);
  clock.advance(100);
  assertEquals(fired, [1500]);
});

Deno.test("timers beyond one round of the wheel fire at their time and not a round early", () => {
  const { clock, wheel, fired, timer } = setUp();
  wheel.start(timer(), 10 * 60_000);
  wheel.start(timer(), 51_200);
  clock.advance(51_100);
  assertEquals(fired, []);
  clock.advance(100);
  assertEquals(fired, [51_200]);
  clock.advance(548_700);
  assertEquals(fired, [51_200]);
  clock.advance(100);
  assertEquals(fired, [51_200, 600_000]);
});

Deno.test("after a rest without timers, and after a long pause, timers still fire in time", () => {
  const { clock, wheel, fired, timer } = setUp();
  wheel.start(timer(), 100);
  clock.advance(100);
  clock.advance(1_000_000);
  assertEquals(clock.pending, 0);
  wheel.start(timer(), 200);
  clock.advance(200);
  assertEquals(fired, [100, 1_000_300]);
});

Deno.test("a timer that stops another one of the same moment keeps it from firing", () => {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock, tickMs: 100 });
  const fired: string[] = [];
  const second = new WheelTimer(() => {
    fired.push("second");
    return 0;
  });
  const first = new WheelTimer(() => {
    fired.push("first");
    wheel.stop(second);
    return 0;
  });
  wheel.start(first, 100);
  wheel.start(second, 100);
  clock.advance(1000);
  assertEquals(fired, ["first"]);
});

Deno.test("a thousand timers at random times each fire once, within a tick of their time", () => {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock, tickMs: 100 });
  let late = 0;
  let count = 0;
  for (let i = 0; i < 1000; i++) {
    const dueMs = (i * 7919) % 120_000 + 1;
    wheel.start(
      new WheelTimer((nowMs) => {
        count++;
        if (nowMs < dueMs || nowMs - dueMs > 100) late++;
        return 0;
      }),
      dueMs,
    );
  }
  clock.advance(121_000);
  assertEquals([count, late, wheel.size], [1000, 0, 0]);
});
