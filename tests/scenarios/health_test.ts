import { assert, assertEquals, assertGreater, assertLessOrEqual, assertStringIncludes } from "@std/assert";
import { ADMIN_HEAD, AdminClient } from "../support/admin_client.ts";
import { BackendProcess } from "../support/backend_process.ts";
import { badEnds, callOneByOne, timeOf } from "../support/calls.ts";
import { Callers } from "../support/callers.ts";
import { SecondPort, startCheckServer } from "../support/check_server.ts";
import { finishChecked, restingDescriptors } from "../support/checked.ts";
import { Member, Members } from "../support/member.ts";
import { greet, startBackend } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { until } from "../support/wait.ts";

const CLOSED = { message: "connection closed" };
const DOWN = { message: "backend is down" };
const UP = { message: "backend is up" };
const FAILED_TRY = { message: "cannot connect to backend" };

/** Takes whatever greets. */
const GREETS = 'script: [{expect: "\\n"}]';

Deno.test("a backend that is killed fails only the connections on it, and serves again after good checks", async () => {
  using other = new Member("other");
  await using victim = await BackendProcess.start("victim");
  const health = "health: {type: tcp, interval: 400ms, timeout: 60s, rise: 2, fall: 2}";
  const backends = [victim.address, other.address];
  await using culvert = await startCulvert(
    proxyConfig({ backends, upstream: `${health}, outlier: {failures: 0}` }),
  );
  const resting = await restingDescriptors(culvert);
  await using callers = new Callers(culvert.port("main"));
  await callers.more(100);
  assertGreater(callers.served.get("victim") ?? 0, 0);

  await victim.kill();
  const down = await culvert.waitFor({ ...DOWN, backend: victim.address });
  assertStringIncludes(String(down.why), "ECONNREFUSED");
  assert(timeOf(down, "last_good") < timeOf(down, "last_bad"));
  await callers.eachOnce();
  await callers.logged(culvert);
  const tries = culvert.found(FAILED_TRY).length;
  await callers.more(200);
  await callers.logged(culvert);
  assertEquals(culvert.found(FAILED_TRY).length, tries, "no connection goes to a backend that is down");

  await victim.start();
  const up = await culvert.waitFor({ ...UP, backend: victim.address });
  assertEquals([up.why, timeOf(up, "last_bad") < timeOf(up, "last_good")], ["connected", true]);
  const { served } = callers;
  const before = served.get("victim")!;
  await until(() => served.get("victim")! > before + 20, { what: "the backend to serve again" });
  await callers.stop();
  await callers.logged(culvert);

  // Each caller had one connection at most when it was killed; all others have found the other backend.
  assertLessOrEqual(callers.errors.length, 6);
  const ends = badEnds(culvert);
  assertLessOrEqual(ends.length, 6);
  assertEquals(ends.filter(({ backend }) => backend !== victim.address), []);
  assertEquals([culvert.found(DOWN).length, culvert.found(UP).length], [1, 1]);
  await finishChecked(culvert, resting);
});

Deno.test("a backend that accepts and does not answer is found by its checks, and no client's connection fails", async () => {
  using other = new Member("other");
  await using victim = await BackendProcess.start("victim");
  const health = `health: {type: script, interval: 300ms, timeout: 2s, rise: 2, fall: 2, ${GREETS}}`;
  await using culvert = await startCulvert(
    proxyConfig({ backends: [victim.address, other.address], upstream: health }),
  );
  const resting = await restingDescriptors(culvert);
  const port = culvert.port("main");
  await using stuck = new Callers(port, { clients: 4 });
  await stuck.more(20);
  victim.signal("SIGSTOP");
  const down = await culvert.waitFor({ ...DOWN, backend: victim.address });
  assertEquals(down.why, "no result within 2000ms");

  await using fresh = new Callers(port, { clients: 4 });
  await fresh.more(100);
  assertEquals([...fresh.served.keys()], ["other"]);

  victim.signal("SIGCONT");
  await culvert.waitFor({ ...UP, backend: victim.address });
  await stuck.more(40);
  await until(() => fresh.served.has("victim"), { what: "the backend to serve again" });
  await Promise.all([stuck.stop(), fresh.stop()]);
  await culvert.waitFor(CLOSED, stuck.ended + fresh.ended);
  assertEquals([stuck.errors, fresh.errors, badEnds(culvert)], [[], [], []]);
  await finishChecked(culvert, resting);
});

Deno.test("a backend that flaps changes its state only after rise good or fall bad checks in a row", async () => {
  const script = "g bbg bbb gbg gg bg".replaceAll(" ", "");
  const [downAt, upAt] = [script.indexOf("bbb") + 2, script.indexOf("gg", script.indexOf("bbb")) + 1];
  const answeredAt: number[] = [];
  using check = startCheckServer((index) => {
    answeredAt.push(Date.now());
    return { status: (script[index] ?? "g") === "g" ? 200 : 500 };
  });
  using backend = startBackend(greet("a"));
  const health = `health: {type: http, port: ${check.port}, interval: 100ms, timeout: 5s, rise: 2, fall: 3}`;
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address], upstream: health }));
  const resting = await restingDescriptors(culvert);
  await until(() => answeredAt.length > script.length, { what: "all checks of the script" });

  const flips = culvert.found(({ message }) => message === DOWN.message || message === UP.message);
  assertEquals(flips.map(({ message }) => message), [DOWN.message, UP.message]);
  for (const [flip, index] of [[flips[0]!, downAt], [flips[1]!, upAt]] as const) {
    // By the very check that completed the row.
    assertLessOrEqual(answeredAt[index]!, timeOf(flip));
    assertLessOrEqual(timeOf(flip), answeredAt[index + 1]!);
  }
  // What it says of the last good and the last bad check fits the same sequence.
  assertLessOrEqual(timeOf(flips[0]!, "last_good"), answeredAt[downAt - 2]!);
  assertLessOrEqual(answeredAt[downAt]!, timeOf(flips[0]!, "last_bad"));
  await finishChecked(culvert, resting);
});

