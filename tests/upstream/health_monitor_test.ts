import { assertEquals, assertStrictEquals } from "@std/assert";
import { TimerWheel } from "../../src/core/timer_wheel.ts";
import { Backend } from "../../src/upstream/backend.ts";
import type { HealthOptions } from "../../src/upstream/check/options.ts";
import { CheckScheduler } from "../../src/upstream/check/scheduler.ts";
import { HealthMonitor } from "../../src/upstream/health_monitor.ts";
import { ConnectionPool } from "../../src/upstream/pool/pool.ts";
import { FakeClock } from "../core/fake_clock.ts";
import { RecordingLog } from "../support/recording_log.ts";
import { settle } from "../support/settle.ts";
import { HEALTH, ScriptedCheck, spec } from "./health_fixture.ts";

/** A monitor in fake time, with backends `a` and `b`. */
class MonitorFixture {
  readonly clock = new FakeClock();
  readonly wheel = new TimerWheel({ clock: this.clock });
  readonly scheduler = new CheckScheduler({ wheel: this.wheel, random: () => 0 });
  readonly log = new RecordingLog();
  readonly says = new Map<string, "bad" | "hangs" | "short">();
  /** What the upstream would be told: `a down`. */
  readonly told: string[] = [];
  readonly monitor: HealthMonitor<Backend>;
  readonly a = backend("a");
  readonly b = backend("b");

  constructor() {
    const tell = (what: string) => ({ key, state }: Backend) => this.told.push(`${key[0]} ${what} ${state}`);
    this.monitor = new HealthMonitor({
      upstream: "db",
      scheduler: this.scheduler,
      log: this.log,
      onDown: tell("fell:"),
      onUp: tell("rose:"),
    });
  }

  /** Has the backends checked with a check of its own, which it returns. */
  configure(options: Partial<HealthOptions> = {}): ScriptedCheck {
    const check = new ScriptedCheck(this.says);
    this.monitor.configure({ ...HEALTH, ...options }, check);
    return check;
  }

  /** One interval passes for each sign, with checks of `a` that end so: `+-`. Returns its states. */
  async course(signs: string): Promise<string> {
    let states = "";
    for (const sign of signs) {
      if (sign === "+") this.says.delete("a");
      else this.says.set("a", "bad");
      await this.clock.advanceAsync(1000);
      await settle();
      states += this.a.state[0];
    }
    return states;
  }

  async end(): Promise<void> {
    this.monitor.forget(this.a);
    this.monitor.forget(this.b);
    this.monitor.configure(undefined, undefined);
    await settle();
    assertEquals([this.scheduler.size, this.scheduler.underWay], [0, 0]);
    assertEquals([this.wheel.size, this.clock.pending], [0, 0]);
  }
}

function backend(host: string): Backend {
  return new Backend(spec(host), {
    createPool: () => new ConnectionPool({ dial: () => new Promise(() => {}) }),
  });
}

Deno.test("a backend is unknown from when it is watched to the end of its first check, and takes connections", async () => {
  const fixture = new MonitorFixture();
  fixture.configure();
  assertEquals(fixture.a.state, "up"); // As it is not checked.
  fixture.monitor.watch(fixture.a);
  assertEquals([fixture.a.state, fixture.a.available], ["unknown", true]);
  await settle();
  assertEquals([fixture.a.state, fixture.a.available], ["up", true]);
  assertEquals([fixture.told, fixture.log.lines], [[], []]); // That was to be expected.
  await fixture.end();
});

Deno.test("a first check that fails marks the backend down, and is logged", async () => {
  const fixture = new MonitorFixture();
  fixture.says.set("a", "bad");
  fixture.configure();
  fixture.monitor.watch(fixture.a);
  await settle();
  assertEquals([fixture.a.state, fixture.a.down, fixture.a.available], ["down", true, false]);
  assertEquals([fixture.told, fixture.a.health.flips], [["a fell: down"], 0]);
  const { at } = fixture.a.health.lastBad!;
  assertEquals(fixture.log.lines, [{
    level: "warn",
    message: "backend is down",
    fields: {
      upstream: "db",
      backend: "a:1",
      why: "answered 503, expected 200-399",
      last_good: undefined,
      last_bad: new Date(at).toISOString(),
    },
  }]);
  await fixture.end();
});

