import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { AdminError } from "../../../src/admin/admin_error.ts";
import { ConfigError } from "../../../src/config/problem/problem.ts";
import { settle } from "../../support/settle.ts";
import { until } from "../../support/wait.ts";
import { TlsFiles } from "../../support/tls_files.ts";
import { closed, configText, gone } from "../control/app_fixture.ts";
import { assertAbout, ProgramFixture } from "./program_fixture.ts";

const LOCAL = "127.0.0.1:0";
const WEB = { web: { listen: [LOCAL], upstream: "app" } };
const ONE = configText({ upstreams: { app: ["a", "b"] }, services: WEB });

async function started(text = ONE): Promise<ProgramFixture> {
  const fixture = new ProgramFixture();
  fixture.text = text;
  await fixture.start(text);
  return fixture;
}

Deno.test("a good reload is a new generation, and the status says so", async () => {
  const fixture = await started();
  const before = (await fixture.status()).reload;
  fixture.text = configText({ upstreams: { app: ["c"] }, services: WEB });
  assertEquals(await fixture.control.reload(), { ok: true, generation: 2 });
  const { reload, upstreams } = await fixture.status();
  assertEquals([reload.generation, reload.ok, reload.why], [2, true, "admin"]);
  assert(reload.appliedAt >= before.appliedAt && reload.at === reload.appliedAt);
  assertEquals(upstreams[0]!.backends.map(({ address }) => address), ["c:1"]);
  await fixture.reloader.request("SIGHUP");
  assertEquals([(await fixture.status()).reload.generation, (await fixture.status()).reload.why], [
    3,
    "SIGHUP",
  ]);
  await fixture.end();
});

Deno.test("a bad configuration is reported with all its problems, and the current one is kept", async () => {
  const fixture = await started();
  const { appliedAt } = (await fixture.status()).reload;
  fixture.text = ONE.replace('"listen"', '"lisen"').replace('"version":1', '"version":2');
  const outcome = await fixture.control.reload();
  assert(!outcome.ok && outcome.error instanceof ConfigError);
  const { at, ...reload } = (await fixture.status()).reload;
  assertAbout(at, 0);
  const { problems, message } = outcome.error;
  assertEquals(reload, {
    generation: 1,
    appliedAt,
    ok: false,
    why: "admin",
    refused: 1,
    error: { code: "bad_config", message },
    problems,
  });
  assertEquals(problems.length >= 2, true);
  fixture.text = ONE;
  assertEquals(await fixture.control.reload(), { ok: true, generation: 2 });
  assertEquals((await fixture.status()).reload.error, undefined);
  await fixture.end();
});

Deno.test("a listener that can't be bound fails the reload, and is no problem of the file", async () => {
  const fixture = await started();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const listen = [`127.0.0.1:${taken.addr.port}`];
  fixture.text = configText({ upstreams: { app: ["z"] }, services: { web: { listen, upstream: "app" } } });
  const outcome = await fixture.control.reload();
  assert(!outcome.ok);
  const { reload, upstreams, services } = await fixture.status();
  assertEquals([reload.error?.code, reload.problems, reload.generation], ["listen_failed", undefined, 1]);
  assertEquals(upstreams[0]!.backends.map(({ address }) => address), ["a:1", "b:1"]);
  assertEquals(services[0]!.listeners, [`127.0.0.1:${fixture.port("web")}`]);
  await fixture.end();
});

Deno.test("reloads that are asked for during a reload share the one after it", async () => {
  const fixture = await started();
  const first = fixture.control.reload();
  const second = fixture.control.reload();
  const third = fixture.control.reload();
  fixture.text = "nonsense"; // The first one has read its own by now.
  assertEquals(await first, { ok: true, generation: 2 });
  const [two, three] = await Promise.all([second, third]);
  assert(!two.ok && !three.ok);
  assertStrictEquals(two.error, three.error);
  assertEquals((await fixture.status()).reload.generation, 2);
  await fixture.end();
});

Deno.test("a set is replaced, and what stays keeps what it has", async () => {
  const fixture = await started();
  const connected = await fixture.connect(fixture.port("web"));
  const set = await fixture.control.replaceBackends("app", [
    "c:1",
    { address: "a:1", weight: 5, maxConnections: 9, backup: true },
    "unix:db.sock",
  ]);
  assertEquals(set, (await fixture.upstream()).backends);
  assertEquals(set.map(({ address }) => address), ["c:1", "a:1", "unix:/etc/culvert/db.sock"]);
  const { weight, maxConnections, backup, active, total } = set[1]!;
  assertEquals([weight, maxConnections, backup, active, total], [5, 9, true, 1, 1]);
  await connected.client.write(new TextEncoder().encode("more"));
  assertEquals(await connected.server.receive(), "more");
  await fixture.controlPlane.destroy();
  await gone(connected);
  await fixture.end();
});

