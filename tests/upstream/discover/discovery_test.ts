import { assert, assertEquals, assertThrows } from "@std/assert";
import { Discovery } from "../../../src/upstream/discover/discovery.ts";
import { DiscoveryError } from "../../../src/upstream/discover/errors.ts";
import { staticSource } from "../../../src/upstream/discover/static_source.ts";
import { FakeClock } from "../../core/fake_clock.ts";
import { settle } from "../../support/settle.ts";
import { within } from "../../support/wait.ts";
import { spec, specs } from "../upstream_fixture.ts";
import { DiscoveryFixture, hosts, ScriptedSource } from "./discovery_fixture.ts";

Deno.test("the static backends come first, then each source's last set, in the order of the sources", async () => {
  await using fixture = new DiscoveryFixture({ statics: specs("s"), count: 2 });
  const { one, two, sets, discovery } = fixture;
  assertEquals(hosts(discovery.backends), "s");
  await two.give(specs("c d"));
  await one.give(specs("a b"));
  await two.give(specs("d s a"));
  assertEquals(sets, ["s c d", "s a b c d", "s a b d"]);
  assertEquals(hosts(discovery.backends), "s a b d");
});

Deno.test("a set that is the same again is not passed on", async () => {
  await using fixture = new DiscoveryFixture({ statics: specs("s"), count: 2 });
  await fixture.one.give(specs("a b"));
  await fixture.one.give(specs("a b"));
  await fixture.two.give(specs("a s"));
  assertEquals(fixture.sets, ["s a b"]);
  await fixture.one.give([spec("a"), spec("b", { weight: 2 })]);
  assertEquals(fixture.sets.length, 2);
});

Deno.test("a source may use its array again for the next set", async () => {
  await using fixture = new DiscoveryFixture();
  const set = specs("a");
  await fixture.one.give(set);
  set.push(spec("b"));
  await fixture.one.give(set);
  assertEquals(fixture.sets, ["a", "a b"]);
});

Deno.test("a source that fails keeps its last set, and logs failure and recovery once", async () => {
  await using fixture = new DiscoveryFixture({ count: 2 });
  const { one, two, clock, log, discovery, sets } = fixture;
  await one.give(specs("a"));
  await two.give(specs("b"));
  await clock.advanceAsync(100);
  await one.fail("no way");
  assertEquals(discovery.status[0], {
    name: "one",
    state: "failing",
    sinceMs: 100,
    error: "no way",
    lastSetAtMs: 0,
    size: 1,
    failures: 1,
  });
  await one.fail("still none");
  await clock.advanceAsync(750);
  assertEquals(discovery.status[0]!.error, "still none");
  assertEquals([discovery.status[0]!.sinceMs, discovery.status[0]!.failures], [100, 2]);
  await one.give(specs("a c"));
  await clock.advanceAsync(1_500);
  assertEquals(sets, ["a", "a b", "a c b"]);
  assertEquals(discovery.status.map(({ state }) => state), ["good", "good"]);
  assertEquals(log.lines.filter(({ level }) => level === "warn"), [{
    level: "warn",
    message: "discovery failed, keeping the last set",
    fields: { upstream: "db", source: "one", error: "no way", backends: 2 },
  }]);
  assertEquals(log.lines.filter(({ message }) => message === "discovery recovered").length, 1);
});

Deno.test("a failing source is retried after 1 to 30 seconds with jitter, from 1 again after a set", async () => {
  await using fixture = new DiscoveryFixture();
  const { one, clock } = fixture;
  await settle();
  for (const delayMs of [750, 1_500, 3_000, 6_000, 12_000, 22_500, 22_500]) {
    await one.fail("no");
    const { asked } = one;
    await clock.advanceAsync(delayMs - 1);
    assertEquals(one.asked, asked, `before ${delayMs}`);
    await clock.advanceAsync(1);
    assertEquals(one.asked, asked + 1, `after ${delayMs}`);
  }
  await one.give(specs("a"));
  await one.fail("no");
  await clock.advanceAsync(750);
  assertEquals(one.asked, 9);
});

Deno.test("a source with a bound for its pauses is asked again within that, however often it has failed", async () => {
  await using fixture = new DiscoveryFixture({ retryMaxMs: 3_000 });
  const { one, clock } = fixture;
  await settle();
  for (const delayMs of [750, 1_500, 2_250, 2_250, 2_250]) {
    await one.fail("no");
    const { asked } = one;
    await clock.advanceAsync(delayMs - 1);
    assertEquals(one.asked, asked, `before ${delayMs}`);
    await clock.advanceAsync(1);
    assertEquals(one.asked, asked + 1, `after ${delayMs}`);
  }
});

