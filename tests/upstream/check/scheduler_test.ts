import { assertEquals, assertGreaterOrEqual, assertLess, assertLessOrEqual } from "@std/assert";
import { TimerWheel } from "../../../src/core/timer_wheel.ts";
import type { CheckReport } from "../../../src/upstream/check/check.ts";
import {
  CheckScheduler,
  type CheckSchedulerOptions,
  type CheckTask,
} from "../../../src/upstream/check/scheduler.ts";
import type { CheckOutcome } from "../../../src/upstream/check/health.ts";
import { FakeClock } from "../../core/fake_clock.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { settle } from "../../support/settle.ts";

/** One check under way, which the test ends. */
interface Run {
  readonly task: string;
  readonly atMs: number;
  readonly signal: AbortSignal;
  readonly end: PromiseWithResolvers<CheckReport>;
}

/** A scheduler in fake time, with tasks whose checks the test ends, or that end at once. */
class SchedulerFixture {
  readonly clock = new FakeClock();
  readonly wheel: TimerWheel;
  readonly scheduler: CheckScheduler;
  readonly runs: Run[] = [];
  /** What tasks were told: `a + 0`, `a - 100 reason`. */
  readonly told: string[] = [];
  /** The outcomes of these. */
  readonly outcomes: CheckOutcome[] = [];

  constructor(options: Partial<CheckSchedulerOptions> & { tickMs?: number } = {}) {
    this.wheel = new TimerWheel({ clock: this.clock, tickMs: options.tickMs ?? 10 });
    this.scheduler = new CheckScheduler({ wheel: this.wheel, random: () => 0, ...options });
  }

  /** A task with this name; `run` ends its checks, else the test does, or their signal. */
  task(name: string, options: Partial<CheckTask> = {}): CheckTask {
    return {
      intervalMs: 1000,
      timeoutMs: 500,
      run: (signal) => {
        const run = { task: name, atMs: this.clock.now(), signal, end: Promise.withResolvers<CheckReport>() };
        this.runs.push(run);
        signal.addEventListener("abort", () => run.end.reject(signal.reason));
        return run.end.promise;
      },
      onOutcome: (outcome) => {
        this.outcomes.push(outcome);
        const { ok, detail } = outcome;
        this.told.push(`${name} ${ok ? "+" : "-"} ${this.clock.now()}${detail && ` ${detail}`}`);
      },
      ...options,
    };
  }

  /** A task whose checks all end at once, and well. */
  good(name: string, options: Partial<CheckTask> = {}): CheckTask {
    return this.task(name, { run: () => Promise.resolve({ detail: "" }), ...options });
  }

  /** Whose checks have begun, in order. */
  get begun(): string {
    return this.runs.map(({ task }) => task).join(" ");
  }

  /** Ends the `index`-th check well. */
  async pass(index: number): Promise<void> {
    this.runs[index]!.end.resolve({ detail: "" });
    await settle();
  }

  /** Nothing is left when all is removed. */
  assertIdle(): void {
    assertEquals([this.scheduler.size, this.scheduler.underWay], [0, 0]);
    assertEquals([this.wheel.size, this.clock.pending], [0, 0]);
  }
}

/** Random numbers that a test has written down. */
function scripted(...numbers: number[]): () => number {
  return () => numbers.shift()!;
}

Deno.test("the first check runs at once, even before add returns", () => {
  const fixture = new SchedulerFixture();
  const task = fixture.task("a");
  fixture.scheduler.add(task);
  assertEquals([fixture.begun, fixture.scheduler.size, fixture.scheduler.underWay], ["a", 1, 1]);
  fixture.scheduler.remove(task);
});

Deno.test("a check follows another after the interval, from start to start", async () => {
  const fixture = new SchedulerFixture();
  const task = fixture.task("a");
  fixture.scheduler.add(task);
  await fixture.clock.advanceAsync(300); // As long as the first one takes.
  await fixture.pass(0);
  for (let i = 1; i < 4; i++) {
    await fixture.clock.advanceAsync(690);
    assertEquals(fixture.runs.length, i);
    await fixture.clock.advanceAsync(10);
    assertEquals(fixture.runs.length, i + 1);
    await fixture.clock.advanceAsync(300);
    await fixture.pass(i);
  }
  assertEquals(fixture.runs.map(({ atMs }) => atMs), [0, 1000, 2000, 3000]);
  assertEquals(fixture.told, ["a + 300", "a + 1300", "a + 2300", "a + 3300"]);
  fixture.scheduler.remove(task);
  fixture.assertIdle();
});