Deno.test("a set that is wrong is reported in whole, and changes nothing", async () => {
  const fixture = await started();
  const body = ["a:0", { address: "b:1", weight: -1 }, { adress: "c:1" }];
  const error = await assertRejects(() => fixture.control.replaceBackends("app", body), ConfigError);
  const paths = error.problems.map(({ path }) => path);
  assert(["[0]", "[1].weight", "[2].adress"].every((path) => paths.includes(path)), paths.join(" "));
  for (const body of [{}, null, "a:1", 7, [null], [[]]]) {
    await assertRejects(() => fixture.control.replaceBackends("app", body), ConfigError);
  }
  assertEquals((await fixture.upstream()).backends.map(({ address }) => address), ["a:1", "b:1"]);
  await fixture.end();
});

Deno.test("a set that is discovered can't be replaced: a conflict", async () => {
  await using files = new TlsFiles();
  const path = files.put("backends.yaml", "[x:1]");
  const fixture = await started(JSON.stringify({
    version: 1,
    upstreams: { app: { backends: [{ address: "a:1" }], discover: { file: path } } },
    services: [{ name: "web", ...WEB.web }],
  }));
  const error = await assertRejects(() => fixture.control.replaceBackends("app", ["c:1"]), AdminError);
  assertEquals([error.code, error.status], ["conflict", 409]);
  assertEquals((await fixture.upstream()).discovery?.map(({ name }) => name), [`file ${path}`]);
  await until(async () => (await fixture.upstream()).backends.some(({ address }) => address === "x:1"), {
    what: "the file",
  });
  await fixture.end();
  // The watch looks at the folder and the file once when it begins; nothing waits for that but this.
  for (let i = 0; i < 3; i++) await Deno.stat(path);
});

Deno.test("what is not there is reported as such", async () => {
  const fixture = await started();
  const { control } = fixture;
  const cases: [() => Promise<unknown>, string][] = [
    [() => control.replaceBackends("no", []), "unknown_upstream"],
    [() => control.drainBackend("no", "a:1"), "unknown_upstream"],
    [() => control.enableBackend("no", "a:1"), "unknown_upstream"],
    [() => control.drainBackend("app", "z:1"), "unknown_backend"],
    [() => control.enableBackend("app", "z:1"), "unknown_backend"],
    [() => control.setWeight("no", "a:1", 1), "unknown_upstream"],
    [() => control.setWeight("app", "z:1", 1), "unknown_backend"],
    [() => control.closeConnections("app", "z:1"), "unknown_backend"],
    [() => control.closeConnection("1"), "unknown_connection"],
  ];
  for (const [work, code] of cases) {
    assertEquals((await assertRejects(work, AdminError)).code, code);
  }
  await fixture.end();
});

Deno.test("a backend that is drained by hand stays so through reloads", async () => {
  const fixture = await started();
  await fixture.control.drainBackend("app", "a:1");
  assertEquals((await fixture.control.drainBackend("app", "a:1")).state, "drained"); // Twice is once.
  await fixture.control.reload();
  assertEquals([(await fixture.backend("a")).state, (await fixture.upstream()).available], ["drained", 1]);
  await fixture.control.enableBackend("app", "a:1");
  assertEquals([(await fixture.backend("a")).state, (await fixture.upstream()).available], ["up", 2]);
  await fixture.end();
});

Deno.test("a backend is found however its address is written", async () => {
  const fixture = await started(configText({ upstreams: { app: ["[::1]"] }, services: WEB }));
  for (const address of ["[0:0::1]:1", "[::1]:1"]) {
    assertEquals((await fixture.control.drainBackend("app", address)).state, "drained");
    assertEquals((await fixture.control.enableBackend("app", address)).state, "up");
  }
  const error = await assertRejects(() => fixture.control.drainBackend("app", "no address"), AdminError);
  assertEquals(error.code, "unknown_backend");
  await fixture.end();
});

Deno.test("a program that stops takes neither reloads nor sets", async () => {
  const fixture = await started(
    configText({ upstreams: { app: ["a"] }, services: WEB, timeouts: { drain: "5s" } }),
  );
  const connected = await fixture.connect(fixture.port("web"));
  const port = fixture.port("web");
  const underWay = fixture.control.reload();
  const drained = fixture.controlPlane.drain();
  // It came too late: the configuration has not been changed to.
  assertEquals((await assertRejects(() => underWay, AdminError)).code, "draining");
  for (const state of ["draining", "stopped"]) {
    assertEquals(fixture.controlPlane.state, state);
    for (
      const work of [() => fixture.control.reload(), () => fixture.control.replaceBackends("app", ["b:1"])]
    ) {
      const error = await assertRejects(work, AdminError);
      assertEquals([error.code, error.status], ["draining", 503]);
    }
    if (state === "stopped") break;
    assertEquals((await fixture.control.drainBackend("app", "a:1")).state, "drained");
    fixture.clock.advance(5200);
    await drained;
    await gone(connected);
  }
  await closed(port);
  await settle();
  await fixture.end();
});

