import { assertEquals } from "@std/assert";
import { TimerWheel } from "../../src/core/timer_wheel.ts";
import { Backend } from "../../src/upstream/backend.ts";
import { OutlierDetector } from "../../src/upstream/outlier.ts";
import { DEFAULT_OUTLIER, type OutlierOptions } from "../../src/upstream/options.ts";
import { ConnectionPool } from "../../src/upstream/pool/pool.ts";
import { FakeClock } from "../core/fake_clock.ts";
import { RecordingLog } from "../support/recording_log.ts";
import { spec } from "./upstream_fixture.ts";

const EJECTION_MS = 10_000;

/** A detector in fake time, with backends that are not dialled. By default all of them may be ejected. */
class OutlierFixture {
  readonly clock = new FakeClock();
  readonly wheel = new TimerWheel({ clock: this.clock });
  readonly log = new RecordingLog();
  readonly detector: OutlierDetector;
  backends: Backend[];
  /** Those that have come back, in order. */
  readonly returned: string[] = [];
  #options: OutlierOptions;

  constructor(size: number, options: Partial<OutlierOptions> = {}) {
    this.#options = { failures: 5, ejectionMs: EJECTION_MS, maxEjected: 1, ...options };
    this.detector = new OutlierDetector(this.#options, {
      upstream: "db",
      wheel: this.wheel,
      log: this.log,
      onReturn: (backend) => this.returned.push(backend.key),
    });
    this.backends = Array.from({ length: size }, (_, i) => backend(`b${i}`));
    this.configure();
  }

  /** Other options, for the set as it is now. */
  configure(options: Partial<OutlierOptions> = {}): void {
    this.#options = { ...this.#options, ...options };
    this.detector.configure(this.#options, this.backends.length);
  }

  /** So many connects to the backend of this number fail. */
  fail(index = 0, times = 5): void {
    for (let i = 0; i < times; i++) this.detector.connectFailed(this.backends[index]!);
  }

  /** The backend of this number leaves the set. */
  leave(index: number): Backend {
    const [left] = this.backends.splice(index, 1) as [Backend];
    left.remove("close");
    this.detector.forget(left);
    this.configure();
    return left;
  }

  /** For how long a backend is ejected from now on, as a multiple of the first time; 0: it is not. */
  times(index = 0): number {
    const untilMs = this.detector.ejectedUntilMs(this.backends[index]!);
    return untilMs === undefined ? 0 : (untilMs - this.wheel.now()) / EJECTION_MS;
  }

  /** Which are ejected: `b0 b3`. */
  get ejected(): string {
    return this.backends.filter(({ ejected }) => ejected).map(({ key }) => key.replace(":1", "")).join(" ");
  }
}

function backend(host: string): Backend {
  return new Backend(spec(host), {
    createPool: () => new ConnectionPool({ dial: () => new Promise(() => {}) }),
  });
}

/**
 * What a backend has shown, a letter each: `f` a connect failed, `c` connected, `r` a reset before any byte, `a` it
 * answered. Returns after which of them it was ejected; 0: never.
 */
function ejectedAfter(events: string, failures: number): number {
  const { detector, backends: [backend] } = new OutlierFixture(1, { failures });
  for (const [index, event] of [...events].entries()) {
    if (event === "f") detector.connectFailed(backend!);
    if (event === "c") detector.connected(backend!);
    if (event === "r") detector.broke(backend!);
    if (event === "a") detector.answered(backend!);
    if (backend!.ejected) return index + 1;
  }
  return 0;
}

Deno.test("consecutive failures eject, and a success resets their number", () => {
  const table: [failures: number, events: string, after: number][] = [
    [1, "f", 1],
    [1, "cr", 2],
    [3, "ff", 0],
    [3, "fff", 3],
    [3, "ffcff", 0],
    [3, "ffcfff", 6],
    [3, "crcr", 0],
    [3, "crcrcr", 6],
    [3, "crcrcacrcrcr", 12],
    [3, "crcrcacrcr", 0],
    // That it accepts makes up for connects that failed, not for resets; that it answers is the other way round.
    [3, "ffaf", 4],
    [3, "crcrcccccr", 10],
    // Now one, now the other: nothing good was seen, and the resets add up.
    [3, "fcrfcrfcr", 9],
    [5, "fffff", 5],
    [5, "ffffc".repeat(3), 0],
    [0, "f".repeat(100) + "cr".repeat(100), 0],
  ];
  for (const [failures, events, after] of table) {
    assertEquals(ejectedAfter(events, failures), after, `${failures}: ${events}`);
  }
});

Deno.test("by default five failures eject for 30 seconds, and half of a set at the most", () => {
  assertEquals(DEFAULT_OUTLIER, { failures: 5, ejectionMs: 30_000, maxEjected: 0.5 });
});

