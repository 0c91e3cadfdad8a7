import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { NO_CREDENTIALS } from "../../../src/app/credentials/credentials.ts";
import { Upstreams } from "../../../src/app/upstreams/upstreams.ts";
import type { UpstreamConfig } from "../../../src/config/config.ts";
import { TimerWheel } from "../../../src/core/timer_wheel.ts";
import { BufferPool } from "../../../src/net/buffers.ts";
import { HalfOpenChecker } from "../../../src/upstream/check/half_open/checker.ts";
import { HalfOpenPermissionError } from "../../../src/upstream/check/half_open/errors.ts";
import { FakeClock } from "../../core/fake_clock.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { ScriptedDialler } from "../../support/scripted_dialler.ts";
import { settle } from "../../support/settle.ts";
import { AppFixture, configText } from "../control/app_fixture.ts";
import { specs } from "../../upstream/upstream_fixture.ts";
import { config, from } from "./managed_fixture.ts";

const HALF_OPEN = { type: "half-open", intervalMs: 1000, timeoutMs: 500, rise: 1, fall: 1 } as const;

const tcp = (index: number) => ({ kind: "tcp", host: `host${index}`, port: 1 }) as const;

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
    try {
      upstreams.prepare(byName, NO_CREDENTIALS);
      return upstreams.update(byName, NO_CREDENTIALS);
    } finally {
      upstreams.settle();
    }
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
  await upstreams.closeLeft(left);
  assertEquals(a!.upstream.backends, []);
  await upstreams.close();
  assertEquals(clock.pending, 0);
});

Deno.test("one checker makes the half-open checks of all upstreams, from the first need to the last", async () => {
  const { clock, checkers, upstreams, apply } = setUp();
  apply({ a: config("x") });
  assertEquals(checkers.length, 0);
  const both = { a: config("x", { health: HALF_OPEN }), b: config("y", { health: HALF_OPEN }) };
  for (let i = 0; i < 3; i++) apply(both);
  await clock.advanceAsync(2000);
  assertEquals(checkers.map(({ done }) => done), [["start"]]);
  assertEquals([...new Set(checkers[0]!.checked)].toSorted(), ["x", "y"]);
  assertEquals(upstreams.all.map(({ upstream }) => upstream.backends[0]!.state), ["up", "up"]);
  const left = apply({ a: config("x") });
  assertEquals(checkers.map(({ done }) => done), [["start"]]); // `b` has left, but its connections may live.
  const before = checkers[0]!.checked.length;
  await clock.advanceAsync(2000);
  assertEquals([...new Set(checkers[0]!.checked.slice(before))], ["y"]);
  await upstreams.closeLeft(left);
  assertEquals(checkers.map(({ done }) => done), [["start", "close"]]); // Nobody needs it any more.
  apply(both);
  assertEquals(checkers.map(({ done }) => done), [["start", "close"], ["start"]]);
  await upstreams.close();
  await settle(); // For the checks that were under way.
  assertEquals([checkers.at(-1)!.done, clock.pending], [["start", "close"], 0]);
});

Deno.test("a configuration that comes after the end starts no checker", async () => {
  const { checkers, upstreams } = setUp();
  await upstreams.close();
  upstreams.prepare(new Map([["a", config("x", { health: HALF_OPEN })]]), NO_CREDENTIALS);
  assertEquals(checkers, []);
});

Deno.test("a checker that was started for nothing is closed, and not while it may still be needed", async () => {
  const { checkers, upstreams, apply } = setUp();
  apply({ a: config("x", { health: HALF_OPEN }) });
  const left = apply({ b: config("y") });
  const next = new Map([["b", config("y", { health: HALF_OPEN })]]);
  upstreams.prepare(next, NO_CREDENTIALS);
  await upstreams.closeLeft(left);
  assertEquals(checkers.map(({ done }) => done), [["start"]]); // As `next` is about to need it.
  upstreams.settle(); // It has been refused, for another reason.
  assertEquals(checkers.map(({ done }) => done), [["start", "close"]]);
  await upstreams.close();
});

Deno.test("what can't be made is told before anything changes, whatever comes before it", async () => {
  const { checkers, upstreams, apply } = setUp();
  apply({ a: config("x") });
  const http = { ...HALF_OPEN, type: "http", http: { method: "HEAD", body: "ok" } } as const;
  const many = Array.from({ length: 65_537 }, (_, index) => ({ ...specs("x")[0]!, address: tcp(index) }));
  const bad: UpstreamConfig[] = [
    config("x", { health: http }),
    { ...config(""), backends: many, discover: from("one") },
    config("x", { discover: { dns: { name: "db", type: "A", intervalMs: 1000 }, keepOnEmpty: false } }),
  ];
  for (const [index, code] of ["bad_check", "too_many_backends", "bad_source"].entries()) {
    const next = { fresh: config("z", { health: HALF_OPEN }), a: config("x y"), bad: bad[index]! };
    const error = assertThrows(() => apply(next), CulvertError);
    assertEquals(error.code, code);
    assertEquals(upstreams.all.map(({ upstream }) => upstream.name), ["a"]);
    assertEquals(upstreams.get("a")!.upstream.backends.length, 1);
    assertEquals(checkers.map(({ done }) => done), Array(index + 1).fill(["start", "close"]));
  }
  await upstreams.close();
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