Deno.test("a bound for pauses below a second holds for the first one too", async () => {
  await using fixture = new DiscoveryFixture({ retryMaxMs: 300 });
  const { one, clock } = fixture;
  await one.fail("no");
  await clock.advanceAsync(300);
  assertEquals(one.asked, 2);
});

Deno.test("a refresh asks at once after a failure and between sets, and not where the answer is awaited", async () => {
  await using fixture = new DiscoveryFixture();
  const { one, discovery, clock, sets } = fixture;
  await settle();
  discovery.refresh();
  await settle();
  assertEquals([one.asked, one.ended], [1, 0], "its first answer is awaited");

  for (let i = 0; i < 5; i++) {
    await one.fail("no");
    assertEquals(one.asked, one.ended, "it pauses");
    discovery.refresh();
    await settle();
    assertEquals(one.asked, one.ended + 1);
  }
  await one.give(specs("a"));
  discovery.refresh();
  await settle();
  assertEquals([one.asked, one.ended, sets], [7, 6, ["a"]]);
  assertEquals(discovery.status.map(({ state, failures }) => [state, failures]), [["good", 5]]);
  await one.fail("no");
  await clock.advanceAsync(750);
  assertEquals(one.asked, 8, "pauses begin from the shortest again");
});

Deno.test("an error that a source yields is a failure, but the source keeps running", async () => {
  await using fixture = new DiscoveryFixture();
  const { one, discovery, sets } = fixture;
  await one.give(specs("a"));
  await one.give(new Error("bad file"));
  assertEquals([discovery.status[0]!.state, discovery.status[0]!.error], ["failing", "bad file"]);
  await one.give(specs("b"));
  assertEquals([discovery.status[0]!.state, discovery.status[0]!.error], ["good", undefined]);
  assertEquals([sets, one.asked], [["a", "b"], 1]);
});

Deno.test("an empty answer is an answer", async () => {
  await using fixture = new DiscoveryFixture();
  await fixture.one.give(specs("a"));
  await fixture.one.give([]);
  assertEquals(fixture.sets, ["a", ""]);
  assertEquals(fixture.discovery.status[0]!.state, "good");
});

Deno.test("with keepOnEmpty an empty answer keeps the last set, until that is switched off", async () => {
  await using fixture = new DiscoveryFixture({ keepOnEmpty: true, count: 2 });
  const { one, two, discovery, sets, log } = fixture;
  await two.give([]);
  assertEquals(log.lines, []); // It has had none.
  await one.give(specs("a"));
  await one.give([]);
  await one.give([]);
  assertEquals([sets, discovery.status[0]!.size], [["a"], 1]);
  assertEquals(log.lines.filter(({ level }) => level === "warn").length, 1);
  discovery.update({ statics: [], keepOnEmpty: false });
  assertEquals([sets, discovery.status[0]!.size], [["a", ""], 0]);
});

Deno.test("static backends can be replaced while sources run", async () => {
  await using fixture = new DiscoveryFixture({ statics: specs("s") });
  const { one, discovery, sets } = fixture;
  await one.give(specs("a"));
  discovery.update({ statics: specs("t a"), keepOnEmpty: false });
  discovery.update({ statics: specs("t a"), keepOnEmpty: false });
  assertEquals([sets, one.asked], [["s a", "t a"], 1]);
  assertThrows(
    () => discovery.update({ statics: [spec("x", { weight: -1 })], keepOnEmpty: false }),
    DiscoveryError,
  );
  assertEquals(hosts(discovery.backends), "t a");
});

Deno.test("an invalid set is a failure, and its source is aborted and started again", async () => {
  await using fixture = new DiscoveryFixture();
  const { one, clock, discovery, sets } = fixture;
  await one.give(specs("a"));
  await one.give([spec("b", { weight: 0.5 })]);
  assertEquals([discovery.status[0]!.state, one.ended], ["failing", 1]);
  assert(discovery.status[0]!.error!.startsWith("Cannot use backend 1 of 1: weight is 0.5"));
  await one.give(specs("c"));
  await clock.advanceAsync(1_000);
  assertEquals(sets, ["a", "c"]);
});

Deno.test("the last set of a source that ends is final", async () => {
  await using fixture = new DiscoveryFixture({ count: 2 });
  const { one, two, clock, discovery } = fixture;
  await one.give(specs("a"));
  await one.end();
  await two.end();
  await clock.advanceAsync(100_000);
  assertEquals(discovery.status.map(({ state, size }) => [state, size]), [["ended", 1], ["ended", 0]]);
  assertEquals([hosts(discovery.backends), one.asked, two.asked], ["a", 1, 1]);
});