Deno.test("every change is logged with its reason and the last good and bad check, and counted", async () => {
  const fixture = new MonitorFixture();
  fixture.configure({ fall: 3 });
  fixture.monitor.watch(fixture.a);
  await settle();
  assertEquals(await fixture.course("--+---+-++"), "uuuuuddddu");
  assertEquals(fixture.told, ["a fell: down", "a rose: up"]);
  assertEquals(fixture.a.health.flips, 2);
  const { lastGood, lastBad } = fixture.a.health;
  const lines = fixture.log.lines.map(({ level, message, fields }) => [level, message, fields.why]);
  assertEquals(lines, [
    ["warn", "backend is down", "answered 503, expected 200-399"],
    ["info", "backend is up", "connected"],
  ]);
  const [down, up] = fixture.log.lines.map(({ fields }) => fields);
  assertEquals(up!.last_good, new Date(lastGood!.at).toISOString());
  assertEquals(up!.last_bad, new Date(lastBad!.at).toISOString());
  assertEquals([typeof down!.last_good, typeof down!.last_bad], ["string", "string"]);
  await fixture.end();
});

Deno.test("a check without a file descriptor does not change the health, and is logged once a minute", async () => {
  const fixture = new MonitorFixture();
  fixture.configure({ fall: 2 });
  fixture.monitor.watch(fixture.a);
  await settle();
  fixture.says.set("a", "short");
  for (let i = 0; i < 5; i++) await fixture.clock.advanceAsync(1000);
  await settle();
  assertEquals([fixture.a.state, fixture.told, fixture.a.health.lastBad], ["up", [], undefined]);
  assertEquals(fixture.log.lines.map(({ level, message, fields }) => [level, message, fields]), [
    ["warn", "cannot run health checks", { upstream: "db", error: "Too many open files" }],
  ]);
  await fixture.end();
});

Deno.test("a check that hangs is a bad one, with its time as the reason", async () => {
  const fixture = new MonitorFixture();
  fixture.says.set("a", "hangs");
  const check = fixture.configure();
  fixture.monitor.watch(fixture.a);
  await fixture.clock.advanceAsync(400);
  assertEquals(fixture.a.state, "unknown");
  await fixture.clock.advanceAsync(100);
  await settle();
  assertEquals([fixture.a.state, fixture.log.lines[0]!.fields.why], ["down", "no result within 500ms"]);
  assertEquals(check.givenUp, ["check_timeout"]);
  await fixture.end();
});

Deno.test("each backend is judged by its own checks", async () => {
  const fixture = new MonitorFixture();
  fixture.says.set("b", "bad");
  const check = fixture.configure();
  fixture.monitor.watch(fixture.a);
  fixture.monitor.watch(fixture.b);
  await settle();
  assertEquals([fixture.a.state, fixture.b.state, check.looked.join(" ")], ["up", "down", "a b"]);
  await fixture.end();
});

Deno.test("one that is forgotten is not checked, and what was under way makes no difference", async () => {
  const fixture = new MonitorFixture();
  const check = fixture.configure();
  fixture.monitor.watch(fixture.a);
  await settle();
  fixture.says.set("a", "hangs");
  await fixture.clock.advanceAsync(1000);
  assertEquals(fixture.scheduler.underWay, 1);
  fixture.monitor.forget(fixture.a);
  await fixture.clock.advanceAsync(5000);
  assertEquals([fixture.a.state, check.givenUp, check.looked.length], ["up", ["check_removed"], 2]);
  assertEquals([fixture.scheduler.size, fixture.scheduler.underWay, fixture.wheel.size], [0, 0, 0]);
  await fixture.end();
});