Deno.test("jitter: the second check comes any time within the interval, those after it up to a tenth early", async () => {
  const fixture = new SchedulerFixture({ random: scripted(0.75, 0.5, 0, 0.9, 0, 0) });
  const starts: number[] = [];
  const task = fixture.good("a", {
    run: () => {
      starts.push(fixture.clock.now());
      return Promise.resolve({ detail: "" });
    },
  });
  fixture.scheduler.add(task);
  await fixture.clock.advanceAsync(4200);
  // 0; 1000 * (1 - 0.75); 1000 * (1 - 0.05); 1000; 1000 * (1 - 0.09)
  assertEquals(starts, [0, 250, 1200, 2200, 3110, 4110]);
  fixture.scheduler.remove(task);
});

Deno.test("those that begin together are spread over the interval from the second check on", async () => {
  const fixture = new SchedulerFixture({ random: Math.random });
  const count = 1000;
  const perTenth = new Array(10).fill(0);
  for (let i = 0; i < count; i++) {
    fixture.scheduler.add(fixture.good(`${i}`, {
      run: () => {
        const now = fixture.clock.now();
        if (now > 0 && now <= 1000) perTenth[Math.ceil(now / 100) - 1]++;
        return Promise.resolve({ detail: "" });
      },
      onOutcome: () => {},
    }));
  }
  await fixture.clock.advanceAsync(1000);
  // Each tenth has 100 on average, with a deviation of 10; those from 900 on have had a third one, some of them.
  for (const checks of perTenth) assertGreaterOrEqual(checks, 40);
});

Deno.test("a check that throws or rejects has failed with that error", async () => {
  const fixture = new SchedulerFixture();
  const late = fixture.task("late", { run: () => Promise.reject(new Error("no route")) });
  const atOnce = fixture.task("at once", {
    run: () => {
      throw new Error("no such file");
    },
  });
  const odd = fixture.task("odd", { run: () => Promise.reject("not an error") });
  for (const task of [late, atOnce, odd]) fixture.scheduler.add(task);
  await settle();
  assertEquals(fixture.told.toSorted(), [
    "at once - 0 no such file",
    "late - 0 no route",
    "odd - 0 not an error",
  ]);
  await fixture.clock.advanceAsync(1000);
  assertEquals(fixture.told.length, 6);
  for (const task of [late, atOnce, odd]) fixture.scheduler.remove(task);
  fixture.assertIdle();
});

Deno.test("an outcome has a description, a time, and the expiry of a certificate", async () => {
  const fixture = new SchedulerFixture();
  const certificateValidTo = new Date("2030-01-01");
  const task = fixture.task("a", { run: () => Promise.resolve({ detail: "TLSv1.3", certificateValidTo }) });
  const before = Date.now();
  fixture.scheduler.add(task);
  await settle();
  const [{ ok, detail, at, certificateValidTo: validTo }] = fixture.outcomes as [CheckOutcome];
  assertEquals([ok, detail, validTo], [true, "TLSv1.3", certificateValidTo]);
  assertGreaterOrEqual(at, before);
  assertLessOrEqual(at, Date.now());
  fixture.scheduler.remove(task);
});

Deno.test("timeout: a check that has not ended is aborted, and has failed", async () => {
  const fixture = new SchedulerFixture();
  const task = fixture.task("a");
  fixture.scheduler.add(task);
  await fixture.clock.advanceAsync(490);
  assertEquals([fixture.told, fixture.runs[0]!.signal.aborted], [[], false]);
  await fixture.clock.advanceAsync(10);
  assertEquals(fixture.told, ["a - 500 no result within 500ms"]);
  assertEquals([fixture.runs[0]!.signal.reason.code, fixture.scheduler.underWay], ["check_timeout", 0]);
  await fixture.clock.advanceAsync(500);
  assertEquals(fixture.runs.map(({ atMs }) => atMs), [0, 1000]);
  fixture.scheduler.remove(task);
  await settle();
  fixture.assertIdle();
});

Deno.test("a timeout longer than the interval: the next check begins as soon as the last has ended", async () => {
  const fixture = new SchedulerFixture();
  const task = fixture.task("a", { intervalMs: 200, timeoutMs: 1000 });
  fixture.scheduler.add(task);
  await fixture.clock.advanceAsync(990);
  assertEquals(fixture.runs.length, 1);
  await fixture.clock.advanceAsync(20);
  assertEquals([fixture.runs.map(({ atMs }) => atMs), fixture.told], [[0, 1010], [
    "a - 1000 no result within 1000ms",
  ]]);
  fixture.scheduler.remove(task);
});

