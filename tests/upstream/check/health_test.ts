import { assertEquals, assertStrictEquals } from "@std/assert";
import { type CheckOutcome, Health, type HealthRules } from "../../../src/upstream/check/health.ts";

/** The outcome that a sign stands for: `+` or `-`. */
function outcome(sign: string, at = 0): CheckOutcome {
  return { ok: sign === "+", detail: sign, at };
}

/** What is held after each of these outcomes: `U` for up, `D` for down; capital where that has changed. */
function course(rules: HealthRules, outcomes: string): string {
  const health = new Health();
  let course = "";
  for (const sign of outcomes) {
    const changed = health.observe(outcome(sign), rules);
    const letter = health.state.slice(0, 1);
    course += changed ? letter.toUpperCase() : letter;
  }
  return course;
}

Deno.test("a backend is unknown until its first check has ended", () => {
  const { state, since, inARow, flips, last, lastGood, lastBad } = new Health();
  assertEquals([state, since, inARow, flips, last, lastGood, lastBad], [
    "unknown",
    undefined,
    0,
    0,
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("the first check decides, then it takes rise good ones or fall bad ones in a row", () => {
  const table: [rise: number, fall: number, outcomes: string, course: string][] = [
    [2, 3, "+", "U"],
    [2, 3, "-", "D"],
    // The first one counts in its row, which goes on.
    [2, 3, "+---", "UuuD"],
    [2, 3, "-++", "DdU"],
    [2, 3, "+--+--+---", "UuuuuuuuuD"],
    [2, 3, "-+-+-++", "DdddddU"],
    [2, 3, "+------++++", "UuuDddddUuu"],
    [2, 3, "-++---++---", "DdUuuDdUuuD"],
    [1, 1, "+-+-", "UDUD"],
    [1, 1, "--++", "DdUu"],
    [1, 3, "-+--+---+", "DUuuuuuDU"],
    [3, 1, "+-++-+++-", "UDdddddUD"],
    [5, 2, "+--++++-+++++", "UuDdddddddddU"],
    [2, 10, "+---------+----------", "U" + "u".repeat(19) + "D"],
  ];
  for (const [rise, fall, outcomes, expected] of table) {
    assertEquals(course({ rise, fall }, outcomes), expected, `rise ${rise}, fall ${fall}: ${outcomes}`);
  }
});

Deno.test("for any sequence of results the state follows the rules", () => {
  // Every history of ten outcomes, against the rule said in another way.
  for (const [rise, fall] of [[1, 1], [2, 3], [3, 2], [1, 4]] as const) {
    for (let bits = 0; bits < 1 << 10; bits++) {
      const health = new Health();
      let history = "";
      let flips = 0;
      let expected = "unknown";
      for (let i = 0; i < 10; i++) {
        const sign = bits >> i & 1 ? "+" : "-";
        history += sign;
        const before = expected;
        if (expected === "unknown") expected = sign === "+" ? "up" : "down";
        else if (history.endsWith("+".repeat(rise))) expected = "up";
        else if (history.endsWith("-".repeat(fall))) expected = "down";
        if (before !== "unknown" && before !== expected) flips++;
        const changed = health.observe(outcome(sign), { rise, fall });
        assertEquals([health.state, health.flips, changed], [expected, flips, before !== expected], history);
      }
    }
  }
});

Deno.test("it keeps the last outcome, the last good and the last bad one, and since when the state holds", () => {
  const health = new Health();
  const rules = { rise: 2, fall: 2 };
  const [good, bad1, bad2, bad3] = [outcome("+", 10), outcome("-", 20), outcome("-", 30), outcome("-", 40)];
  health.observe(good, rules);
  assertEquals([health.since, health.inARow, health.lastBad], [10, 1, undefined]);
  health.observe(bad1, rules);
  assertEquals([health.state, health.since, health.inARow], ["up", 10, 1]);
  health.observe(bad2, rules);
  assertEquals([health.state, health.since, health.inARow], ["down", 30, 2]);
  health.observe(bad3, rules);
  assertEquals([health.state, health.since, health.inARow, health.flips], ["down", 30, 3, 1]);
  assertStrictEquals(health.last, bad3);
  assertStrictEquals(health.lastBad, bad3);
  assertStrictEquals(health.lastGood, good);
});

Deno.test("rules that change count what has come in a row already", () => {
  const health = new Health();
  for (const sign of "+----") health.observe(outcome(sign), { rise: 2, fall: 10 });
  assertEquals([health.state, health.inARow], ["up", 4]);
  assertEquals(health.observe(outcome("-"), { rise: 2, fall: 5 }), true);
  assertEquals(health.state, "down");
});

Deno.test("after a reset nothing is known, the next check decides, and flips stay counted", () => {
  const health = new Health();
  const rules = { rise: 5, fall: 2 };
  for (const sign of "+--") health.observe(outcome(sign, 7), rules);
  health.reset();
  const { state, since, inARow, flips, last, lastGood, lastBad } = health;
  assertEquals([state, since, inARow, flips], ["unknown", undefined, 0, 1]);
  assertEquals([last, lastGood, lastBad], [undefined, undefined, undefined]);
  assertEquals(health.observe(outcome("+", 9), rules), true);
  assertEquals([health.state, health.since, health.inARow, health.flips], ["up", 9, 1, 1]);
});
