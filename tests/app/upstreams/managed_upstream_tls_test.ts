import { assertEquals } from "@std/assert";
import type { HealthOptions } from "../../../src/upstream/check/options.ts";
import { ScriptedDialler } from "../../support/scripted_dialler.ts";
import { settle } from "../../support/settle.ts";
import { config, ManagedFixture, tlsOf } from "./managed_fixture.ts";

const HEALTH: HealthOptions = { type: "tls", intervalMs: 1000, timeoutMs: 500, rise: 1, fall: 1 };

Deno.test("checks by tls use the current credentials", async () => {
  const diallers = { one: new ScriptedDialler(), two: new ScriptedDialler() };
  const { one, two } = diallers;
  const fixture = new ManagedFixture(config("a", { health: HEALTH }), {
    credentials: { tls: tlsOf("one") },
    diallers,
  });
  await fixture.clock.advanceAsync(1000);
  assertEquals([one.calls.length > 0, two.calls.length], [true, 0]);
  fixture.update(config("a", { health: HEALTH }), { tls: tlsOf("two") });
  for (const call of one.open) call.refuse();
  await settle();
  const before = one.calls.length;
  await fixture.clock.advanceAsync(2000);
  assertEquals([one.calls.length, two.calls.length > 0], [before, true]);
  for (const call of two.open) call.refuse();
  await settle();
  const [backend] = fixture.upstream.backends;
  assertEquals([backend!.state, fixture.dialler.calls.length], ["down", 0]);
  fixture.update(config("a"));
  assertEquals(backend!.state, "up"); // There are no checks any more.
  await fixture.end();
});

Deno.test("checks by script follow the upstream's TLS", async () => {
  const health: HealthOptions = { ...HEALTH, type: "script", script: [{ expect: "ok" }] };
  const tls = new ScriptedDialler();
  const fixture = new ManagedFixture(config("a", { health }), { diallers: { tls } });
  await fixture.clock.advanceAsync(1000);
  for (const call of fixture.dialler.open) call.refuse();
  await settle();
  const plain = fixture.dialler.calls.length;
  fixture.update(config("a", { health }), { tls: tlsOf("tls") });
  await fixture.clock.advanceAsync(2000);
  assertEquals([plain > 0, fixture.dialler.calls.length, tls.calls.length > 0], [true, plain, true]);
  await fixture.end();
});