Deno.test("a check that ignores its signal has failed, and fails again every interval, and is never joined", async () => {
  const fixture = new SchedulerFixture({ maxUnderWay: 1 });
  const ends = Promise.withResolvers<CheckReport>();
  let runs = 0;
  const deaf = fixture.task("deaf", { run: () => (runs++, ends.promise) });
  fixture.scheduler.add(deaf);
  await fixture.clock.advanceAsync(3400);
  const hung = "the check was aborted and has not ended";
  assertEquals([fixture.told, runs, fixture.scheduler.underWay], [
    [
      "deaf - 500 no result within 500ms",
      `deaf - 1000 ${hung}`,
      `deaf - 2000 ${hung}`,
      `deaf - 3000 ${hung}`,
    ],
    1,
    1,
  ]);
  ends.resolve({ detail: "too late" });
  await settle();
  assertEquals([fixture.told.length, fixture.scheduler.underWay], [4, 0]);
  await fixture.clock.advanceAsync(10);
  assertEquals([fixture.told.slice(4), runs], [["deaf + 3410 too late"], 2]);
  fixture.scheduler.remove(deaf);
  fixture.assertIdle();
});

Deno.test("a removed check that ignores its signal keeps its slot until it ends, without a result", async () => {
  const fixture = new SchedulerFixture({ maxUnderWay: 1 });
  const ends = Promise.withResolvers<CheckReport>();
  const deaf = fixture.task("deaf", { run: () => ends.promise });
  const other = fixture.good("other");
  fixture.scheduler.add(deaf);
  fixture.scheduler.add(other);
  fixture.scheduler.remove(deaf);
  await fixture.clock.advanceAsync(3000);
  assertEquals([fixture.told, fixture.scheduler.underWay, fixture.scheduler.size], [[], 1, 1]);
  ends.reject(new Error("at last"));
  await settle();
  assertEquals([fixture.told, fixture.scheduler.underWay], [["other + 3000"], 0]);
  fixture.scheduler.remove(other);
  fixture.assertIdle();
});

Deno.test("never more than maxUnderWay: the others wait for their turn, first come, first served", async () => {
  const fixture = new SchedulerFixture({ maxUnderWay: 2 });
  const tasks = [..."abcde"].map((name) => fixture.task(name, { timeoutMs: 60_000 }));
  for (const task of tasks) fixture.scheduler.add(task);
  assertEquals([fixture.begun, fixture.scheduler.underWay, fixture.scheduler.size], ["a b", 2, 5]);
  await fixture.clock.advanceAsync(2000); // The time of those that wait does not run.
  assertEquals(fixture.begun, "a b");
  await fixture.pass(1);
  assertEquals(fixture.begun, "a b c");
  await fixture.pass(0);
  await fixture.pass(2);
  assertEquals([fixture.begun, fixture.scheduler.underWay], ["a b c d e", 2]);
  // `a` and the others are due long since, in the order in which they have ended.
  await fixture.clock.advanceAsync(10);
  await fixture.pass(3);
  await fixture.pass(4);
  assertEquals([fixture.begun, fixture.scheduler.underWay], ["a b c d e b a", 2]);
  for (const task of tasks) fixture.scheduler.remove(task);
  await settle();
  fixture.assertIdle();
});

Deno.test("upstreams take turns for free places, and within one it is first come, first served", async () => {
  const fixture = new SchedulerFixture({ maxUnderWay: 2 });
  const of = (upstream: string, ...names: string[]) =>
    names.map((name) => fixture.task(name, { upstream, timeoutMs: 60_000, intervalMs: 1e6 }));
  const tasks = [...of("a", "a1", "a2", "a3", "a4", "a5"), ...of("b", "b1", "b2"), ...of("c", "c1")];
  for (const task of tasks) fixture.scheduler.add(task);
  assertEquals(fixture.begun, "a1 a2");
  fixture.scheduler.remove(tasks[3]!);
  for (let i = 0; i < 6; i++) await fixture.pass(i);
  assertEquals(fixture.begun, "a1 a2 a3 b1 c1 a5 b2");
  for (const task of tasks) fixture.scheduler.remove(task);
  await settle();
  fixture.assertIdle();
});