Deno.test("it is ready when each source has given a set, failed or ended", async () => {
  await using fixture = new DiscoveryFixture({ count: 3 });
  const { one, two, discovery } = fixture;
  let ready = false;
  void discovery.ready.then(() => ready = true);
  await one.give(specs("a"));
  await one.give(specs("b"));
  await two.fail("no");
  assertEquals(ready, false);
  assertEquals(discovery.status.map(({ state }) => state), ["good", "failing", "waiting"]);
  await fixture.sources[2]!.end();
  assertEquals(ready, true);
});

Deno.test("without a source it is ready at once, and closing makes it ready too", async () => {
  const none = new Discovery({ sources: [], onSet() {} });
  none.start();
  await none.ready;
  await none.close();
  const fixture = new DiscoveryFixture();
  await fixture.discovery.close();
  await fixture.discovery.ready;
});

Deno.test("closing ends all sources, and nothing is passed on or left behind", async () => {
  const fixture = new DiscoveryFixture({ count: 3 });
  const { one, two, clock, discovery, sets } = fixture;
  await one.give(specs("a"));
  await two.fail("no"); // In its pause now.
  await discovery.close();
  await discovery.close();
  assertEquals(fixture.sources.map(({ ended }) => ended), [1, 1, 1]);
  discovery.update({ statics: specs("z"), keepOnEmpty: false });
  await clock.advanceAsync(100_000);
  assertEquals([sets, clock.pending, two.asked], [["a"], 0, 1]);
});

Deno.test("a source that is deaf to its signal is not waited for longer than a second", async () => {
  const clock = new FakeClock();
  const never = Promise.withResolvers<void>();
  let returned = false;
  const deaf = () => ({
    [Symbol.asyncIterator]: () => ({
      next: () => never.promise.then(() => ({ done: false, value: specs("a") } as const)),
      return: () => {
        returned = true;
        return never.promise.then(() => ({ done: true, value: undefined } as const));
      },
    }),
  });
  const sets: number[] = [];
  const discovery = new Discovery({
    sources: [{ name: "deaf", source: deaf }],
    onSet: (set) => void sets.push(set.length),
    clock,
  });
  discovery.start();
  let closed = false;
  const closing = discovery.close().then(() => closed = true);
  await clock.advanceAsync(999);
  assertEquals([returned, closed], [true, false]);
  await clock.advanceAsync(1);
  await within(closing, { what: "the end" });
  never.resolve();
  await settle();
  assertEquals([sets, clock.pending], [[], 0]);
});

Deno.test("a source that throws before it gives anything, or gives no set at all, has failed", async () => {
  const clock = new FakeClock();
  const discovery = new Discovery({
    sources: [
      {
        name: "throws",
        source: () => {
          throw new Error("at once");
        },
      },
      // deno-lint-ignore no-explicit-any
      { name: "nonsense", source: staticSource(undefined as any) },
      // deno-lint-ignore no-explicit-any
      { name: "nothing in it", source: staticSource([null] as any) },
    ],
    onSet() {},
    clock,
  });
  discovery.start();
  await discovery.ready;
  assertEquals(discovery.status.map(({ state }) => state), ["failing", "failing", "failing"]);
  await discovery.close();
  assertEquals(clock.pending, 0);
});

Deno.test("of 10,000 backends that change by one, the set is passed on once for each change", async () => {
  await using fixture = new DiscoveryFixture({ statics: specs("s") });
  const set = Array.from({ length: 10_000 }, (_, i) => spec(`10.0.${i >> 8}.${i & 255}`));
  await fixture.one.give(set);
  await fixture.one.give(set.map((backend) => ({ ...backend, address: { ...backend.address } })));
  assertEquals(fixture.sets.length, 1);
  await fixture.one.give(set.with(9_999, spec("x")));
  assertEquals(fixture.sets.length, 2);
  const { backends } = fixture.discovery;
  assertEquals([backends.length, hosts(backends.slice(-1))], [10_001, "x"]);
  // What has not changed is the same object, so comparing it costs nothing.
  assert(backends[5_000] === set[4_999]);
});

Deno.test("a scripted source yields its sets", async () => {
  const source = new ScriptedSource();
  await source.give(specs("a"));
  for await (const set of source.source(new AbortController().signal)) {
    assertEquals(set, specs("a"));
    break;
  }
});