Deno.test("a weight that is set by hand lasts until the configuration gives another one", async () => {
  const fixture = await started();
  const { control } = fixture;
  assertEquals((await control.setWeight("app", "a:1", 7)).weight, 7);
  const { state, weight } = await control.setWeight("app", "b:1", 0);
  assertEquals([state, weight], ["drained", 0]);
  await control.reload();
  assertEquals([(await fixture.backend("a")).weight, (await fixture.backend("b")).weight], [7, 0]);
  assertEquals((await control.setWeight("app", "b:1", 1)).state, "up");
  fixture.text = JSON.stringify({
    version: 1,
    upstreams: { app: { backends: [{ address: "a:1", weight: 3 }, "b:1"] } },
    services: [{ name: "web", ...WEB.web }],
  });
  await control.reload();
  assertEquals((await fixture.backend("a")).weight, 3);
  fixture.text = ONE;
  await control.reload();
  assertEquals((await fixture.backend("a")).weight, 1);
  await fixture.end();
});

Deno.test("a backend that leaves the set and returns has the weight of the configuration", async () => {
  const fixture = await started();
  await fixture.control.setWeight("app", "a:1", 7);
  await fixture.control.replaceBackends("app", ["b:1"]);
  await fixture.control.replaceBackends("app", ["a:1", "b:1"]);
  assertEquals((await fixture.backend("a")).weight, 1);
  await fixture.end();
});

Deno.test("open connections are listed, sorted and searched, and closed one by one or by their backend", async () => {
  const fixture = await started();
  const { control } = fixture;
  const port = fixture.port("web");
  const connected = [await fixture.connect(port), await fixture.connect(port), await fixture.connect(port)];
  const { total, matched, sessions } = await control.connections({});
  assertEquals([total, matched, sessions.length], [3, 3, 3]);
  const [{ id: _id, client, ageMs: _age, ...first }] = sessions as [typeof sessions[number]];
  assertEquals(first, {
    service: "web",
    listener: `127.0.0.1:${port}`,
    backend: first.backend!,
    state: "open",
    bytesUp: 5,
    bytesDown: 0,
  });
  const clients = connected.map(({ client }) => (client.localAddr as Deno.NetAddr).port);
  assert(clients.some((port) => client === `127.0.0.1:${port}`));
  const of = async (query: Parameters<typeof control.connections>[0]) => await control.connections(query);
  const backends = (await of({ order: "backend" })).sessions.map(({ backend }) => backend);
  assertEquals(backends.toSorted(), backends);
  const descending = (await of({ order: "backend", descending: true })).sessions.map(({ backend }) =>
    backend
  );
  assertEquals(descending, backends.toReversed());
  const onA = await of({ search: "A:1" });
  assertEquals([onA.total, onA.matched], [3, backends.filter((backend) => backend === "a:1").length]);
  assertEquals((await of({ limit: 1 })).sessions.length, 1);
  assertEquals((await of({ search: "nothing has this" })).matched, 0);

  const onB = (await of({ search: "b:1" })).sessions;
  await control.closeConnection(onB[0]!.id);
  await until(async () => (await of({})).total === 2, { what: "the connection to end" });
  const left = (await of({})).sessions.map(({ backend }) => backend);
  const ofA = left.filter((backend) => backend === "a:1").length;
  assertEquals(await control.closeConnections("app", "a:1"), ofA);
  await until(async () => (await of({})).total === 2 - ofA, { what: "the connections of a to end" });
  const { ended } = (await fixture.services())[0]!;
  assertEquals(ended["closed-by-admin"], 1 + ofA);
  assertEquals((await control.live()).failures, []);
  await fixture.controlPlane.destroy();
  for (const each of connected) await gone(each);
  await fixture.end();
});

Deno.test("the live state has the reloads and what has failed, the newest first", async () => {
  const fixture = await started();
  fixture.text = "nonsense";
  await fixture.control.reload();
  fixture.text = JSON.stringify({
    version: 1,
    upstreams: { app: { backends: ["a:1"] } },
    services: [{ name: "web", ...WEB.web, deny: ["127.0.0.0/8"] }],
  });
  await fixture.control.reload();
  const client = await Deno.connect({ hostname: "127.0.0.1", port: fixture.port("web") });
  await until(async () => (await fixture.control.live()).failures.length > 0, { what: "the refusal" });
  client.close();
  const { reloads, failures, unready, logLevel } = await fixture.control.live();
  assertEquals(reloads.map(({ ok, why, generation }) => [ok, why, generation]), [
    [true, "admin", 2],
    [false, "admin", 1],
    [true, "start", 1],
  ]);
  const { at, client: from, ...failure } = failures[0]!;
  assertAbout(new Date(at).toISOString(), 0);
  assertEquals([from, failure], [
    `127.0.0.1:${(client.localAddr as Deno.NetAddr).port}`,
    { service: "web", reason: "refused-by-deny" },
  ]);
  assertEquals([unready, logLevel], [[], "info"]);
  await fixture.control.setLogLevel("debug");
  assertEquals((await fixture.control.live()).logLevel, "debug");
  await fixture.end();
});
