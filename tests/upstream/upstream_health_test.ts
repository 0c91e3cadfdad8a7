import {
  assertEquals,
  assertInstanceOf,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import type { LiveConnection } from "../../src/upstream/backend.ts";
import { BackendsDownError, ConnectFailedError, NoBackendError } from "../../src/upstream/errors.ts";
import type { OutlierOptions } from "../../src/upstream/options.ts";
import { ScriptedDialler } from "../support/scripted_dialler.ts";
import { settle } from "../support/settle.ts";
import { HEALTH, HealthFixture, NOTHING_LEFT, spec, specs } from "./health_fixture.ts";
import { UpstreamFixture } from "./upstream_fixture.ts";

/** Two failures eject for ten seconds, and all may be ejected. */
const OUTLIER: OutlierOptions = { failures: 2, ejectionMs: 10_000, maxEjected: 1 };

function liveConnection(events: string[], name: string): LiveConnection {
  return {
    onBackendRemoved: () => events.push(`${name} removed`),
    onBackendDown: () => events.push(`${name} down`),
    onClosedByAdmin: () => {},
    drain: () => events.push(`${name} drains`),
  };
}

Deno.test("a backend that is down gets nothing, and comes back when it has risen", async () => {
  const fixture = new HealthFixture("a b");
  assertEquals(fixture.states, "a unknown, b unknown");
  assertEquals(await fixture.picks(1), "a");
  await settle();
  assertEquals(fixture.states, "a up, b up");
  fixture.say("a", "bad");
  await fixture.checked(1);
  assertEquals([fixture.states, await fixture.picks(1)], ["a up, b up", "a"]);
  await fixture.checked(1);
  assertEquals([fixture.states, await fixture.picks(2)], ["a down, b up", "b b"]);
  fixture.say("a", "good");
  await fixture.checked(1);
  assertEquals(fixture.states, "a down, b up");
  await fixture.checked(1);
  assertEquals([fixture.states, await fixture.picks(1)], ["a up, b up", "a"]);
  assertEquals(fixture.news, ["warn a is down", "info a is up"]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("without a healthy backend the error has the number of backends in each state", async () => {
  const fixture = new HealthFixture("a b c", { outlier: OUTLIER });
  await settle();
  fixture.say("a b c", "bad");
  await fixture.checked(2);
  const error = await fixture.whyNone();
  assertInstanceOf(error, BackendsDownError);
  assertEquals([error.code, error.message], [
    "backends_down",
    'Cannot connect to upstream "db": no backend is healthy (3 down)',
  ]);
  assertEquals([fixture.upstream.available, fixture.dialler.calls.length], [false, 0]);
  fixture.say("a b", "good");
  await fixture.checked(2);
  await fixture.refuse("a", 2);
  fixture.backend("b").disabled = true;
  assertEquals(fixture.states, "a ejected, b drained, c down");
  assertEquals(
    (await fixture.whyNone()).message,
    'Cannot connect to upstream "db": no backend is healthy (1 down, 1 ejected)',
  );
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("that there is no backend, or all are full or taken out, is another thing than that they are down", async () => {
  const table: [backends: ReturnType<typeof specs>, bad: string][] = [
    [[], "a"],
    [[spec("a", { weight: 0 })], "a"],
    [[spec("a", { maxConnections: 1 }), spec("b")], "b"],
  ];
  for (const [backends, bad] of table) {
    const fixture = new HealthFixture(backends);
    const found = backends.length > 0 ? await fixture.find() : undefined;
    fixture.say(bad, "bad");
    await fixture.checked(2);
    assertInstanceOf(await fixture.whyNone(), NoBackendError);
    found?.discard();
    assertEquals(await fixture.end(), NOTHING_LEFT);
  }
});

Deno.test("backups serve while all others are down or ejected, and no longer", async () => {
  const fixture = new HealthFixture([spec("a"), spec("b"), spec("c", { backup: true })], {
    outlier: OUTLIER,
  });
  await settle();
  fixture.say("a", "bad");
  await fixture.checked(2);
  assertEquals(await fixture.picks(1), "b");
  await fixture.refuse("b", 2);
  assertEquals([fixture.states, await fixture.picks(2)], ["a down, b ejected, c up", "c c"]);
  fixture.say("c", "bad");
  await fixture.checked(2);
  assertEquals(
    (await fixture.whyNone()).message,
    'Cannot connect to upstream "db": no backend is healthy (2 down, 1 ejected)',
  );
  fixture.say("a c", "good");
  await fixture.checked(2);
  assertEquals([fixture.states, await fixture.picks(2)], ["a up, b ejected, c up", "a a"]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("failures to connect eject, for the time that is configured, and a good check does not end that", async () => {
  const fixture = new HealthFixture("a b", { outlier: OUTLIER });
  await settle();
  await fixture.refuse("a", 1);
  assertEquals(fixture.states, "a up, b up");
  await fixture.refuse("a", 1);
  assertEquals(fixture.states, "a ejected, b up");
  assertEquals(fixture.upstream.ejectedForMs(fixture.backend("a")), 10_000);
  await fixture.checked(9);
  assertEquals(fixture.backend("a").health.inARow, 10); // All good.
  assertEquals([fixture.states, await fixture.picks(2)], ["a ejected, b up", "b b"]);
  assertEquals(fixture.upstream.ejectedForMs(fixture.backend("a")), 1_000);
  await fixture.checked(1);
  assertEquals([fixture.states, await fixture.picks(1)], ["a up, b up", "a"]);
  assertEquals(fixture.upstream.ejectedForMs(fixture.backend("a")), undefined);
  assertEquals(fixture.news, ["warn a is ejected", "info a is no longer ejected"]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("a retry never goes to an ejected backend, nor to one that is down", async () => {
  const fixture = new HealthFixture("a b c d", { outlier: { ...OUTLIER, failures: 1 }, retries: 10 });
  await settle();
  fixture.say("c", "bad");
  await fixture.checked(2);
  await fixture.refuse("a", 1);
  const from = fixture.dialler.calls.length;
  const run = fixture.upstream.search({ connectMs: 1000 }).run().catch((error) => error);
  for (let i = from; i < fixture.dialler.calls.length; i++) {
    fixture.dialler.calls[i]!.refuse();
    await settle();
  }
  assertInstanceOf(await run, ConnectFailedError);
  assertEquals(fixture.dialler.calls.slice(from).map(({ to }) => to), ["b:1", "d:1"]);
  assertEquals(fixture.states, "a ejected, b ejected, c down, d ejected");
  assertInstanceOf(await fixture.whyNone(), BackendsDownError);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("half of a set is never ejected by default, and is still tried", async () => {
  const fixture = new HealthFixture("a b", { health: undefined, outlier: { ...OUTLIER, maxEjected: 0.5 } });
  await fixture.refuse("a", 2);
  await fixture.refuse("b", 5);
  assertEquals([fixture.states, await fixture.picks(2)], ["a ejected, b up", "b b"]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("ejected and down at once: each ends by itself, and the backend serves when both have", async () => {
  for (const first of ["checks", "ejection"] as const) {
    const fixture = new HealthFixture("a b", { outlier: { ...OUTLIER, ejectionMs: 5_000 } });
    await settle();
    await fixture.refuse("a", 2);
    fixture.say("a", "bad");
    await fixture.checked(2);
    assertEquals([fixture.states, fixture.backend("a").ejected], ["a down, b up", true]);
    if (first === "checks") {
      fixture.say("a", "good");
      await fixture.checked(2);
      assertEquals([fixture.states, await fixture.picks(1)], ["a ejected, b up", "b"]);
      await fixture.checked(1);
    } else {
      await fixture.checked(3);
      assertEquals([fixture.states, fixture.backend("a").ejected], ["a down, b up", false]);
      assertEquals(await fixture.picks(1), "b");
      fixture.say("a", "good");
      await fixture.checked(2);
    }
    assertEquals([fixture.states, await fixture.picks(1)], ["a up, b up", "a"]);
    const news = ["info a is up", "info a is no longer ejected"];
    assertEquals(fixture.news.slice(0, 2), ["warn a is ejected", "warn a is down"]);
    assertEquals(fixture.news.slice(2), first === "checks" ? news : news.toReversed());
    assertEquals(await fixture.end(), NOTHING_LEFT);
  }
});

Deno.test("what is ejected and leaves the set makes room for others, and a set that shrinks takes some back", async () => {
  const options = { health: undefined, outlier: { ...OUTLIER, failures: 1, maxEjected: 0.5 }, retries: 0 };
  const fixture = new HealthFixture("a b c d", options);
  await fixture.refuse("a", 1);
  await fixture.checked(1);
  await fixture.refuse("b", 1);
  await fixture.refuse("c", 1);
  assertEquals(fixture.states, "a ejected, b ejected, c up, d up");
  fixture.set("b c"); // `a` has left, and of two one may be ejected.
  assertEquals(fixture.states, "b ejected, c up");
  fixture.set("a b c d");
  assertEquals(fixture.states, "a up, b ejected, c up, d up");
  await fixture.refuse("a", 1);
  assertEquals(fixture.states, "a ejected, b ejected, c up, d up");
  fixture.set("a b c");
  assertEquals(fixture.states, "a ejected, b up, c up"); // Its time would have been over first.
  fixture.set("a");
  assertEquals([fixture.states, await fixture.picks(1)], ["a up", "a"]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("a reset before any byte counts against a backend, and one after bytes for it", async () => {
  const fixture = new HealthFixture("a b", { health: undefined, outlier: { ...OUTLIER, failures: 3 } });
  const end = async (broken: boolean, bytes: number) => (await fixture.find())!.closed(broken, bytes);
  for (const [broken, bytes] of [[true, 0], [true, 0], [true, 1], [true, 0], [true, 0]] as const) {
    await end(broken, bytes);
  }
  await end(false, 0); // It ended in order, with nothing said: neither.
  assertEquals(fixture.states, "a up, b up");
  await end(true, 0);
  assertEquals(fixture.states, "a ejected, b up");
  for (const connection of fixture.dialler.dialled) connection.close();
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("the current weights of those that stay survive an update of the set and of everything else", async () => {
  const set = () => [spec("a", { weight: 5 }), spec("b"), spec("c")];
  const fixture = new HealthFixture(set(), { balance: "round-robin" });
  await settle();
  assertEquals(await fixture.picks(3), "a a b");
  fixture.set(set());
  fixture.update({ retries: 1, health: { ...HEALTH, fall: 7 }, outlier: OUTLIER, slowStartMs: 1000 });
  assertEquals(await fixture.picks(4), "a c a a");
  fixture.set([spec("d", { weight: 0 }), ...set()]);
  assertEquals(await fixture.picks(7), "a a b a c a a");
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("health, ejection, rows of failures and counts of those that stay survive an update", async () => {
  const fixture = new HealthFixture("a b c d", { outlier: OUTLIER, bad: "c" });
  assertEquals(await fixture.picks(3), "a a a");
  await fixture.refuse("a", 1);
  const [a, b, c] = fixture.upstream.backends;
  const looked = fixture.checks[0]!.looked.length;
  fixture.set("c e a b");
  await settle();
  assertEquals(fixture.states, "c down, e up, a up, b up");
  assertStrictEquals(fixture.backend("a"), a);
  assertEquals([a!.total, a!.failures, b!.total, c!.health.inARow], [3, 1, 1, 1]);
  // Only the one that has come is checked at once.
  assertEquals(fixture.checks[0]!.looked.slice(looked), ["e"]);
  fixture.set("a b c");
  await fixture.refuse("a", 1); // The second one in its row.
  assertEquals(fixture.states, "a ejected, b up, c down");
  fixture.set("b c a");
  fixture.update({ retries: 0 });
  await settle();
  assertEquals([fixture.states, fixture.checks.length], ["b up, c down, a ejected", 1]);
  assertEquals(fixture.upstream.ejectedForMs(a!), 10_000);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("a backend that leaves and comes back starts afresh", async () => {
  const fixture = new HealthFixture("a b", { outlier: OUTLIER });
  await settle();
  fixture.say("a", "bad");
  await fixture.checked(2);
  await fixture.refuse("b", 2);
  const [a, b] = fixture.upstream.backends;
  assertEquals(fixture.states, "a down, b ejected");
  fixture.set([]);
  fixture.say("a", "good");
  fixture.set("a b");
  assertEquals(fixture.states, "a unknown, b unknown");
  assertNotStrictEquals(fixture.backend("a"), a);
  await settle();
  assertEquals(fixture.states, "a up, b up");
  await fixture.refuse("a", 1);
  const { health, failures, total } = fixture.backend("a");
  assertEquals([health.flips, health.inARow, failures, total], [0, 1, 1, 0]);
  assertEquals([fixture.states, a!.removed, b!.removed], ["a up, b up", true, true]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("another port, or another host, is another backend: the old one counts as removed", async () => {
  const fixture = new HealthFixture("a");
  await settle();
  const events: string[] = [];
  const a = fixture.backend("a");
  a.live.add(liveConnection(events, "on a"));
  const moved = { ...spec("a"), address: { kind: "tcp", host: "a", port: 2 } } as const;
  fixture.set([moved]);
  assertEquals([events, a.removed, fixture.states], [["on a removed"], true, "a:2 unknown"]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("onDown: close ends what a backend carries when it goes down, keep leaves it alone", async () => {
  for (const onDown of ["close", "keep", undefined] as const) {
    const fixture = new HealthFixture("a b", onDown && { onDown });
    await settle();
    const events: string[] = [];
    fixture.backend("a").live.add(liveConnection(events, "on a"));
    fixture.backend("a").live.add(liveConnection(events, "also on a"));
    fixture.backend("b").live.add(liveConnection(events, "on b"));
    fixture.say("a", "bad");
    await fixture.checked(1);
    assertEquals(events, []);
    await fixture.checked(3);
    assertEquals(events, onDown === "close" ? ["on a down", "also on a down"] : []);
    assertEquals(await fixture.end(), NOTHING_LEFT);
  }
});

Deno.test("an ejection ends nothing that the backend carries, with onDown: close either", async () => {
  const fixture = new HealthFixture("a b", { onDown: "close", outlier: OUTLIER });
  await settle();
  const events: string[] = [];
  fixture.backend("a").live.add(liveConnection(events, "on a"));
  await fixture.refuse("a", 2);
  assertEquals([fixture.states, events], ["a ejected, b up", []]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("connections that were ready to be used are not, once the backend is down", async () => {
  const pool = { maxIdle: 8, minIdle: 0, maxOpen: 0, idleTimeoutMs: 0 };
  const fixture = new HealthFixture("a", { pool, onDown: "keep" });
  const found = await fixture.find();
  found!.lease.release();
  found!.backend.release();
  assertEquals(fixture.dialler.unclosed, 1);
  fixture.say("a", "bad");
  await fixture.checked(2);
  assertEquals([fixture.states, fixture.dialler.unclosed], ["a down", 0]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("taken out by hand, or at weight 0, it keeps what it has and takes nothing new, through updates", async () => {
  for (const how of ["disabled", "weight"] as const) {
    const fixture = new HealthFixture("a b", { onDown: "close", onRemove: "close" });
    await settle();
    const events: string[] = [];
    const a = fixture.backend("a");
    a.live.add(liveConnection(events, "on a"));
    if (how === "disabled") a.disabled = true;
    else fixture.set([spec("a", { weight: 0 }), spec("b")]);
    assertEquals([fixture.states, await fixture.picks(2)], ["a drained, b up", "b b"]);
    fixture.update({ retries: 1 });
    assertEquals([fixture.states, events], ["a drained, b up", []]);
    await fixture.checked(3);
    assertEquals(a.health.inARow, 4); // It is checked all the same.
    if (how === "disabled") a.disabled = false;
    else fixture.set("a b");
    assertEquals([fixture.states, await fixture.picks(1), events], ["a up, b up", "a", []]);
    assertEquals(await fixture.end(), NOTHING_LEFT);
  }
});

Deno.test("without checks no backend is down, and all serve", async () => {
  const fixture = new HealthFixture("a b", { bad: "a b" });
  await settle();
  assertInstanceOf(await fixture.whyNone(), BackendsDownError);
  fixture.update({ health: undefined });
  assertEquals([fixture.states, await fixture.picks(2)], ["a up, b up", "a a"]);
  assertEquals([fixture.scheduler.size, fixture.checks[0]!.closed], [0, 1]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("checks switched on while it runs: all are checked at once, and what they were before is forgotten", async () => {
  const fixture = new HealthFixture("a b", { health: undefined });
  assertEquals([fixture.states, fixture.scheduler.size], ["a up, b up", 0]);
  fixture.say("a", "bad");
  fixture.update({ health: HEALTH });
  assertEquals([fixture.states, fixture.checks[0]!.looked.join(" ")], ["a unknown, b unknown", "a b"]);
  await settle();
  assertEquals(fixture.states, "a down, b up");
  fixture.update({ health: undefined });
  fixture.say("a", "good");
  fixture.update({ health: HEALTH });
  assertEquals(fixture.states, "a unknown, b unknown");
  await settle();
  assertEquals([fixture.states, fixture.backend("a").health.lastBad], ["a up, b up", undefined]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("checks switched on together with a new set: those that stay, those that come, not those that go", async () => {
  const fixture = new HealthFixture("a b", { health: undefined });
  fixture.update({ health: HEALTH, backends: specs("b c") });
  await settle();
  assertEquals(fixture.checks[0]!.looked.filter((host) => host !== "a").toSorted(), ["b", "c"]);
  assertEquals([fixture.scheduler.size, fixture.states], [2, "b up, c up"]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("other checks while it runs: what is known stays, and the new ones begin at once", async () => {
  const fixture = new HealthFixture("a b", { bad: "a" });
  await settle();
  fixture.say("a", "good");
  fixture.update({ health: { ...HEALTH, type: "http", rise: 3 } });
  assertEquals([fixture.states, fixture.checks.length, fixture.checks[0]!.closed], ["a down, b up", 2, 1]);
  await fixture.checked(1);
  assertEquals(fixture.states, "a down, b up");
  await fixture.checked(1);
  assertEquals(fixture.states, "a up, b up");
  // The same again, in another object, changes nothing.
  fixture.update({ health: { ...HEALTH, type: "http", rise: 3 } });
  assertEquals([fixture.checks.length, fixture.checks[1]!.closed], [2, 0]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("checks dial as the upstream does, also after it has begun to do so in another way", async () => {
  const fixture = new HealthFixture("a");
  await settle();
  const { signal } = new AbortController();
  const other = new ScriptedDialler();
  const { address } = fixture.backend("a");
  fixture.dials[0]!(address, signal).then((connection) => connection.close());
  fixture.upstream.update(fixture.upstream.options, { dial: other.dial });
  fixture.dials[0]!(address, signal).then((connection) => connection.close());
  assertEquals([fixture.dialler.calls.length, other.calls.length], [1, 1]);
  fixture.dialler.calls[0]!.accept();
  other.calls[0]!.accept();
  await settle();
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("an upstream that has closed is no longer checked, whatever was under way", async () => {
  const fixture = new HealthFixture("a b c", { hangs: "a b" });
  await settle();
  assertEquals(fixture.scheduler.underWay, 2);
  assertEquals(await fixture.end(), NOTHING_LEFT);
  assertEquals([fixture.checks[0]!.givenUp, fixture.news], [["check_removed", "check_removed"], []]);
});

Deno.test("stateSince is when the state that is shown began, whatever else happens", async () => {
  const { now } = Date;
  let nowMs = now();
  Date.now = () => nowMs;
  using _clock = { [Symbol.dispose]: () => void (Date.now = now) };
  const fixture = new HealthFixture("a b", { outlier: OUTLIER });
  const a = fixture.backend("a");
  await settle();
  const mark = () => nowMs++;
  /** Whether the state began after the last mark. */
  const isNew = () => a.stateSince === nowMs;
  mark();
  await fixture.checked(3);
  assertEquals([a.state, isNew()], ["up", false]);
  await fixture.refuse("a", 2);
  assertEquals([a.state, isNew()], ["ejected", true]);
  mark();
  await fixture.checked(5);
  assertEquals([a.state, isNew()], ["ejected", false]);
  fixture.say("a", "bad");
  await fixture.checked(2);
  assertEquals([a.state, isNew()], ["down", true]);
  mark();
  await fixture.checked(5);
  assertEquals([a.state, a.ejected, isNew()], ["down", false, false]);
  mark();
  a.disabled = true;
  assertEquals([a.state, isNew()], ["drained", true]);
  mark();
  fixture.set([spec("a", { weight: 0 }), spec("b")]);
  a.disabled = false;
  assertEquals([a.state, isNew()], ["drained", false]);
  assertStrictEquals(fixture.backend("a"), a);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("a thousand backends that go down and up together are each logged once", async () => {
  const hosts = Array.from({ length: 1000 }, (_, i) => `h${i}`).join(" ");
  const fixture = new HealthFixture(hosts, { slowStartMs: 5_000, balance: "round-robin" });
  await settle();
  fixture.say(hosts, "bad");
  await fixture.checked(3);
  assertEquals(new Set(fixture.upstream.backends.map(({ state }) => state)), new Set(["down"]));
  assertEquals((await fixture.whyNone()).message.includes("(1000 down)"), true);
  fixture.say(hosts, "good");
  await fixture.checked(3);
  assertEquals(new Set(fixture.upstream.backends.map(({ state }) => state)), new Set(["up"]));
  assertEquals(fixture.news.length, 2000);
  assertEquals(fixture.upstream.backends.every(({ health }) => health.flips === 2), true);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("a backend that is only full by our own bound is never ejected", async () => {
  const pool = { maxIdle: 8, minIdle: 0, maxOpen: 1, idleTimeoutMs: 0 };
  const fixture = new UpstreamFixture(specs("a b"), {
    pool,
    retries: 0,
    outlier: { failures: 1, ejectionMs: 1000, maxEjected: 1 },
  });
  const search = () => fixture.upstream.search({ connectMs: 100 }).run();
  const first = search();
  (await fixture.dialler.call(0)).accept();
  const waits = assertRejects(search, ConnectFailedError, "none became free");
  await settle();
  await fixture.clock.advanceAsync(300);
  await waits;
  const [a] = fixture.upstream.backends;
  assertEquals([a!.failures, a!.ejected], [1, false]);
  (await first).discard();
  await fixture.upstream.close();
});

Deno.test("a backend that goes down while it is dialled is passed by", async () => {
  const fixture = new HealthFixture("a b");
  await settle();
  assertEquals(fixture.states, "a up, b up");
  const run = fixture.upstream.search({ connectMs: 100_000 }).run();
  const dialling = await fixture.dialler.call(0);
  fixture.say("a", "bad");
  for (let i = 0; i < HEALTH.fall; i++) await fixture.checked(1);
  assertEquals(fixture.states, "a down, b up");
  dialling.accept();
  (await fixture.dialler.call(1)).accept();
  const found = await run;
  assertEquals([found.backend.key, fixture.dialler.dialled[0]!.closed], ["b:1", true]);
  found.discard();
  await fixture.upstream.close();
});
