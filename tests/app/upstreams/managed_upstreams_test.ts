import { assertEquals, assertRejects } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { NO_CREDENTIALS } from "../../../src/app/credentials/credentials.ts";
import { ManagedUpstreams } from "../../../src/app/upstreams/managed_upstreams.ts";
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
  /** The addresses that it was asked to check. */
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
  const told: string[][] = [];
  const upstreams = new ManagedUpstreams({
    clock,
    wheel: new TimerWheel({ clock }),
    buffers: new BufferPool(),
    log: new RecordingLog(),
    dial: new ScriptedDialler().dial,
    dataPlane: { setBackends: () => {}, setHealth: (name, states) => told.push([name, ...states.values()]) },
    makeHalfOpen: () => {
      const checker = new FakeChecker();
      checkers.push(checker);
      return checker;
    },
  });
  const prepare = (configs: Record<string, UpstreamConfig>) =>
    upstreams.prepare(
      new Map(Object.entries(configs).map(([name, each]) => [name, { ...each, name }])),
      NO_CREDENTIALS,
    );
  const apply = async (configs: Record<string, UpstreamConfig>) => {
    using plan = await prepare(configs);
    plan.commit();
  };
  return { clock, checkers, told, upstreams, prepare, apply };
}

Deno.test("upstreams are kept by their names, in the order of the configuration", async () => {
  const { clock, upstreams, apply } = setUp();
  await apply({ a: config("x"), b: config("y") });
  const [, b] = upstreams.all;
  await apply({ c: config("z"), b: config("y w") });
  assertEquals(upstreams.all.map(({ name }) => name), ["c", "b"]);
  assertEquals([upstreams.get("b") === b, upstreams.get("a")], [true, undefined]);
  assertEquals(b!.backends.length, 2);
  await upstreams.close();
  assertEquals(clock.pending, 0);
});

Deno.test("one checker makes the half-open checks of all upstreams, from the first need to the last", async () => {
  const { clock, checkers, told, upstreams, apply } = setUp();
  await apply({ a: config("x") });
  assertEquals(checkers.length, 0);
  const both = { a: config("x", { health: HALF_OPEN }), b: config("y", { health: HALF_OPEN }) };
  for (let i = 0; i < 3; i++) await apply(both);
  await clock.advanceAsync(2000);
  assertEquals(checkers.map(({ done }) => done), [["start"]]);
  assertEquals([...new Set(checkers[0]!.checked)].toSorted(), ["x", "y"]);
  assertEquals(told, [["a", "up"], ["b", "up"]]);
  await apply({ a: both.a });
  assertEquals(checkers.map(({ done }) => done), [["start"]]);
  const before = checkers[0]!.checked.length;
  await clock.advanceAsync(2000);
  assertEquals([...new Set(checkers[0]!.checked.slice(before))], ["x"]);
  await apply({ a: config("x") });
  assertEquals(checkers.map(({ done }) => done), [["start", "close"]]); // No upstream needs it.
  await apply(both);
  assertEquals(checkers.map(({ done }) => done), [["start", "close"], ["start"]]);
  await upstreams.close();
  await settle(); // For the checks that were under way.
  assertEquals([checkers.at(-1)!.done, clock.pending], [["start", "close"], 0]);
});

Deno.test("a configuration that comes after the end starts no checker", async () => {
  const { checkers, upstreams, prepare } = setUp();
  await upstreams.close();
  using _plan = await prepare({ a: config("x", { health: HALF_OPEN }) });
  assertEquals(checkers, []);
});

Deno.test("a checker that was started for a plan is closed with it, unless the plan is committed", async () => {
  const { checkers, upstreams, prepare } = setUp();
  {
    using _plan = await prepare({ a: config("x", { health: HALF_OPEN }) });
    assertEquals(checkers.map(({ done }) => done), [["start"]]);
  }
  assertEquals(checkers.map(({ done }) => done), [["start", "close"]]);
  {
    using plan = await prepare({ a: config("x", { health: HALF_OPEN }) });
    plan.commit();
  }
  assertEquals(checkers.map(({ done }) => done), [["start", "close"], ["start"]]);
  await upstreams.close();
});

Deno.test("what cannot be created is an error before anything changes, whatever comes before it", async () => {
  const { checkers, upstreams, apply } = setUp();
  await apply({ a: config("x") });
  const http = { ...HALF_OPEN, type: "http", http: { method: "HEAD", body: "ok" } } as const;
  const many = Array.from({ length: 65_537 }, (_, index) => ({ ...specs("x")[0]!, address: tcp(index) }));
  const bad: UpstreamConfig[] = [
    config("x", { health: http }),
    { ...config(""), backends: many, discover: from("one") },
    config("x", { discover: { dns: { name: "db", type: "A", intervalMs: 1000 }, keepOnEmpty: false } }),
  ];
  for (const [index, code] of ["bad_check", "too_many_backends", "bad_source"].entries()) {
    const next = { fresh: config("z", { health: HALF_OPEN }), a: config("x y"), bad: bad[index]! };
    const error = await assertRejects(() => apply(next), CulvertError);
    assertEquals(error.code, code);
    assertEquals(upstreams.all.map(({ name }) => name), ["a"]);
    assertEquals(upstreams.get("a")!.backends.length, 1);
    assertEquals(checkers.map(({ done }) => done), Array(index + 1).fill(["start", "close"]));
  }
  await upstreams.close();
});

Deno.test("a checker that can't be started is reported before anything changes, and tried again", async () => {
  let broken = true;
  const { checkers, upstreams, apply } = setUp();
  await apply({ a: config("x") });
  const start = FakeChecker.prototype.start;
  FakeChecker.prototype.start = function () {
    if (broken) throw new HalfOpenPermissionError(["/lib/libc.so.6"]);
    start.call(this);
  };
  try {
    const next = { a: config("x y", { health: HALF_OPEN }), b: config("z") };
    await assertRejects(() => apply(next), HalfOpenPermissionError, "--allow-ffi=/lib/libc.so.6");
    assertEquals(upstreams.all.map(({ backends }) => backends.length), [1]);
    broken = false;
    await apply(next);
    assertEquals(upstreams.all.map(({ backends }) => backends.length), [2, 1]);
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
    const running = await fixture.services();
    assertEquals(fixture.upstreamOf("app").backends.map(({ key }) => key), ["a:1"]);
    assertEquals(running.map(({ name }) => name), ["web"]);
    const listening = fixture.log.messages.filter((message) => message === "listening");
    assertEquals(listening.length, 1);
    await fixture.end();
  },
});
