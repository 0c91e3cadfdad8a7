import { assertEquals, assertLess } from "@std/assert";
import { TimerWheel } from "../../src/core/timer_wheel.ts";
import { Backend } from "../../src/upstream/backend.ts";
import type { Balancer } from "../../src/upstream/balance/balancer.ts";
import { First } from "../../src/upstream/balance/first.ts";
import { LeastConnections } from "../../src/upstream/balance/least_connections.ts";
import { RandomTwoChoices } from "../../src/upstream/balance/random_two_choices.ts";
import { SmoothWeightedRoundRobin } from "../../src/upstream/balance/smooth_weighted_round_robin.ts";
import { SourceHash } from "../../src/upstream/balance/source_hash.ts";
import { ConnectionPool } from "../../src/upstream/pool/pool.ts";
import { SlowStart } from "../../src/upstream/slow_start.ts";
import { FakeClock } from "../core/fake_clock.ts";
import { spec } from "./upstream_fixture.ts";

/** A twentieth is one second. */
const DURATION_MS = 20_000;
const STEP_MS = 1_000;

/** Slow start in fake time for `a`, `b` and so on, of these weights, and a balancer that is told of it. */
class SlowStartFixture {
  readonly clock = new FakeClock();
  readonly wheel = new TimerWheel({ clock: this.clock });
  readonly slowStart: SlowStart;
  readonly backends: readonly Backend[];
  readonly #balancer: Balancer<Backend> | undefined;
  changes = 0;

  constructor(
    weights: readonly number[],
    options: { balancer?: Balancer<Backend>; durationMs?: number } = {},
  ) {
    this.backends = weights.map((weight, i) => {
      const createPool = () => new ConnectionPool({ dial: () => new Promise(() => {}) });
      return new Backend(spec("abcdef"[i]!, { weight }), { createPool });
    });
    this.#balancer = options.balancer;
    this.slowStart = new SlowStart(options.durationMs ?? DURATION_MS, {
      wheel: this.wheel,
      onChange: () => {
        this.changes++;
        this.#balancer?.update(this.backends);
      },
    });
    this.#balancer?.update(this.backends);
  }

  /** `a` begins, and the balancer is told. */
  begin(): void {
    this.slowStart.begin(this.backends[0]!);
    this.#balancer?.update(this.backends);
  }

  /** What each has of its weight, in twentieths, rounded to a thousandth of one. */
  get twentieths(): number[] {
    return this.backends.map(({ share }) => Math.round(share * 20_000) / 1000);
  }

  /** Which so many connections get, one letter each; they stay open if `open`. */
  picks(count: number, options: { open?: boolean; source?: (index: number) => string } = {}): string {
    let picks = "";
    for (let i = 0; i < count; i++) {
      const source = options.source?.(i);
      const backend = this.#balancer!.pick(source === undefined ? {} : { source })!;
      if (options.open) backend.acquire();
      picks += backend.key.slice(0, 1);
    }
    return picks;
  }
}

/** How many of the letters are this one. */
function count(letters: string, letter: string): number {
  return letters.split(letter).length - 1;
}