Deno.test("one upstream's silent backends do not hold up the checks of another", async () => {
  const fixture = new SchedulerFixture({ maxUnderWay: 4, random: Math.random });
  const silent = Array.from({ length: 60 }, (_, i) => fixture.task(`s${i}`, { upstream: "silent" }));
  const starts: number[] = [];
  const healthy = fixture.good("healthy", {
    upstream: "healthy",
    run: () => {
      starts.push(fixture.clock.now());
      return Promise.resolve({ detail: "" });
    },
  });
  for (const task of [...silent, healthy]) fixture.scheduler.add(task);
  await fixture.clock.advanceAsync(6_000);
  // Four silent ones have a place for 500 ms each, and so it is never later than that.
  for (let i = 1; i < starts.length; i++) assertLessOrEqual(starts[i]! - starts[i - 1]!, 1_600);
  assertGreaterOrEqual(starts.length, 4);
  for (const task of [...silent, healthy]) fixture.scheduler.remove(task);
  await settle();
  fixture.assertIdle();
});

Deno.test("checks that are more than an interval late are a warning, once a minute", async () => {
  const log = new RecordingLog();
  const fixture = new SchedulerFixture({ maxUnderWay: 1, log, tickMs: 1_000 });
  const slow = { upstream: "db", intervalMs: 5_000, timeoutMs: 4_000 };
  const tasks = Array.from({ length: 9 }, (_, i) => fixture.task(`${i}`, slow));
  for (const task of tasks) fixture.scheduler.add(task);
  await fixture.clock.advanceAsync(5_000);
  assertEquals(log.messages, []);
  await fixture.clock.advanceAsync(5_000);
  const late = "health checks are late: too many wait for silent backends";
  assertEquals(log.messages, [late]);
  assertEquals([log.lines[0]!.fields.upstream, log.lines[0]!.fields.under_way], ["db", 1]);
  await fixture.clock.advanceAsync(55_000);
  assertEquals(log.messages, [late]);
  await fixture.clock.advanceAsync(10_000);
  assertEquals(log.messages, [late, late]);
  for (const task of tasks) fixture.scheduler.remove(task);
  await settle();
  fixture.assertIdle();
});

Deno.test("checks that never end and block others are logged, too", async () => {
  const log = new RecordingLog();
  const fixture = new SchedulerFixture({ maxUnderWay: 1, log });
  const ends = Promise.withResolvers<CheckReport>();
  const [deaf, other] = [fixture.task("deaf", { run: () => ends.promise }), fixture.good("other")];
  fixture.scheduler.add(deaf);
  fixture.scheduler.add(other);
  await fixture.clock.advanceAsync(4_000);
  assertEquals(log.messages.length, 1);
  ends.resolve({ detail: "" });
  for (const task of [deaf, other]) fixture.scheduler.remove(task);
  await settle();
  fixture.assertIdle();
});

Deno.test("checks that wait no longer than their interval are no warning", async () => {
  const log = new RecordingLog();
  const fixture = new SchedulerFixture({ maxUnderWay: 1, log });
  const tasks = Array.from({ length: 4 }, (_, i) => fixture.task(`${i}`, { timeoutMs: 200 }));
  for (const task of tasks) fixture.scheduler.add(task);
  await fixture.clock.advanceAsync(5_000);
  assertEquals(log.messages, []);
  for (const task of tasks) fixture.scheduler.remove(task);
  await settle();
});

Deno.test("the timeout of a waiting check starts when it gets a slot", async () => {
  const fixture = new SchedulerFixture({ maxUnderWay: 1 });
  const [a, b] = [fixture.task("a"), fixture.task("b")];
  fixture.scheduler.add(a);
  fixture.scheduler.add(b);
  await fixture.clock.advanceAsync(500);
  assertEquals(fixture.begun, "a b");
  await fixture.clock.advanceAsync(490);
  assertEquals(fixture.told, ["a - 500 no result within 500ms"]);
  await fixture.clock.advanceAsync(10);
  assertEquals(fixture.told, ["a - 500 no result within 500ms", "b - 1000 no result within 500ms"]);
  for (const task of [a, b]) fixture.scheduler.remove(task);
});

Deno.test("a check that is removed while it runs is aborted without a result", async () => {
  const fixture = new SchedulerFixture();
  const task = fixture.task("a");
  fixture.scheduler.add(task);
  fixture.scheduler.remove(task);
  assertEquals(fixture.runs[0]!.signal.reason.code, "check_removed");
  await settle();
  assertEquals(fixture.told, []);
  fixture.assertIdle();
});

Deno.test("a check that is removed at the moment of its end has no result", async () => {
  const fixture = new SchedulerFixture();
  const task = fixture.task("a");
  fixture.scheduler.add(task);
  fixture.runs[0]!.end.resolve({ detail: "" });
  fixture.scheduler.remove(task);
  await settle();
  assertEquals(fixture.told, []);
  fixture.assertIdle();
});