Deno.test("an ejection ends by itself, is logged at both ends, and takes nothing with it", () => {
  const { detector, backends, clock, wheel, log, returned } = new OutlierFixture(1);
  const [backend] = backends as [Backend];
  for (let i = 0; i < 5; i++) detector.connectFailed(backend);
  assertEquals([backend.ejected, backend.state, backend.available], [true, "ejected", false]);
  assertEquals(detector.ejectedUntilMs(backend), 10_000);
  clock.advance(9_900);
  assertEquals([backend.ejected, returned], [true, []]);
  clock.advance(100);
  assertEquals([backend.ejected, backend.state, backend.available], [false, "up", true]);
  assertEquals([detector.ejectedUntilMs(backend), returned], [undefined, ["b0:1"]]);
  assertEquals([wheel.size, clock.pending], [0, 0]);
  assertEquals(log.lines.map(({ level, message, fields }) => [level, message, fields]), [
    ["warn", "backend is ejected", { upstream: "db", backend: "b0:1", failures: 5, for: "10s" }],
    ["info", "backend is no longer ejected", { upstream: "db", backend: "b0:1" }],
  ]);
});

Deno.test("each ejection is longer than the last by the first one's time, up to ten times that", () => {
  const fixture = new OutlierFixture(1);
  const times = [];
  for (let i = 0; i < 13; i++) {
    fixture.fail();
    times.push(fixture.times());
    fixture.clock.advance(fixture.times() * EJECTION_MS);
    assertEquals(fixture.ejected, "");
  }
  assertEquals(times, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10]);
});

Deno.test("each ejection's time of good behaviour makes the next one shorter by as much, down to the first", () => {
  const table: [good: number, next: number][] = [
    [0, 5],
    [0.99, 5],
    [1, 4],
    [1.99, 4],
    [2, 3],
    [3, 2],
    [4, 1],
    [5, 1],
    [100, 1],
  ];
  for (const [good, next] of table) {
    const fixture = new OutlierFixture(1);
    for (let i = 0; i < 4; i++) {
      fixture.fail();
      fixture.clock.advance(fixture.times() * EJECTION_MS);
    }
    fixture.clock.advance(good * EJECTION_MS);
    fixture.fail();
    assertEquals(fixture.times(), next, `good for ${good} times`);
  }
});

Deno.test("the first ejection is of the first length, however long the program has run", () => {
  for (const hours of [0, 1, 1000]) {
    const fixture = new OutlierFixture(1);
    fixture.clock.advance(hours * 3_600_000);
    fixture.fail();
    assertEquals(fixture.times(), 1);
  }
});

Deno.test("after it has come back the row begins at nothing, whatever failed meanwhile", () => {
  const fixture = new OutlierFixture(1);
  fixture.fail();
  fixture.fail(0, 20); // What had been begun before.
  for (let i = 0; i < 20; i++) fixture.detector.broke(fixture.backends[0]!);
  assertEquals([fixture.times(), fixture.log.lines.length], [1, 1]);
  fixture.clock.advance(EJECTION_MS);
  fixture.fail(0, 4);
  for (let i = 0; i < 4; i++) fixture.detector.broke(fixture.backends[0]!);
  assertEquals(fixture.ejected, "");
  fixture.fail(0, 1);
  assertEquals(fixture.times(), 2);
});

Deno.test("good news do not end an ejection", () => {
  const fixture = new OutlierFixture(1);
  fixture.fail();
  fixture.detector.connected(fixture.backends[0]!);
  fixture.detector.answered(fixture.backends[0]!);
  assertEquals([fixture.ejected, fixture.times()], ["b0", 1]);
});

