import { assertEquals } from "@std/assert";
import { unreadiness } from "../../../src/app/admin/readiness.ts";
import type { ControlPlane } from "../../../src/app/control/control_plane.ts";
import { CrlSet } from "../../../src/tls/x509/crl/set.ts";
import { configText, gone } from "../control/app_fixture.ts";
import { ProgramFixture } from "./program_fixture.ts";
import { config, dns, from, ManagedFixture } from "../upstreams/managed_fixture.ts";

const LOCAL = "127.0.0.1:0";
const WEB = { web: { listen: [LOCAL], upstream: "app" } };
const CHECKED = { health: { type: "script", script: [{ expect: "ok" }], rise: 1, fall: 1, interval: "10s" } };
const AT = { at: 0, detail: "x" };
const RULES = { rise: 1, fall: 1 };

Deno.test("a program is ready from its first configuration until it is to stop", async () => {
  const fixture = new ProgramFixture();
  assertEquals(fixture.reasons(), ["the program is starting"]);
  await fixture.start(
    configText({ upstreams: { app: ["a"] }, services: WEB, timeouts: { drain: "5s" } }),
  );
  assertEquals(fixture.reasons(), []);
  const connected = await fixture.connect(fixture.port("web"));
  const drained = fixture.app.drain();
  assertEquals(fixture.reasons(), ["the program is draining"]);
  fixture.clock.advance(5200);
  await drained;
  await gone(connected);
  assertEquals(fixture.reasons()[0], "the program is stopped");
  await fixture.end();
});

Deno.test("backends that have not been checked yet are waited for until one has been found good", async () => {
  const fixture = new ProgramFixture();
  await fixture.start(configText({ upstreams: { app: ["a", "b", "c"] }, services: WEB, policy: CHECKED }));
  const { backends } = fixture.app.upstream("app")!.upstream;
  const checked = (index: number, ok: boolean) => {
    backends[index]!.health.observe({ ...AT, ok }, RULES);
    backends[index]!.followHealth(true);
  };
  assertEquals(fixture.reasons(), ["upstream app: 3 backends have not been checked yet"]);
  checked(0, false);
  assertEquals(fixture.reasons(), ["upstream app: 2 backends have not been checked yet"]);
  checked(1, true);
  assertEquals(fixture.reasons(), []); // One is enough, and it may be full.
  backends[1]!.configure({ ...backends[1]!.spec, maxConnections: 1 });
  backends[1]!.acquire();
  assertEquals(fixture.reasons(), []);
  checked(1, false);
  assertEquals(fixture.reasons(), ["upstream app: 1 backend has not been checked yet"]);
  checked(2, false);
  assertEquals(fixture.reasons(), ["upstream app: no backend is available (3 down)"]);
  await fixture.end();
});

Deno.test("a backend that joins one that was found good takes no readiness away", async () => {
  const fixture = new ProgramFixture();
  await fixture.start(configText({ upstreams: { app: ["a"] }, services: WEB, policy: CHECKED }));
  const [a] = fixture.app.upstream("app")!.upstream.backends;
  a!.health.observe({ ...AT, ok: true }, RULES);
  a!.followHealth(true);
  await fixture.control.replaceBackends("app", ["a:1", "b:1"]);
  assertEquals([fixture.backend("b").state, fixture.reasons()], ["unknown", []]);
  await fixture.control.replaceBackends("app", ["b:1"]);
  assertEquals(fixture.reasons(), ["upstream app: 1 backend has not been checked yet"]);
  await fixture.end();
});

Deno.test("who is to blame for having no backend is counted by the state", async () => {
  const fixture = new ProgramFixture();
  const hosts = ["a", "b", "c", "d", "e"];
  await fixture.start(configText({ upstreams: { app: hosts, other: ["z"] }, services: WEB }));
  const { backends } = fixture.app.upstream("app")!.upstream;
  backends[0]!.disabled = true;
  backends[1]!.ejected = true;
  backends[2]!.configure({ ...backends[2]!.spec, weight: 0 });
  backends[3]!.configure({ ...backends[3]!.spec, maxConnections: 1 });
  backends[3]!.acquire();
  assertEquals(fixture.reasons(), []); // There is still `e`.
  backends[4]!.health.observe({ ...AT, ok: false }, RULES);
  backends[4]!.followHealth(true);
  const tally = "2 drained, 1 ejected, 1 full, 1 down";
  assertEquals(fixture.reasons(), [`upstream app: no backend is available (${tally})`]);
  await fixture.control.replaceBackends("other", []);
  assertEquals(fixture.reasons().slice(1), [
    "upstream other: no backend is available (there is none)",
  ]);
  await fixture.control.replaceBackends("app", ["b:1"]);
  assertEquals(fixture.reasons()[0], "upstream app: no backend is available (1 ejected)");
  await fixture.end();
});

/** The reasons of an app with these upstreams and CRLs. */
function reasonsOf(app: Partial<Pick<ControlPlane, "upstreams" | "credentials">>): string[] {
  const credentials = { crls: [] };
  return unreadiness({ state: "ready", upstreams: [], credentials, ...app } as unknown as ControlPlane);
}

Deno.test("sources are waited for until each has answered, were it with an error", async () => {
  const fixture = new ManagedFixture(config("a", { discover: from("one", dns("db")) }));
  const reasons = () => reasonsOf({ upstreams: [fixture.managed] });
  const who = "upstream db";
  assertEquals(reasons(), [
    `${who}: dns db has not answered yet`,
    `${who}: file one has not answered yet`,
  ]);
  await fixture.give("dns db", "");
  assertEquals(reasons(), [`${who}: file one has not answered yet`]);
  await fixture.source("file one").give(new Error("no such file"));
  assertEquals(reasons(), []);
  fixture.update(config("", { discover: from("one", dns("db")) }));
  assertEquals(reasons(), [`${who}: no backend is available (there is none)`]);
  await fixture.end();
});

Deno.test("sources that a reload has changed are not waited for while a set of before lasts", async () => {
  const fixture = new ManagedFixture(config("", { discover: from("one") }));
  const reasons = () => reasonsOf({ upstreams: [fixture.managed] });
  await fixture.give("file one", "x");
  fixture.update(config("", { discover: from("two", dns("db")) }));
  assertEquals([fixture.hosts, reasons()], ["x", []]);
  await fixture.give("file two", "");
  await fixture.give("dns db", "");
  const none = "upstream db: no backend is available (there is none)";
  assertEquals(reasons(), [none]);
  fixture.update(config("", { discover: from("three") })); // There is no set that could last.
  assertEquals(reasons(), ["upstream db: file three has not answered yet", none]);
  await fixture.end();
});

Deno.test("a CRL that lets nobody in is a reason for each who relies on it", () => {
  const bad = CrlSet.unreadable("garbage");
  const credentials = (set: CrlSet) => {
    const crl = { path: "/ca.crl", crls: [], problem: (nowMs: number) => set.problemOf([], nowMs) };
    const crls = [{ ...crl, usedBy: "service a" }, { ...crl, usedBy: "service b" }];
    return {
      gates: new Map(),
      connects: new Map(),
      certificates: [],
      warnings: [],
      crls,
    } as unknown as ControlPlane[
      "credentials"
    ];
  };
  const why = 'nobody can come in by the CRL "/ca.crl": garbage';
  assertEquals(reasonsOf({ credentials: credentials(bad) }), [`service a: ${why}`, `service b: ${why}`]);
  assertEquals(reasonsOf({ credentials: credentials(new CrlSet([])) }), []);
});
