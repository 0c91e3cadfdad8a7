import { assertEquals } from "@std/assert";
import type { Reach } from "../../../src/app/upstreams/managed_upstream.ts";
import type { HealthOptions } from "../../../src/upstream/check/options.ts";
import { ScriptedDialler } from "../../support/scripted_dialler.ts";
import { settle } from "../../support/settle.ts";
import { config, ManagedFixture, PLAIN, tlsBy } from "./managed_fixture.ts";

const POOL = { maxIdle: 1, minIdle: 1, maxOpen: 0, idleTimeoutMs: 0 };
const HEALTH: HealthOptions = { type: "tls", intervalMs: 1000, timeoutMs: 500, rise: 1, fall: 1 };

function by(dialler: ScriptedDialler): Reach {
  return { ...PLAIN, connectTls: tlsBy(dialler) };
}

Deno.test("pools follow TLS that comes, changes and goes: what was dialled the other way ends", async () => {
  const fixture = new ManagedFixture(config("a", { pool: POOL }));
  const [one, two] = [new ScriptedDialler(), new ScriptedDialler()];
  const turns: [ScriptedDialler, Reach][] = [
    [fixture.dialler, PLAIN],
    [one, by(one)],
    [two, by(two)],
    [fixture.dialler, PLAIN],
  ];
  const all = [fixture.dialler, one, two];
  for (const [index, [dialler, reach]] of turns.entries()) {
    if (index > 0) fixture.update(config("a", { pool: POOL }), reach);
    await settle();
    dialler.open[0]!.accept();
    await settle();
    assertEquals(all.map(({ unclosed }) => unclosed), all.map((each) => each === dialler ? 1 : 0));
  }
  fixture.update(config("a", { pool: POOL }), PLAIN);
  assertEquals(fixture.dialler.unclosed, 1); // The same way: it stays.
  await fixture.end();
  assertEquals([one.unclosed, two.unclosed], [0, 0]);
});

Deno.test("TLS that is made anew of the same keeps what was dialled, and of something else it does not", async () => {
  const [one, two, three] = [new ScriptedDialler(), new ScriptedDialler(), new ScriptedDialler()];
  const fixture = new ManagedFixture(config("a", { pool: POOL }), { ...by(one), fingerprint: "ca" });
  one.open[0]!.accept();
  await settle();
  fixture.update(config("a", { pool: POOL }), { ...by(two), fingerprint: "ca" });
  await settle();
  assertEquals([one.unclosed, one.calls.length, two.calls.length], [1, 1, 0]);
  fixture.update(config("a", { pool: POOL }), { ...by(three), fingerprint: "another ca" });
  await settle();
  assertEquals([one.unclosed, one.calls.length, two.calls.length, three.open.length], [0, 1, 0, 1]);
  three.open[0]!.refuse();
  await fixture.end();
});

Deno.test("a dial that began in plain is of no use once TLS is spoken", async () => {
  const fixture = new ManagedFixture(config("a", { pool: POOL }));
  const tls = new ScriptedDialler();
  const began = fixture.dialler.open[0]!;
  fixture.update(config("a", { pool: POOL }), by(tls));
  began.accept();
  await settle();
  assertEquals([fixture.dialler.unclosed, tls.open.length], [0, 1]);
  tls.open[0]!.accept();
  await settle();
  assertEquals([tls.unclosed, fixture.dialler.calls.length], [1, 1]);
  await fixture.end();
  assertEquals(tls.unclosed, 0);
});

Deno.test("a backend that comes with TLS is never dialled in plain", async () => {
  const fixture = new ManagedFixture(config("a", { pool: POOL }));
  const tls = new ScriptedDialler();
  fixture.update(config("a b", { pool: POOL }), by(tls));
  await settle();
  assertEquals(fixture.dialler.calls.map(({ to }) => to), ["a:1"]);
  fixture.update(config("b c", { pool: POOL }), by(tls));
  await settle();
  assertEquals([...new Set(tls.calls.map(({ to }) => to))].toSorted(), ["b:1", "c:1"]);
  await fixture.end();
});

Deno.test("checks by tls are made the way that holds", async () => {
  const [one, two] = [new ScriptedDialler(), new ScriptedDialler()];
  const fixture = new ManagedFixture(config("a", { health: HEALTH }), by(one));
  await fixture.clock.advanceAsync(1000);
  assertEquals([one.calls.length > 0, two.calls.length], [true, 0]);
  fixture.update(config("a", { health: HEALTH }), by(two));
  for (const call of one.open) call.refuse();
  await settle();
  const before = one.calls.length;
  await fixture.clock.advanceAsync(2000);
  assertEquals([one.calls.length, two.calls.length > 0], [before, true]);
  for (const call of two.open) call.refuse();
  await settle();
  const [backend] = fixture.managed.upstream.backends;
  assertEquals([backend!.state, fixture.dialler.calls.length], ["down", 0]);
  fixture.update(config("a"), PLAIN);
  assertEquals(backend!.state, "up"); // Nobody looks any more.
  await fixture.end();
});

Deno.test("checks by script follow the upstream's TLS", async () => {
  const health: HealthOptions = { ...HEALTH, type: "script", script: [{ expect: "ok" }] };
  const tls = new ScriptedDialler();
  const fixture = new ManagedFixture(config("a", { health }));
  await fixture.clock.advanceAsync(1000);
  for (const call of fixture.dialler.open) call.refuse();
  await settle();
  const plain = fixture.dialler.calls.length;
  fixture.update(config("a", { health }), by(tls));
  await fixture.clock.advanceAsync(2000);
  assertEquals([plain > 0, fixture.dialler.calls.length, tls.calls.length > 0], [true, plain, true]);
  await fixture.end();
});