Deno.test("without checks no backend is down, and the health is unknown", async () => {
  const fixture = new MonitorFixture();
  fixture.says.set("a", "bad");
  const check = fixture.configure();
  fixture.monitor.watch(fixture.a);
  await settle();
  assertEquals(fixture.a.state, "down");
  fixture.monitor.configure(undefined, undefined);
  assertEquals([fixture.a.state, fixture.a.health.state, fixture.a.health.last], [
    "up",
    "unknown",
    undefined,
  ]);
  assertEquals([check.closed, fixture.scheduler.size, fixture.wheel.size], [1, 0, 0]);
  await fixture.clock.advanceAsync(5000);
  assertEquals([check.looked.length, fixture.a.state], [1, "up"]);
  await fixture.end();
});

Deno.test("switched on again, all are checked at once, and what was known before is of no account", async () => {
  const fixture = new MonitorFixture();
  fixture.says.set("a", "bad");
  fixture.configure();
  fixture.monitor.watch(fixture.a);
  fixture.monitor.watch(fixture.b);
  await settle();
  fixture.monitor.configure(undefined, undefined);
  fixture.says.delete("a");
  const check = fixture.configure();
  assertEquals([fixture.a.state, fixture.b.state, check.looked.join(" ")], ["unknown", "unknown", "a b"]);
  await settle();
  assertEquals([fixture.a.state, fixture.b.state], ["up", "up"]);
  await fixture.end();
});

Deno.test("those that are watched before there are checks are checked as soon as there are", async () => {
  const fixture = new MonitorFixture();
  fixture.monitor.watch(fixture.a);
  assertEquals([fixture.a.state, fixture.scheduler.size], ["up", 0]);
  fixture.says.set("a", "bad");
  fixture.monitor.watch(fixture.b);
  fixture.monitor.forget(fixture.b);
  const check = fixture.configure();
  await settle();
  assertEquals([fixture.a.state, check.looked.join(" ")], ["down", "a"]);
  await fixture.end();
});

Deno.test("other options: the old check is closed once, and what was known stays under the new rules", async () => {
  const fixture = new MonitorFixture();
  fixture.says.set("a", "bad");
  const first = fixture.configure();
  fixture.monitor.watch(fixture.a);
  await settle();
  fixture.says.delete("a");
  const second = fixture.configure({ rise: 3, intervalMs: 2000 });
  assertEquals([first.closed, second.closed, fixture.a.state], [1, 0, "down"]);
  await settle();
  await fixture.clock.advanceAsync(3900);
  assertEquals([fixture.a.state, second.looked.length], ["down", 2]);
  await fixture.clock.advanceAsync(100);
  await settle();
  assertEquals([fixture.a.state, second.looked.length, first.looked.length], ["up", 3, 1]);
  await fixture.end();
});

Deno.test("checks under way are given up before their check is closed, and count for nothing", async () => {
  const fixture = new MonitorFixture();
  fixture.says.set("a", "hangs");
  const events: string[] = [];
  const first = fixture.configure();
  fixture.monitor.watch(fixture.a);
  const close = first.close.bind(first);
  first.close = () => {
    events.push(...first.givenUp.map(String), "closed");
    close();
  };
  fixture.says.clear();
  fixture.configure();
  await settle();
  assertEquals([events, fixture.a.state, fixture.a.health.lastBad], [
    ["check_removed", "closed"],
    "up",
    undefined,
  ]);
  await fixture.end();
});

Deno.test("a check that fails because it is closed marks no backend down", async () => {
  const fixture = new MonitorFixture();
  const closing = Promise.withResolvers<never>();
  fixture.monitor.configure({ ...HEALTH }, {
    run: () => closing.promise,
    close: () => closing.reject(new Error("closed")),
  });
  fixture.monitor.watch(fixture.a);
  fixture.monitor.configure(undefined, undefined);
  await settle();
  assertEquals([fixture.a.state, fixture.log.lines], ["up", []]);
  await fixture.end();
});

Deno.test("health that stays is the same object, with its row unbroken", async () => {
  const fixture = new MonitorFixture();
  fixture.configure({ fall: 3 });
  fixture.monitor.watch(fixture.a);
  await settle();
  const { health } = fixture.a;
  assertEquals(await fixture.course("--"), "uu");
  fixture.says.set("a", "bad");
  fixture.configure({ fall: 3 });
  await settle(); // The third in a row.
  assertStrictEquals(fixture.a.health, health);
  assertEquals(fixture.a.state, "down");
  await fixture.end();
});
