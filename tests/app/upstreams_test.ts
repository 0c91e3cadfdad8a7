import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { NO_MATERIALS } from "../../src/app/materials.ts";
import { Upstreams } from "../../src/app/upstreams.ts";
import type { UpstreamConfig } from "../../src/config/config.ts";
import { TimerWheel } from "../../src/core/timer_wheel.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import { HalfOpenChecker } from "../../src/upstream/check/half_open_checker.ts";
import { HalfOpenPermissionError } from "../../src/upstream/check/half_open_errors.ts";
import { FakeClock } from "../core/fake_clock.ts";
import { RecordingLog } from "../support/recording_log.ts";
import { ScriptedDialler } from "../support/scripted_dialler.ts";
import { settle } from "../support/settle.ts";
import { AppFixture, configText } from "./app_fixture.ts";
import { config } from "./managed_fixture.ts";

const HALF_OPEN = { type: "half-open", intervalMs: 1000, timeoutMs: 500, rise: 1, fall: 1 } as const;

/** A checker that opens nothing, and says what is done with it. */
class FakeChecker extends HalfOpenChecker {
  readonly done: string[] = [];
  /** Whom it was asked to check. */
  readonly checked: string[] = [];

  override start(): void {
    this.done.push("start");
  }

  override checkAddress(address: Parameters<HalfOpenChecker["checkAddress"]>[0]): Promise<void> {
    this.checked.push(address.kind === "tcp" ? address.host : address.path);
    return Promise.resolve();
  }

  override close(): Promise<void> {
    this.done.push("close");
    return Promise.resolve();
  }
}

/** Upstreams in fake time, with the checkers that they have made. */
function setUp() {
  const clock = new FakeClock();
  const checkers: FakeChecker[] = [];
  const upstreams = new Upstreams({
    clock,
    wheel: new TimerWheel({ clock }),
    buffers: new BufferPool(),
    log: new RecordingLog(),
    dial: new ScriptedDialler().dial,
    makeHalfOpen: () => {
      const checker = new FakeChecker();
      checkers.push(checker);
      return checker;
    },
  });
  const apply = (configs: Record<string, UpstreamConfig>) => {
    const byName = new Map(Object.entries(configs).map(([name, each]) => [name, { ...each, name }]));
    upstreams.prepare(byName);
    return upstreams.update(byName, NO_MATERIALS);
  };
  return { clock, checkers, upstreams, apply };
}

Deno.test("upstreams are kept by their names, in the order of the configuration", async () => {
  const { clock, upstreams, apply } = setUp();
  apply({ a: config("x"), b: config("y") });
  const [a, b] = upstreams.all;
  const left = apply({ c: config("z"), b: config("y w") });
  assertEquals(upstreams.all.map(({ upstream }) => upstream.name), ["c", "b"]);
  assertEquals([upstreams.get("b") === b, upstreams.get("a"), left], [true, undefined, [a!]]);
  assertEquals(b!.upstream.backends.length, 2);
  await Promise.all([upstreams.close(), ...left.map((each) => each.close())]);
  assertEquals(clock.pending, 0);
});

Deno.test("one checker makes the half-open checks of all upstreams, from the first need to the end", async () => {
  const { clock, checkers, upstreams, apply } = setUp();
  apply({ a: config("x") });
  assertEquals(checkers.length, 0);
  const both = { a: config("x", { health: HALF_OPEN }), b: config("y", { health: HALF_OPEN }) };
  for (let i = 0; i < 3; i++) apply(both);
  await clock.advanceAsync(2000);
  assertEquals(checkers.map(({ done }) => done), [["start"]]);
  assertEquals([...new Set(checkers[0]!.checked)].toSorted(), ["x", "y"]);
  assertEquals(upstreams.all.map(({ upstream }) => upstream.backends[0]!.state), ["up", "up"]);
  // Nobody needs it any more, but it goes with the rest.
  await Promise.all(apply({ a: config("x") }).map((left) => left.close()));
  apply(both);
  assertEquals(checkers.map(({ done }) => done), [["start"]]);
  await upstreams.close();
  await settle(); // For the checks that were under way.
  assertEquals([checkers.length, checkers[0]!.done, clock.pending], [1, ["start", "close"], 0]);
});

Deno.test("a configuration that comes after the end starts no checker", async () => {
  const { checkers, upstreams } = setUp();
  await upstreams.close();
  upstreams.prepare(new Map([["a", config("x", { health: HALF_OPEN })]]));
  assertEquals(checkers, []);
});

Deno.test("a checker that can't be started is told before anything changes, and tried again", async () => {
  let broken = true;
  const { checkers, upstreams, apply } = setUp();
  apply({ a: config("x") });
  const start = FakeChecker.prototype.start;
  FakeChecker.prototype.start = function () {
    if (broken) throw new HalfOpenPermissionError(["/lib/libc.so.6"]);
    start.call(this);
  };
  try {
    const next = { a: config("x y", { health: HALF_OPEN }), b: config("z") };
    assertThrows(() => apply(next), HalfOpenPermissionError, "--allow-ffi=/lib/libc.so.6");
    assertEquals(upstreams.all.map(({ upstream }) => upstream.backends.length), [1]);
    broken = false;
    apply(next);
    assertEquals(upstreams.all.map(({ upstream }) => upstream.backends.length), [2, 1]);
    assertEquals(checkers.map(({ done }) => done), [[], ["start"]]);
  } finally {
    FakeChecker.prototype.start = start;
    await upstreams.close();
  }
});

Deno.test({
  name: "without the permission for half-open checks a reload is refused, and binds and changes nothing",
  ignore: Deno.build.os !== "linux",
  permissions: { net: true, read: true, ffi: false },
  fn: async () => {
    const fixture = new AppFixture();
    const listen = ["127.0.0.1:0"];
    const services = { web: { listen, upstream: "app" } };
    await fixture.apply(configText({ upstreams: { app: ["a"] }, services }));
    const more = { ...services, more: { listen, upstream: "app" } };
    const policy = { health: { type: "half-open" } };
    const error = await assertRejects(
      () => fixture.apply(configText({ upstreams: { app: ["b"] }, services: more, policy })),
      HalfOpenPermissionError,
    );
    assertEquals(error.code, "half_open_permission");
    const { upstreams, services: running } = fixture.app;
    assertEquals(upstreams.map(({ upstream }) => upstream.backends[0]!.key), ["a:1"]);
    assertEquals(running.map(({ name }) => name), ["web"]);
    const listening = fixture.log.messages.filter((message) => message === "listening");
    assertEquals(listening.length, 1);
    await fixture.end();
  },
});
