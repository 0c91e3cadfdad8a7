import { assert, assertEquals } from "@std/assert";
import { settle } from "../../support/settle.ts";
import { until } from "../../support/wait.ts";
import { configText, gone } from "../control/app_fixture.ts";
import { assertAbout, ProgramFixture } from "./program_fixture.ts";
import { config, dns, from, ManagedFixture } from "../upstreams/managed_fixture.ts";

const LOCAL = "127.0.0.1:0";
const WEB = { web: { listen: [LOCAL], upstream: "app" } };
const CHECKED = { health: { type: "script", script: [{ expect: "ok" }], rise: 1, fall: 1, interval: "10s" } };
const OUTCOME = { ok: true, detail: "fine", at: Date.UTC(2026, 0, 1) };

Deno.test("the status of a program that has just started says all that there is, and no more", async () => {
  const fixture = new ProgramFixture();
  assertEquals([(await fixture.status()).state, (await fixture.status()).services], ["starting", []]);
  await fixture.start(configText({ upstreams: { app: ["a"] }, services: WEB }));
  fixture.clock.advance(1500);
  const { startedAt, eventLoopDelaySeconds, reload: { appliedAt, at, ...reload }, ...status } = await fixture
    .status();
  const { durationSeconds, connectSeconds } = status.services[0]!;
  for (const time of [startedAt, appliedAt, at]) assertAbout(time, 0);
  const { since, ...backend } = status.upstreams[0]!.backends[0]!;
  assertAbout(since, 0);
  assertEquals(reload, { generation: 1, ok: true, why: "start" });
  assertEquals(backend, {
    address: "a:1",
    state: "up",
    weight: 1,
    effectiveWeight: 1,
    maxConnections: 0,
    backup: false,
    active: 0,
    total: 0,
    failures: 0,
    pool: { idle: 0, waiting: 0, waits: 0 },
  });
  for (const histogram of [durationSeconds, connectSeconds, eventLoopDelaySeconds!]) {
    assertEquals([histogram.counts.length, histogram.sum, histogram.count], [histogram.bounds.length, 0, 0]);
  }
  assertEquals({ ...status, upstreams: status.upstreams.map(({ backends: _, ...others }) => others) }, {
    version: "1.2.3",
    pid: Deno.pid,
    state: "ready",
    uptimeSeconds: 1.5,
    services: [{
      name: "web",
      listeners: [`127.0.0.1:${fixture.port("web")}`],
      upstream: "app",
      upstreams: ["app"],
      active: 0,
      handshakes: 0,
      total: 0,
      rejected: 0,
      refused: {},
      acceptFailures: { reset: 0, descriptors: 0, other: 0 },
      ended: {},
      bytesUp: 0,
      bytesDown: 0,
      durationSeconds,
      connectSeconds,
    }],
    upstreams: [{
      name: "app",
      balance: "round-robin",
      available: 1,
      queue: { waiting: 0, queued: 0, full: 0, timedOut: 0 },
    }],
    certificates: [],
    crls: [],
  });
  const drained = fixture.controlPlane.drain();
  assertEquals((await fixture.status()).state, "draining");
  await drained;
  assertEquals([(await fixture.status()).state, (await fixture.upstream()).backends], ["stopped", []]);
  await fixture.end();
});

Deno.test("services and upstreams come in the configuration's order, and say what they are", async () => {
  const fixture = new ProgramFixture();
  const services = { z: { listen: [LOCAL, LOCAL], upstream: "n" }, b: { listen: [LOCAL], upstream: "m" } };
  const policy = { balance: "least-connections" };
  await fixture.start(configText({ upstreams: { n: ["a", "b"], m: ["c"] }, services, policy }));
  const status = await fixture.status();
  assertEquals(status.services.map(({ name, upstream, listeners }) => [name, upstream, listeners.length]), [
    ["z", "n", 2],
    ["b", "m", 1],
  ]);
  assertEquals(status.upstreams.map(({ name, balance, available }) => [name, balance, available]), [
    ["n", "least-connections", 2],
    ["m", "least-connections", 1],
  ]);
  await fixture.end();
});

