import { assertEquals, assertStrictEquals } from "@std/assert";
import { TimerWheel } from "../../src/core/timer_wheel.ts";
import type { UpstreamSnapshot } from "../../src/dataplane/snapshot.ts";
import { Upstreams } from "../../src/dataplane/upstreams.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import { tlsBy, tlsOf } from "../app/upstreams/managed_fixture.ts";
import { FakeClock } from "../core/fake_clock.ts";
import { RecordingLog } from "../support/recording_log.ts";
import { ScriptedDialler } from "../support/scripted_dialler.ts";
import { settle } from "../support/settle.ts";
import { specs, upstreamOptions } from "../upstream/upstream_fixture.ts";

const POOL = { maxIdle: 1, minIdle: 1, maxOpen: 0, idleTimeoutMs: 0 };

/** One upstream that dials ahead; the TLS of each name is dialled by a dialler of its own. */
class Fixture {
  readonly plain = new ScriptedDialler();
  readonly diallers = { one: new ScriptedDialler(), two: new ScriptedDialler() };
  readonly upstreams: Upstreams;
  readonly #clock = new FakeClock();

  constructor() {
    this.upstreams = new Upstreams({
      wheel: new TimerWheel({ clock: this.#clock }),
      buffers: new BufferPool(),
      log: new RecordingLog(),
      dial: this.plain.dial,
      refusal: () => undefined,
      onShortage: () => {},
      buildConnector: tlsBy(this.diallers),
    });
  }

  async change(hosts: string, serverName?: "one" | "two"): Promise<void> {
    using plan = await this.upstreams.prepare([snapshot(hosts, serverName)]);
    plan.commit();
    await settle();
  }

  async end(): Promise<void> {
    await this.upstreams.close();
    const { one, two } = this.diallers;
    assertEquals([this.plain, one, two].map(({ unclosed }) => unclosed), [0, 0, 0]);
    assertEquals(this.#clock.pending, 0);
  }
}

function snapshot(hosts: string, serverName?: string): UpstreamSnapshot {
  const tls = serverName === undefined ? undefined : tlsOf(serverName);
  return { ...upstreamOptions(specs(hosts)), pool: POOL, externalHealth: false, tls };
}

Deno.test("pools follow TLS that is added, changed and removed: what was dialled the other way is closed", async () => {
  const fixture = new Fixture();
  const { plain, diallers: { one, two } } = fixture;
  const all = [plain, one, two];
  for (const [dialler, name] of [[plain], [one, "one"], [two, "two"], [plain]] as const) {
    await fixture.change("a", name);
    dialler.open[0]!.accept();
    await settle();
    assertEquals(all.map(({ unclosed }) => unclosed), all.map((each) => each === dialler ? 1 : 0));
  }
  await fixture.change("a");
  assertEquals(plain.unclosed, 1); // The same way: it stays.
  await fixture.end();
});

Deno.test("connections dialled by the same credentials are kept, and by others they are not", async () => {
  const fixture = new Fixture();
  const { one, two } = fixture.diallers;
  await fixture.change("a", "one");
  one.open[0]!.accept();
  await settle();
  await fixture.change("a", "one");
  assertEquals([one.unclosed, one.calls.length], [1, 1]);
  await fixture.change("a", "two");
  assertEquals([one.unclosed, one.calls.length, two.open.length], [0, 1, 1]);
  two.open[0]!.refuse();
  await fixture.end();
});

Deno.test("a dial that began in plain is not used once TLS is spoken", async () => {
  const fixture = new Fixture();
  const { one } = fixture.diallers;
  await fixture.change("a");
  const began = fixture.plain.open[0]!;
  await fixture.change("a", "one");
  began.accept();
  await settle();
  assertEquals([fixture.plain.unclosed, one.open.length], [0, 1]);
  one.open[0]!.accept();
  await settle();
  assertEquals([one.unclosed, fixture.plain.calls.length], [1, 1]);
  await fixture.end();
});

Deno.test("a backend that is added together with TLS is never dialled in plain", async () => {
  const fixture = new Fixture();
  await fixture.change("a");
  await fixture.change("a b", "one");
  assertEquals(fixture.plain.calls.map(({ to }) => to), ["a:1"]);
  await fixture.change("b c", "one");
  const asked = new Set(fixture.diallers.one.calls.map(({ to }) => to));
  assertEquals([...asked].filter((to) => to !== "a:1").toSorted(), ["b:1", "c:1"]);
  await fixture.end();
});

Deno.test("a plan that is not committed changes nothing, and sets that came meanwhile win", async () => {
  const fixture = new Fixture();
  await fixture.change("a");
  const [upstream] = fixture.upstreams.all;
  {
    using _plan = await fixture.upstreams.prepare([snapshot("b", "one")]);
  }
  assertEquals(upstream!.backends.map(({ key }) => key), ["a:1"]);
  using plan = await fixture.upstreams.prepare([snapshot("b")]);
  plan.commit(new Map([["db", specs("c")]]));
  assertStrictEquals(fixture.upstreams.get("db"), upstream);
  assertEquals(upstream!.backends.map(({ key }) => key), ["c:1"]);
  await fixture.end();
});