/** Park and Miller's generator: the same numbers in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => (state = state * 48271 % 2147483647) / 2147483647;
}

Deno.test("the share grows by a twentieth at each twentieth of the time, from the first one to the whole", () => {
  const fixture = new SlowStartFixture([3]);
  const [a] = fixture.backends;
  fixture.begin();
  const shares = [a!.share];
  for (let step = 1; step < 20; step++) {
    fixture.clock.advance(STEP_MS - 100);
    assertEquals(fixture.twentieths, [step]); // Not before its time.
    fixture.clock.advance(100);
    shares.push(a!.share);
  }
  assertEquals(shares, Array.from({ length: 20 }, (_, i) => (i + 1) / 20));
  assertEquals([a!.weight, fixture.changes, fixture.wheel.size, fixture.clock.pending], [3, 19, 0, 0]);
});

Deno.test("a time that is no multiple of anything, or shorter than the wheel can tell: whole when it is over", () => {
  for (const durationMs of [1, 50, 777, 1000, 12_345, 3_600_000]) {
    const fixture = new SlowStartFixture([1], { durationMs });
    fixture.begin();
    let last = fixture.backends[0]!.share;
    assertEquals(last, 0.05);
    for (let elapsed = 0; elapsed < durationMs * 0.9; elapsed += durationMs / 40) {
      fixture.clock.advance(durationMs / 40);
      const { share } = fixture.backends[0]!;
      // Never ahead of its time by more than the first twentieth, and never back.
      assertEquals(share >= last && share <= fixture.clock.now() / durationMs + 0.0501, true);
      last = share;
    }
    fixture.clock.advance(durationMs * 0.2 + 200);
    assertEquals([fixture.twentieths, fixture.wheel.size], [[20], 0]);
  }
});

Deno.test("without slow start a backend has its full weight at once", () => {
  const fixture = new SlowStartFixture([1], { durationMs: 0 });
  fixture.begin();
  assertEquals([fixture.twentieths, fixture.wheel.size], [[20], 0]);
});

Deno.test("several grow with one timer, each from its own beginning, a step late at the most", () => {
  const fixture = new SlowStartFixture([1, 1, 1]);
  const [a, b, c] = fixture.backends as [Backend, Backend, Backend];
  fixture.slowStart.begin(a);
  fixture.clock.advance(5_500);
  fixture.slowStart.begin(b);
  assertEquals([fixture.twentieths, fixture.wheel.size], [[6, 1, 20], 1]);
  fixture.clock.advance(1_000);
  assertEquals(fixture.twentieths, [7, 1, 20]);
  fixture.slowStart.begin(c);
  fixture.clock.advance(1_000);
  assertEquals(fixture.twentieths, [8, 2, 1]);
  fixture.clock.advance(11_500); // 19 s.
  assertEquals(fixture.twentieths, [20, 14, 13]);
  fixture.clock.advance(7_000);
  assertEquals([fixture.twentieths, fixture.wheel.size, fixture.clock.pending], [[20, 20, 20], 0, 0]);
});

Deno.test("a backend that starts again starts at the first step", () => {
  const fixture = new SlowStartFixture([1]);
  fixture.begin();
  fixture.clock.advance(10_000);
  assertEquals(fixture.twentieths, [11]);
  fixture.begin();
  assertEquals([fixture.twentieths, fixture.wheel.size], [[1], 1]);
  fixture.clock.advance(18_900);
  assertEquals(fixture.twentieths, [19]);
  fixture.clock.advance(100);
  assertEquals([fixture.twentieths, fixture.wheel.size], [[20], 0]);
});

Deno.test("a backend that is forgotten has its full weight, and others keep growing", () => {
  const fixture = new SlowStartFixture([1, 1]);
  const [a, b] = fixture.backends as [Backend, Backend];
  fixture.slowStart.begin(a);
  fixture.slowStart.begin(b);
  fixture.clock.advance(1_000);
  fixture.slowStart.forget(a);
  assertEquals([fixture.twentieths, fixture.wheel.size], [[20, 2], 1]);
  fixture.clock.advance(1_000);
  assertEquals(fixture.twentieths, [20, 3]);
  fixture.slowStart.forget(b);
  fixture.slowStart.forget(b);
  assertEquals([fixture.twentieths, fixture.wheel.size, fixture.clock.pending], [[20, 20], 0, 0]);
});

Deno.test("another duration holds for those too that grow already, from the next step on", () => {
  const table: [durationMs: number, afterMs: number, twentieths: number][] = [
    [40_000, 2_000, 7], // 12 of 40 s.
    [20_000, 1_000, 12],
    [12_000, 600, 18], // 10.6 of 12 s.
    [5_000, 300, 20],
    [0, 100, 20],
  ];
  for (const [durationMs, afterMs, twentieths] of table) {
    const fixture = new SlowStartFixture([1]);
    fixture.begin();
    fixture.clock.advance(10_000);
    fixture.slowStart.configure(durationMs);
    assertEquals(fixture.twentieths, [11]);
    fixture.clock.advance(afterMs);
    assertEquals(fixture.twentieths, [twentieths], `${durationMs} ms`);
    fixture.clock.advance(durationMs);
    assertEquals([fixture.twentieths, fixture.wheel.size], [[20], 0]);
  }
});

Deno.test("round-robin: at each twentieth the picks are those of the weights as they are then", () => {
  const fixture = new SlowStartFixture([1, 1], { balancer: new SmoothWeightedRoundRobin() });
  assertEquals(fixture.picks(6), "ababab");
  fixture.begin();
  for (let step = 1; step <= 20; step++) {
    // A round has as many picks as there are twentieths in both: `a` gets as many of these as it has itself.
    assertEquals(count(fixture.picks(20 + step), "a"), step, `at ${step}`);
    assertEquals(count(fixture.picks(20 + step), "a"), step, `at ${step}, again`);
    fixture.clock.advance(STEP_MS);
  }
  assertEquals(fixture.picks(6), "ababab");
});

Deno.test("round-robin: one of weight 1 beside one of weight 1 that has just begun, pick for pick", () => {
  const table: [step: number, picks: string][] = [
    [1, "bbbbbbbbbb" + "a" + "bbbbbbbbbb"],
    [2, "bbbbb" + "a" + "bbbbb"],
    [4, "bb" + "a" + "bbb"],
    [5, "bba" + "bb"],
    [10, "babbab"],
    [15, "babab" + "ab"],
    [20, "abab"],
  ];
  for (const [step, picks] of table) {
    const fixture = new SlowStartFixture([1, 1], { balancer: new SmoothWeightedRoundRobin() });
    fixture.begin();
    fixture.clock.advance((step - 1) * STEP_MS);
    assertEquals(fixture.picks(picks.length), picks, `at ${step}`);
  }
});

Deno.test("round-robin: a weight grows beside others of other weights", () => {
  const fixture = new SlowStartFixture([4, 2, 1], { balancer: new SmoothWeightedRoundRobin() });
  fixture.begin();
  fixture.clock.advance(4 * STEP_MS); // A quarter of 4.
  assertEquals(fixture.picks(8), "bacbbacb");
  fixture.clock.advance(15 * STEP_MS);
  const round = fixture.picks(7);
  assertEquals([..."abc"].map((letter) => count(round, letter)), [4, 2, 1]);
});

Deno.test("least-connections: the connections that are open are shared out as the weights are then", () => {
  for (const step of [1, 2, 5, 10, 19, 20]) {
    const fixture = new SlowStartFixture([1, 1], { balancer: new LeastConnections() });
    fixture.begin();
    fixture.clock.advance((step - 1) * STEP_MS);
    // A hundred rounds.
    const picks = fixture.picks(100 * (20 + step), { open: true });
    assertLess(Math.abs(count(picks, "a") - 100 * step), 2);
  }
});

Deno.test("random-two-choices: the picks follow the weights as they are then", () => {
  for (const step of [1, 2, 5, 10, 20]) {
    const balancer = new RandomTwoChoices<Backend>({ random: seeded(step) });
    const fixture = new SlowStartFixture([1, 1], { balancer });
    fixture.begin();
    fixture.clock.advance((step - 1) * STEP_MS);
    // Of two that are level the first drawn is taken, which is `a` as often as its weight says.
    const expected = 20_000 * step / (20 + step);
    const picked = count(fixture.picks(20_000), "a");
    assertLess(Math.abs(picked - expected), 4 * Math.sqrt(expected), `at ${step}: ${picked} of ${expected}`);
  }
});

Deno.test("random-two-choices: connections that stay open end up shared out as the weights are then", () => {
  for (const step of [1, 5, 10, 20]) {
    const balancer = new RandomTwoChoices<Backend>({ random: seeded(step) });
    const fixture = new SlowStartFixture([1, 1, 1], { balancer });
    fixture.begin();
    fixture.clock.advance((step - 1) * STEP_MS);
    const rounds = 100;
    const picked = count(fixture.picks(rounds * (40 + step), { open: true }), "a");
    assertLess(Math.abs(picked - rounds * step), 0.1 * rounds * step + 5, `at ${step}: ${picked}`);
  }
});

Deno.test("source-hash: the clients of one that starts come to it bit by bit, and none moves anywhere else", () => {
  const clients = 10_000;
  const source = (index: number) => `10.0.${index >> 8}.${index & 255}`;
  const fixture = new SlowStartFixture([1, 1, 1], { balancer: new SourceHash() });
  const whole = fixture.picks(clients, { source });
  fixture.begin();
  let last = fixture.picks(clients, { source });
  for (let step = 1; step <= 20; step++) {
    const now = fixture.picks(clients, { source });
    const expected = clients * step / (40 + step);
    assertLess(Math.abs(count(now, "a") - expected), 5 * Math.sqrt(expected), `at ${step}`);
    for (let i = 0; i < clients; i++) assertEquals(now[i] === last[i] || now[i] === "a", true);
    last = now;
    fixture.clock.advance(STEP_MS);
  }
  assertEquals(last, whole);
});

Deno.test("first does not weigh: one that starts slowly takes its place at once", () => {
  const fixture = new SlowStartFixture([1, 1], { balancer: new First() });
  fixture.begin();
  assertEquals(fixture.picks(4), "aaaa");
});

Deno.test("a twentieth of the least weight beside the greatest one is a weight still", () => {
  const fixture = new SlowStartFixture([1, 65_535], { balancer: new LeastConnections() });
  fixture.begin();
  const [a, b] = fixture.backends as [Backend, Backend];
  assertEquals([a.available, a.weight], [true, 0.05]);
  a.acquire(); // As loaded as the other one with 20 for each of its weight.
  for (let i = 0; i < 65_535 * 20 - 1; i++) b.acquire();
  assertEquals(fixture.picks(1), "b");
  for (let i = 0; i < 2; i++) b.acquire();
  assertEquals(fixture.picks(1), "a");
});
