import { assertEquals } from "@std/assert";
import type { OutlierOptions } from "../../src/upstream/options.ts";
import { settle } from "../support/settle.ts";
import { HealthFixture, NOTHING_LEFT } from "./health_fixture.ts";

/** Two failures eject for three seconds, and all may be ejected. */
const OUTLIER: OutlierOptions = { failures: 2, ejectionMs: 3_000, maxEjected: 1 };

Deno.test("slowStart: the first set has its whole weight at once, what comes later grows to it", async () => {
  const fixture = new HealthFixture("a b", {
    slowStartMs: 20_000,
    health: undefined,
    balance: "round-robin",
  });
  assertEquals(fixture.upstream.backends.map(({ share }) => share), [1, 1]);
  fixture.set("a b c");
  assertEquals(fixture.upstream.backends.map(({ share }) => share), [1, 1, 0.05]);
  assertEquals((await fixture.picks(41)).split("c").length - 1, 1);
  await fixture.clock.advanceAsync(9_000);
  assertEquals(fixture.upstream.backends.map(({ weight }) => weight), [1, 1, 0.5]);
  assertEquals((await fixture.picks(5)).split("c").length - 1, 1);
  fixture.set("a b c"); // It goes on growing.
  await fixture.clock.advanceAsync(10_000);
  assertEquals(fixture.upstream.backends.map(({ weight }) => weight), [1, 1, 1]);
  assertEquals(fixture.wheel.size, 0);
  fixture.set([]);
  fixture.set("x y"); // All of them are new: there is none to compare with.
  assertEquals(fixture.upstream.backends.map(({ share }) => share), [1, 1]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("slowStart: one that recovers grows from when it is up, or from when its ejection is over", async () => {
  const fixture = new HealthFixture("a b", {
    slowStartMs: 20_000,
    outlier: OUTLIER,
    balance: "round-robin",
  });
  await settle();
  const a = fixture.backend("a");
  assertEquals(a.share, 1); // It was not down before.
  fixture.say("a", "bad");
  await fixture.checked(5);
  fixture.say("a", "good");
  await fixture.checked(1);
  assertEquals(a.state, "down");
  await fixture.checked(1);
  assertEquals([a.state, a.share], ["up", 0.05]);
  assertEquals((await fixture.picks(21)).split("a").length - 1, 1);
  await fixture.checked(9);
  assertEquals(a.share, 0.5);
  // Down again while it grows: it starts again.
  fixture.say("a", "bad");
  await fixture.checked(2);
  assertEquals([a.state, fixture.wheel.size], ["down", 2]); // Nothing but the two checks.
  fixture.say("a", "good");
  await fixture.checked(2);
  assertEquals([a.state, a.share], ["up", 0.05]);
  await fixture.checked(19);
  assertEquals(a.share, 1);
  while (!a.ejected) await fixture.refuse("a", 1);
  assertEquals(a.share, 1);
  await fixture.checked(3);
  assertEquals([a.state, a.share], ["up", 0.05]);
  await fixture.checked(19);
  assertEquals(a.share, 1);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("slowStart: one whose ejection is over while it is down grows from when it is up", async () => {
  const fixture = new HealthFixture("a b", {
    slowStartMs: 20_000,
    outlier: OUTLIER,
  });
  await settle();
  const a = fixture.backend("a");
  await fixture.refuse("a", 2);
  fixture.say("a", "bad");
  await fixture.checked(8);
  assertEquals(a.state, "down");
  fixture.say("a", "good");
  await fixture.checked(2);
  assertEquals([a.state, a.share], ["up", 0.05]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("slowStart: one that leaves while it grows leaves nothing behind", async () => {
  const fixture = new HealthFixture("a b", { slowStartMs: 20_000, health: undefined });
  fixture.set("a b c");
  assertEquals(fixture.wheel.size, 1);
  fixture.set("a b");
  assertEquals([fixture.wheel.size, fixture.clock.pending], [0, 0]);
  fixture.set("a b c");
  fixture.update({ slowStartMs: 0 });
  await fixture.clock.advanceAsync(100);
  assertEquals([fixture.backend("c").share, fixture.wheel.size], [1, 0]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("slowStart: removing the checks leaves no backend with less than its weight", async () => {
  const fixture = new HealthFixture("a b", { slowStartMs: 20_000, balance: "round-robin" });
  await settle();
  fixture.set("a b c");
  fixture.say("c", "bad");
  await fixture.checked(2);
  assertEquals(fixture.states, "a up, b up, c down");
  fixture.update({ health: undefined });
  assertEquals([fixture.states, await fixture.picks(3)], ["a up, b up, c up", "a b c"]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});