Deno.test("what a service has refused is told apart from what has ended", async () => {
  const fixture = new ProgramFixture();
  const limited = { listen: [LOCAL], upstream: "app", maxConnections: 1 };
  await fixture.start(configText({ upstreams: { app: ["a"] }, services: { web: limited } }));
  const connected = await fixture.connect(fixture.port("web"));
  for (let i = 0; i < 2; i++) {
    using refused = await Deno.connect({ hostname: "127.0.0.1", port: fixture.port("web") });
    assertEquals(await refused.read(new Uint8Array(1)).catch(() => null), null);
  }
  await until(async () => (await fixture.status()).services[0]!.rejected === 2, { what: "two refusals" });
  const { active, total, refused, ended, bytesUp } = (await fixture.status()).services[0]!;
  assertEquals([active, total, bytesUp], [1, 1, 5]);
  assertEquals([refused, ended], [{ "refused-by-limit": 2 }, {}]);
  assertEquals([(await fixture.backend("a")).active, (await fixture.backend("a")).total], [1, 1]);
  connected.client.close();
  assertEquals(await connected.server.receive(), null);
  connected.server.close();
  await until(async () => (await fixture.status()).services[0]!.active === 0, {
    what: "the connection's end",
  });
  const after = (await fixture.status()).services[0]!;
  assertEquals([after.rejected, after.refused], [2, { "refused-by-limit": 2 }]);
  assertEquals(after.ended, { "client-closed": 1 });
  assertEquals([(await fixture.backend("a")).active, (await fixture.backend("a")).total], [0, 1]);
  await fixture.end();
});

Deno.test("a backend is drained by hand or by its weight, and says which", async () => {
  const fixture = new ProgramFixture();
  const backends = [
    { address: "a:1", weight: 0, backup: true },
    { address: "b:1", weight: 7, maxConnections: 3 },
  ];
  await fixture.start(JSON.stringify({
    version: 1,
    upstreams: { app: { backends, ...CHECKED } },
    services: [{ name: "web", ...WEB.web }],
  }));
  const weightless = await fixture.backend("a");
  assertEquals([weightless.state, weightless.why, weightless.weight], ["drained", "its weight is 0", 0]);
  assertEquals([weightless.effectiveWeight, weightless.backup], [0, true]);
  const byHand = await fixture.control.drainBackend("app", "b:1");
  assertEquals(byHand, await fixture.backend("b"));
  assertEquals([byHand.state, byHand.why], ["drained", "drained by hand"]);
  assertEquals([byHand.weight, byHand.effectiveWeight, byHand.maxConnections], [7, 0, 3]);
  assertEquals((await fixture.upstream()).available, 0);
  const back = await fixture.control.enableBackend("app", "b:1");
  assertEquals([back.state, back.why, back.effectiveWeight], ["unknown", "not checked yet", 7]);
  await fixture.end();
});

Deno.test("a backend's checks are reported, from the first one on", async () => {
  const fixture = new ProgramFixture();
  await fixture.start(configText({ upstreams: { app: ["a"] }, services: WEB, policy: CHECKED }));
  const { state, why, check, effectiveWeight } = await fixture.backend("a");
  assertEquals([state, why, effectiveWeight], ["unknown", "not checked yet", 1]);
  assertEquals(check, { type: "script", inARow: 0, flips: 0 });
  const certificateValidTo = new Date(Date.UTC(2027, 0, 1));
  fixture.checked("a", { ...OUTCOME, certificateValidTo });
  const common = { type: "script", lastAt: "2026-01-01T00:00:00.000Z" };
  const valid = { goodAt: common.lastAt, certificateValidTo: "2027-01-01T00:00:00.000Z" };
  const up = await fixture.backend("a");
  assertEquals([up.state, up.why], ["up", undefined]);
  assertEquals(up.check, { ...common, ...valid, ok: true, detail: "fine", inARow: 1, flips: 0 });
  for (const detail of ["refused", "timed out"]) {
    fixture.checked("a", { ok: false, detail, at: OUTCOME.at + 60_000 });
  }
  const badAt = "2026-01-01T00:01:00.000Z";
  const down = await fixture.backend("a");
  assertEquals([down.state, down.why, down.effectiveWeight], ["down", "timed out", 0]);
  const bad = { lastAt: badAt, badAt, ok: false, detail: "timed out", inARow: 2, flips: 1 };
  assertEquals(down.check, { ...common, ...valid, ...bad });
  assertAbout(down.since, 0);
  await fixture.end();
});