Deno.test("removed while it waits for a place, or for its next check: it does not run", async () => {
  const fixture = new SchedulerFixture({ maxUnderWay: 1 });
  const [a, b, c] = [..."abc"].map((name) => fixture.task(name)) as [CheckTask, CheckTask, CheckTask];
  for (const task of [a, b, c]) fixture.scheduler.add(task);
  fixture.scheduler.remove(b);
  await fixture.pass(0);
  assertEquals(fixture.begun, "a c");
  fixture.scheduler.remove(a);
  await fixture.pass(1);
  await fixture.clock.advanceAsync(1000);
  assertEquals(fixture.begun, "a c c");
  fixture.scheduler.remove(c);
  await settle();
  fixture.assertIdle();
});

Deno.test("a task that removes itself in its callback is not checked again", async () => {
  const fixture = new SchedulerFixture();
  const task: CheckTask = fixture.good("a", { onOutcome: () => fixture.scheduler.remove(task) });
  fixture.scheduler.add(task);
  await settle();
  fixture.assertIdle();
  // And so with one whose check hangs.
  let times = 0;
  const deaf: CheckTask = fixture.task("deaf", {
    run: () => new Promise(() => {}),
    onOutcome: () => ++times === 2 && fixture.scheduler.remove(deaf),
  });
  fixture.scheduler.add(deaf);
  await fixture.clock.advanceAsync(3000);
  assertEquals([times, fixture.scheduler.size, fixture.wheel.size], [2, 0, 0]);
});

Deno.test("added twice it is checked once; removed twice nothing happens", async () => {
  const fixture = new SchedulerFixture();
  const task = fixture.task("a");
  fixture.scheduler.add(task);
  fixture.scheduler.add(task);
  assertEquals([fixture.begun, fixture.scheduler.size], ["a", 1]);
  fixture.scheduler.remove(task);
  fixture.scheduler.remove(task);
  await settle();
  fixture.assertIdle();
});

Deno.test("a task that is removed and added again ignores the result of its earlier check", async () => {
  const fixture = new SchedulerFixture();
  const ends: PromiseWithResolvers<CheckReport>[] = [];
  const task = fixture.task("a", {
    run: () => {
      const end = Promise.withResolvers<CheckReport>();
      ends.push(end);
      return end.promise;
    },
  });
  fixture.scheduler.add(task);
  fixture.scheduler.remove(task);
  fixture.scheduler.add(task);
  await settle();
  ends[0]!.resolve({ detail: "old" });
  await settle();
  assertEquals([fixture.told, ends.length], [[], 2]);
  ends[1]!.resolve({ detail: "new" });
  await settle();
  assertEquals(fixture.told, ["a + 0 new"]);
  await fixture.clock.advanceAsync(1000);
  assertEquals(ends.length, 3);
  fixture.scheduler.remove(task);
  ends[2]!.resolve({ detail: "" });
  await settle();
  fixture.assertIdle();
});

Deno.test("five thousand tasks: each is checked once an interval, never more than the bound at once", async () => {
  const seeds = { value: 1 };
  const random = () => (seeds.value = seeds.value * 48271 % 2147483647) / 2147483647;
  const fixture = new SchedulerFixture({ maxUnderWay: 100, random, tickMs: 100 });
  const counts = new Array(5000).fill(0);
  const own = new Set<number>();
  let most = 0;
  const tasks = counts.map((_, i) =>
    fixture.task("", {
      intervalMs: 5000,
      run: async () => {
        assertEquals(own.has(i), false);
        own.add(i);
        most = Math.max(most, own.size);
        await undefined;
        own.delete(i);
        return { detail: "" };
      },
      onOutcome: () => counts[i]++,
    })
  );
  for (const task of tasks) fixture.scheduler.add(task);
  await fixture.clock.advanceAsync(0);
  assertEquals([counts.every((count) => count === 1), most, fixture.scheduler.underWay], [true, 100, 0]);
  await fixture.clock.advanceAsync(50_000);
  // The second check after half an interval on average, then one every 0.95 intervals.
  for (const count of counts) {
    assertGreaterOrEqual(count, 11);
    assertLessOrEqual(count, 13);
  }
  const total = counts.reduce((sum, count) => sum + count);
  assertLess(Math.abs(total / 5000 - 11.5), 0.2);
  for (const task of tasks) fixture.scheduler.remove(task);
  fixture.assertIdle();
});
