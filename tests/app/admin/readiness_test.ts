import { assertEquals } from "@std/assert";
import { unreadiness } from "../../../src/app/admin/readiness.ts";
import { NO_CREDENTIALS } from "../../../src/app/credentials/credentials.ts";
import type { CrlInUse } from "../../../src/app/credentials/trust_loader.ts";
import { reportAvailability } from "../../../src/dataplane/report.ts";
import { CrlSet } from "../../../src/tls/x509/crl/set.ts";
import { configText, gone } from "../control/app_fixture.ts";
import { ProgramFixture } from "./program_fixture.ts";
import { config, dns, from, ManagedFixture } from "../upstreams/managed_fixture.ts";

const LOCAL = "127.0.0.1:0";
const WEB = { web: { listen: [LOCAL], upstream: "app" } };
const CHECKED = { health: { type: "script", script: [{ expect: "ok" }], rise: 1, fall: 1, interval: "10s" } };
const AT = { at: 0, detail: "x" };

Deno.test("a program is ready from its first configuration until it is to stop", async () => {
  const fixture = new ProgramFixture();
  assertEquals(await fixture.reasons(), ["the program is starting"]);
  await fixture.start(
    configText({ upstreams: { app: ["a"] }, services: WEB, timeouts: { drain: "5s" } }),
  );
  assertEquals(await fixture.reasons(), []);
  const connected = await fixture.connect(fixture.port("web"));
  const drained = fixture.controlPlane.drain();
  assertEquals(await fixture.reasons(), ["the program is draining"]);
  fixture.clock.advance(5200);
  await drained;
  await gone(connected);
  assertEquals((await fixture.reasons())[0], "the program is stopped");
  await fixture.end();
});

Deno.test("backends that have not been checked yet are waited for until one has been found good", async () => {
  const fixture = new ProgramFixture();
  await fixture.start(configText({ upstreams: { app: ["a", "b", "c"] }, services: WEB, policy: CHECKED }));
  const { backends } = fixture.upstreamOf("app");
  const checked = (index: number, ok: boolean) =>
    fixture.checked(backends[index]!.key.replace(":1", ""), { ...AT, ok });
  assertEquals(await fixture.reasons(), ["upstream app: 3 backends have not been checked yet"]);
  checked(0, false);
  assertEquals(await fixture.reasons(), ["upstream app: 2 backends have not been checked yet"]);
  checked(1, true);
  assertEquals(await fixture.reasons(), []); // One is enough, and it may be full.
  backends[1]!.configure({ ...backends[1]!.spec, maxConnections: 1 });
  backends[1]!.acquire();
  assertEquals(await fixture.reasons(), []);
  checked(1, false);
  assertEquals(await fixture.reasons(), ["upstream app: 1 backend has not been checked yet"]);
  checked(2, false);
  assertEquals(await fixture.reasons(), ["upstream app: no backend is available (3 down)"]);
  await fixture.end();
});

Deno.test("a backend that joins one that was found good takes no readiness away", async () => {
  const fixture = new ProgramFixture();
  await fixture.start(configText({ upstreams: { app: ["a"] }, services: WEB, policy: CHECKED }));
  fixture.checked("a", { ...AT, ok: true });
  await fixture.control.replaceBackends("app", ["a:1", "b:1"]);
  assertEquals([(await fixture.backend("b")).state, await fixture.reasons()], ["unknown", []]);
  await fixture.control.replaceBackends("app", ["b:1"]);
  assertEquals(await fixture.reasons(), ["upstream app: 1 backend has not been checked yet"]);
  await fixture.end();
});

Deno.test("the states of the backends say why none is available", async () => {
  const fixture = new ProgramFixture();
  const hosts = ["a", "b", "c", "d", "e"];
  await fixture.start(configText({ upstreams: { app: hosts, other: ["z"] }, services: WEB }));
  const { backends } = fixture.upstreamOf("app");
  backends[0]!.disabled = true;
  backends[1]!.ejected = true;
  backends[2]!.configure({ ...backends[2]!.spec, weight: 0 });
  backends[3]!.configure({ ...backends[3]!.spec, maxConnections: 1 });
  backends[3]!.acquire();
  assertEquals(await fixture.reasons(), []); // There is still `e`.
  backends[4]!.health.observe({ ...AT, ok: false }, { rise: 1, fall: 1 });
  backends[4]!.followHealth(true);
  const tally = "2 drained, 1 ejected, 1 full, 1 down";
  assertEquals(await fixture.reasons(), [`upstream app: no backend is available (${tally})`]);
  await fixture.control.replaceBackends("other", []);
  assertEquals((await fixture.reasons()).slice(1), [
    "upstream other: no backend is available (there is none)",
  ]);
  await fixture.control.replaceBackends("app", ["b:1"]);
  assertEquals((await fixture.reasons())[0], "upstream app: no backend is available (1 ejected)");
  await fixture.end();
});

/** The reasons of a program with this upstream and these CRLs. */
function reasonsOf(
  { managed, crls = [] }: { managed?: ManagedFixture; crls?: readonly CrlInUse[] },
): Promise<string[]> {
  return unreadiness({
    state: "ready",
    upstream: () => managed?.managed,
    credentials: { ...NO_CREDENTIALS, crls },
    dataPlane: { availability: () => Promise.resolve(managed ? [reportAvailability(managed.upstream)] : []) },
  });
}

Deno.test("sources are waited for until each has answered, were it with an error", async () => {
  const fixture = new ManagedFixture(config("a", { discover: from("one", dns("db")) }));
  const reasons = () => reasonsOf({ managed: fixture });
  const who = "upstream db";
  assertEquals(await reasons(), [
    `${who}: dns db has not answered yet`,
    `${who}: file one has not answered yet`,
  ]);
  await fixture.give("dns db", "");
  assertEquals(await reasons(), [`${who}: file one has not answered yet`]);
  await fixture.source("file one").give(new Error("no such file"));
  assertEquals(await reasons(), []);
  fixture.update(config("", { discover: from("one", dns("db")) }));
  assertEquals(await reasons(), [`${who}: no backend is available (there is none)`]);
  await fixture.end();
});

Deno.test("sources that a reload has changed are not waited for while a previous set lasts", async () => {
  const fixture = new ManagedFixture(config("", { discover: from("one") }));
  const reasons = () => reasonsOf({ managed: fixture });
  await fixture.give("file one", "x");
  fixture.update(config("", { discover: from("two", dns("db")) }));
  assertEquals([fixture.hosts, await reasons()], ["x", []]);
  await fixture.give("file two", "");
  await fixture.give("dns db", "");
  const none = "upstream db: no backend is available (there is none)";
  assertEquals(await reasons(), [none]);
  fixture.update(config("", { discover: from("three") })); // There is no set that could last.
  assertEquals(await reasons(), ["upstream db: file three has not answered yet", none]);
  await fixture.end();
});

Deno.test("a CRL that can't be used is a reason for each service that relies on it", async () => {
  const crls = (set: CrlSet) => {
    const crl = { path: "/ca.crl", crls: [], problem: (nowMs: number) => set.problemOf([], nowMs) };
    return [{ ...crl, usedBy: "service a" }, { ...crl, usedBy: "service b" }];
  };
  const why = 'all client certificates are rejected because of the CRL "/ca.crl": garbage';
  const bad = crls(CrlSet.unreadable("garbage"));
  assertEquals(await reasonsOf({ crls: bad }), [`service a: ${why}`, `service b: ${why}`]);
  assertEquals(await reasonsOf({ crls: crls(new CrlSet([])) }), []);
});