Deno.test("an ejected backend says why and until when", async () => {
  const fixture = new ProgramFixture();
  const policy = { outlier: { failures: 1, ejection: "30s", maxEjected: "100%" }, retries: 0 };
  await fixture.start(configText({ upstreams: { app: ["a"] }, services: WEB, policy }));
  using client = await Deno.connect({ hostname: "127.0.0.1", port: fixture.port("web") });
  (await fixture.dialler.call(0)).refuse();
  assertEquals(await client.read(new Uint8Array(1)).catch(() => null), null);
  const ejected = await fixture.backend("a");
  assertEquals([ejected.state, ejected.failures, ejected.effectiveWeight], ["ejected", 1, 0]);
  assert(ejected.why!.includes("refused"), ejected.why);
  assertAbout(ejected.ejectedUntil, 30_000);
  fixture.clock.advance(10_000);
  assertAbout((await fixture.backend("a")).ejectedUntil, 20_000);
  fixture.clock.advance(21_000);
  const { state, ejectedUntil, failures } = await fixture.backend("a");
  assertEquals([state, ejectedUntil, failures], ["up", undefined, 1]);
  await fixture.end();
});

Deno.test("a full backend is up, and not available; a slow start has less weight", async () => {
  const fixture = new ProgramFixture();
  const backends = [{ address: "a:1", weight: 4, maxConnections: 1 }];
  const upstreams = { app: { backends } };
  await fixture.start(JSON.stringify({ version: 1, upstreams, services: [{ name: "web", ...WEB.web }] }));
  fixture.upstreamOf("app").find("a:1")!.scale(0.25);
  assertEquals([(await fixture.backend("a")).weight, (await fixture.backend("a")).effectiveWeight], [4, 1]);
  const connected = await fixture.connect(fixture.port("web"));
  assertEquals([(await fixture.backend("a")).state, (await fixture.upstream()).available], ["up", 0]);
  assertEquals(await fixture.reasons(), ["upstream app: no backend is available (1 full)"]);
  await fixture.controlPlane.destroy();
  await gone(connected);
  await fixture.end();
});

Deno.test("every source says how it is, since when, and what it has given", async () => {
  const fixture = new ManagedFixture(config("a", { discover: from("one", dns("db")) }));
  const sources = () => fixture.status().discovery!;
  fixture.clock.advance(5000);
  for (const [index, name] of ["dns db", "file one"].entries()) {
    const { since, ...source } = sources()[index]!;
    assertEquals(source, { name, state: "waiting", size: 0, failures: 0 });
    assertAbout(since, -5000);
  }
  await fixture.give("dns db", "x y");
  await fixture.source("file one").give(new Error("no such file"));
  fixture.clock.advance(3000);
  const [{ since: _, lastSetAt, ...good }, { since, ...failing }] = sources() as [
    ReturnType<typeof sources>[0],
    ReturnType<typeof sources>[0],
  ];
  assertEquals(good, { name: "dns db", state: "ok", size: 2, failures: 0 });
  assertEquals(failing, { name: "file one", state: "failing", error: "no such file", size: 0, failures: 1 });
  assertAbout(lastSetAt, -3000);
  assertAbout(since, -3000);
  await fixture.source("dns db").end();
  await settle();
  assertEquals([sources()[0]!.state, sources()[0]!.size], ["ended", 2]);
  await fixture.end();
});