Deno.test("a backend that goes down and up under load fails only its own connections", async () => {
  using members = new Members(3);
  const [, flapping] = members.all as [Member, Member, Member];
  const health = "health: {type: tcp, interval: 100ms, timeout: 60s, rise: 1, fall: 1}";
  await using culvert = await startCulvert(
    proxyConfig({
      backends: members.addresses,
      upstream: `${health}, onDown: close, outlier: {failures: 0}`,
    }),
  );
  const resting = await restingDescriptors(culvert);
  await using callers = new Callers(culvert.port("main"), { clients: 4 });
  for (let round = 1; round <= 4; round++) {
    await callers.more(30);
    flapping.stop();
    await culvert.waitFor(DOWN, round);
    await callers.more(30);
    await flapping.start();
    await culvert.waitFor(UP, round);
    assertLessOrEqual(callers.errors.length, 4 * round);
  }
  await callers.stop();
  await callers.logged(culvert);
  assertEquals(badEnds(culvert).filter(({ backend }) => backend !== flapping.address), []);
  assertLessOrEqual(badEnds(culvert).length, 4 * 4);
  await finishChecked(culvert, resting);
});

Deno.test("a backend that is slow is down when its answers take longer than timeout, and up as long as not", async () => {
  let afterMs = 50;
  using check = startCheckServer(() => ({ status: 200, afterMs }));
  using backend = startBackend(greet("a"));
  const health = `health: {type: http, port: ${check.port}, interval: 300ms, timeout: 2s, rise: 1, fall: 2}`;
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address], upstream: health }));
  const resting = await restingDescriptors(culvert);
  await until(() => check.accepted >= 4, { what: "some checks" });
  assertEquals(culvert.found(DOWN), []);
  afterMs = 4_000;
  assertEquals((await culvert.waitFor(DOWN)).why, "no result within 2000ms");
  afterMs = 50;
  assertEquals((await culvert.waitFor(UP)).why, "answered 200");
  afterMs = 0; // No timer is left when the program ends in the middle of a check.
  await until(() => check.live.size === 0, { what: "the slow answers to end" });
  await finishChecked(culvert, resting);
});

Deno.test("backends are checked on the configured port, whatever their own port does", async () => {
  using serving = new Member("serving");
  using checked = new Member("checked");
  const { port } = checked;
  // Each has its own host, and the checks go to one port on all of them.
  using second = new SecondPort(serving.hostname, port);
  const health = `health: {type: tcp, port: ${port}, interval: 100ms, timeout: 60s, rise: 1, fall: 1}`;
  await using culvert = await startCulvert(
    proxyConfig({ backends: [serving.address, checked.address], upstream: health, head: ADMIN_HEAD }),
  );
  using admin = new AdminClient(culvert);
  const resting = await restingDescriptors(culvert);
  await admin.ready();
  assertEquals((await callOneByOne(culvert, 2)).toSorted(), ["checked", "serving"]);

  second.close(); // Its own port serves as before.
  await culvert.waitFor({ ...DOWN, backend: serving.address });
  const { accepted } = serving;
  assertEquals(await callOneByOne(culvert, 4), ["checked", "checked", "checked", "checked"]);
  assertEquals(serving.accepted, accepted);
  assertEquals((await admin.backend(serving.address)).state, "down");
  await finishChecked(culvert, resting);
});

Deno.test({
  name: "half-open checks find open ports, and no program has a connection to accept",
  ignore: Deno.build.os !== "linux",
  async fn() {
    using members = new Members(2);
    const [a] = members.all as [Member, Member];
    const health = "health: {type: half-open, interval: 100ms, timeout: 60s, rise: 2, fall: 1}";
    await using culvert = await startCulvert(
      proxyConfig({ backends: members.addresses, upstream: health, head: ADMIN_HEAD }),
    );
    using admin = new AdminClient(culvert);
    await admin.ready();
    const resting = culvert.descriptors();
    await until(async () => (await admin.backend(a.address)).check!.inARow >= 5, { what: "some checks" });
    assertEquals(members.all.map(({ accepted }) => accepted), [0, 0]);
    a.stop();
    await culvert.waitFor({ ...DOWN, backend: a.address });
    assertEquals(await callOneByOne(culvert, 2), ["1", "1"]);
    await a.start();
    await culvert.waitFor({ ...UP, backend: a.address });
    assertEquals((await callOneByOne(culvert, 2)).toSorted(), ["0", "1"]);
    assertEquals(members.all.map(({ accepted }) => accepted), [1, 3]);
    await finishChecked(culvert, resting);
  },
});
