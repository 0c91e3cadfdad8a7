import { assertEquals } from "@std/assert";
import { unreadiness } from "../../src/app/readiness.ts";
import type { App } from "../../src/app/app.ts";
import { CrlSet } from "../../src/tls/crl_set.ts";
import { configText, gone } from "./app_fixture.ts";
import { ControlFixture } from "./control_fixture.ts";
import { config, dns, from, ManagedFixture } from "./managed_fixture.ts";

const LOCAL = "127.0.0.1:0";
const WEB = { web: { listen: [LOCAL], upstream: "app" } };
const CHECKED = { health: { type: "script", script: [{ expect: "ok" }], rise: 1, fall: 1, interval: "10s" } };
const AT = { at: 0, detail: "x" };
const RULES = { rise: 1, fall: 1 };

Deno.test("a program is ready from its first configuration until it is to stop", async () => {
  const fixture = new ControlFixture();
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

Deno.test("backends that have not been checked yet are waited for, every one of them", async () => {
  const fixture = new ControlFixture();
  await fixture.start(configText({ upstreams: { app: ["a", "b"] }, services: WEB, policy: CHECKED }));
  const { backends } = fixture.app.upstream("app")!.upstream;
  const checked = (index: number, ok: boolean) => {
    backends[index]!.health.observe({ ...AT, ok }, RULES);
    backends[index]!.followHealth(true);
  };
  assertEquals(fixture.reasons(), ["upstream app: 2 backends have not been checked yet"]);
  checked(0, true);
  assertEquals(fixture.reasons(), ["upstream app: 1 backend has not been checked yet"]);
  checked(1, false);
  assertEquals(fixture.reasons(), []); // One is enough.
  checked(0, false);
  assertEquals(fixture.reasons(), ["upstream app: no backend is available (2 down)"]);
  await fixture.end();
});

Deno.test("who is to blame for having no backend is counted by the state", async () => {
  const fixture = new ControlFixture();
  const hosts = ["a", "b", "c", "d", "e"];
  await fixture.start(configText({ upstreams: { app: hosts, other: ["z"] }, services: WEB }));
  const { backends } = fixture.app.upstream("app")!.upstream;
  backends[0]!.takenOut = true;
  backends[1]!.ejected = true;
  backends[2]!.configure({ ...backends[2]!.spec, weight: 0 });
  backends[3]!.configure({ ...backends[3]!.spec, maxConnections: 1 });
  backends[3]!.active = 1;
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
function reasonsOf(app: Partial<Pick<App, "upstreams" | "materials">>): string[] {
  const materials = { crls: [] };
  return unreadiness({ state: "ready", upstreams: [], materials, ...app } as unknown as App);
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

Deno.test("a CRL that lets nobody in is a reason for each who relies on it", () => {
  const bad = CrlSet.unreadable("garbage");
  const materials = (set: CrlSet) => {
    const crl = { path: "/ca.crl", set, crls: [] };
    const crls = [{ ...crl, usedBy: "service a" }, { ...crl, usedBy: "service b" }];
    return { gates: new Map(), connects: new Map(), certificates: [], warnings: [], crls } as unknown as App[
      "materials"
    ];
  };
  const why = 'nobody can come in by the CRL "/ca.crl": garbage';
  assertEquals(reasonsOf({ materials: materials(bad) }), [`service a: ${why}`, `service b: ${why}`]);
  assertEquals(reasonsOf({ materials: materials(new CrlSet([])) }), []);
});