Deno.test("never more are ejected than maxEjected of the set, rounded down", () => {
  const table: [maxEjected: number, most: number[]][] = [
    [0.5, [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]],
    [0, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    [1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
    [0.1, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
    [0.3, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]],
    [0.34, [0, 0, 1, 1, 1, 2, 2, 2, 3, 3]],
  ];
  for (const [maxEjected, most] of table) {
    for (const [index, expected] of most.entries()) {
      const fixture = new OutlierFixture(index + 1, { maxEjected });
      for (let i = 0; i <= index; i++) fixture.fail(i);
      assertEquals(fixture.backends.filter(({ ejected }) => ejected).length, expected);
    }
  }
});

Deno.test("maxEjected of a hundred backends is exact for every whole percentage", () => {
  const fixture = new OutlierFixture(100, { ejectionMs: 100 });
  for (let percent = 0; percent <= 100; percent++) {
    fixture.configure({ maxEjected: percent / 100 });
    for (let i = 0; i < 100; i++) fixture.fail(i);
    assertEquals(fixture.backends.filter(({ ejected }) => ejected).length, percent);
    fixture.clock.advance(2_000);
    assertEquals(fixture.ejected, "");
    fixture.clock.advance(2_000);
  }
});

Deno.test("one that the bound has spared is ejected by its next failure once there is room", () => {
  const fixture = new OutlierFixture(2, { maxEjected: 0.5 });
  fixture.fail(0);
  fixture.fail(1, 7);
  assertEquals(fixture.ejected, "b0");
  fixture.clock.advance(EJECTION_MS);
  assertEquals(fixture.ejected, "");
  fixture.fail(1, 1);
  assertEquals([fixture.ejected, fixture.log.lines.at(-1)!.fields.failures], ["b1", 8]);
});

Deno.test("one that the bound has spared and that was good since needs a whole row", () => {
  const fixture = new OutlierFixture(2, { maxEjected: 0.5 });
  fixture.fail(0);
  fixture.fail(1, 7);
  fixture.detector.connected(fixture.backends[1]!);
  fixture.clock.advance(EJECTION_MS);
  fixture.fail(1, 4);
  assertEquals(fixture.ejected, "");
  fixture.fail(1, 1);
  assertEquals(fixture.ejected, "b1");
});

Deno.test("one that leaves the set while it is ejected makes room, and does not come back", () => {
  const fixture = new OutlierFixture(4, { maxEjected: 0.5 });
  fixture.fail(0);
  fixture.fail(1);
  fixture.fail(2);
  assertEquals(fixture.ejected, "b0 b1");
  fixture.leave(0); // Of three one may be ejected, and is.
  assertEquals(fixture.ejected, "b1");
  fixture.backends.push(backend("new"));
  fixture.configure();
  fixture.fail(1, 1);
  assertEquals(fixture.ejected, "b1 b2");
  fixture.clock.advance(EJECTION_MS);
  assertEquals([fixture.returned, fixture.ejected], [["b1:1", "b2:1"], ""]);
  assertEquals([fixture.wheel.size, fixture.clock.pending], [0, 0]);
});

Deno.test("after all ejected backends are removed, the limit applies to the others", () => {
  const fixture = new OutlierFixture(4, { maxEjected: 0.5 });
  fixture.fail(0);
  fixture.fail(1);
  fixture.leave(0);
  fixture.leave(0);
  assertEquals([fixture.backends.length, fixture.wheel.size, fixture.clock.pending], [2, 0, 0]);
  fixture.fail(0);
  fixture.fail(1);
  assertEquals(fixture.ejected, "b2");
  fixture.leave(0);
});

Deno.test("a set that shrinks takes back those whose time is over first, until no more are ejected than allowed", () => {
  const fixture = new OutlierFixture(6, { maxEjected: 0.5 });
  for (const index of [2, 0, 1]) {
    fixture.fail(index);
    fixture.clock.advance(1000);
  }
  assertEquals(fixture.ejected, "b0 b1 b2");
  fixture.leave(5);
  assertEquals([fixture.ejected, fixture.returned], ["b0 b1", ["b2:1"]]);
  fixture.leave(4);
  assertEquals(fixture.ejected, "b0 b1");
  fixture.leave(3);
  assertEquals([fixture.ejected, fixture.returned], ["b1", ["b2:1", "b0:1"]]);
  fixture.leave(0);
  fixture.leave(1);
  assertEquals([fixture.backends.length, fixture.ejected], [1, ""]);
  assertEquals([fixture.returned.length, fixture.wheel.size, fixture.clock.pending], [3, 0, 0]);
  // Nothing is left over that would count.
  fixture.backends.push(backend("new"));
  fixture.configure();
  fixture.fail(1);
  assertEquals(fixture.ejected, "new");
  fixture.leave(1);
});

Deno.test("a smaller maxEjected takes effect at once, and so do failures: 0 and a shorter ejection for the next time", () => {
  const fixture = new OutlierFixture(4);
  for (let i = 0; i < 4; i++) fixture.fail(i);
  fixture.configure({ maxEjected: 0.25 });
  assertEquals(fixture.ejected, "b3");
  fixture.configure({ failures: 0, ejectionMs: 2000 });
  fixture.fail(1, 100);
  assertEquals([fixture.ejected, fixture.times(3)], ["b3", 1]);
  fixture.clock.advance(EJECTION_MS);
  assertEquals(fixture.ejected, "");
  fixture.configure({ failures: 1 });
  fixture.fail(2, 1);
  // Once before, and good for more than the new time since.
  assertEquals(fixture.times(2), 0.2);
  fixture.leave(2);
});

Deno.test("what ends after the backend has left the set counts for nothing", () => {
  const fixture = new OutlierFixture(2, { failures: 1 });
  const left = fixture.leave(0);
  for (let i = 0; i < 10; i++) {
    fixture.detector.connectFailed(left);
    fixture.detector.broke(left);
  }
  fixture.detector.connected(left);
  fixture.detector.answered(left);
  fixture.detector.forget(left);
  assertEquals([left.ejected, fixture.log.lines, fixture.wheel.size], [false, [], 0]);
  assertEquals(fixture.detector.ejectedUntilMs(left), undefined);
});

Deno.test("a backend that has left and comes back starts afresh", () => {
  const fixture = new OutlierFixture(2);
  for (let i = 0; i < 3; i++) {
    fixture.fail();
    fixture.clock.advance(fixture.times() * EJECTION_MS);
  }
  fixture.fail(0, 4);
  fixture.leave(0);
  fixture.backends.unshift(backend("b0"));
  fixture.configure();
  fixture.fail(0, 4);
  assertEquals(fixture.ejected, "");
  fixture.fail(0, 1);
  assertEquals([fixture.ejected, fixture.times()], ["b0", 1]);
  fixture.leave(0);
});
