import { assert, assertEquals, assertGreater, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { ADMIN_HEAD, AdminClient } from "../support/admin_client.ts";
import { callInVain, callOneByOne, timeOf } from "../support/calls.ts";
import { Callers } from "../support/callers.ts";
import { finishChecked, restingDescriptors } from "../support/checked.ts";
import { Member, Members } from "../support/member.ts";
import { connect, exchange, startResetting } from "../support/peers.ts";
import { type Culvert, startCulvert, THREADS } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { until } from "../support/wait.ts";

const CLOSED = { message: "connection closed" };
const EJECTED = { message: "backend is ejected" };
const RETURNED = { message: "backend is no longer ejected" };
const FAILED_TRY = { message: "cannot connect to backend" };

/** Ports that are closed, and that the system never picks for a listener. */
const REFUSING = ["127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1", "127.0.0.4:1"] as const;

/** Whether the first connection of this client was broken. */
async function broken(culvert: Culvert): Promise<boolean> {
  using client = await connect(culvert.port("main"));
  try {
    return await exchange(client, "break") !== "break";
  } catch {
    return true;
  }
}

Deno.test("connects that fail eject a backend, longer each time, and cost no client anything", async () => {
  using good = new Member("good");
  const [refusing] = REFUSING;
  const upstream = "balance: first, outlier: {failures: 3, ejection: 1s}";
  await using culvert = await startCulvert(
    proxyConfig({ backends: [refusing, good.address], upstream, head: ADMIN_HEAD }),
  );
  using admin = new AdminClient(culvert);
  await using callers = new Callers(culvert.port("main"), { clients: 1 });
  const first = await culvert.waitFor(EJECTED);
  assertEquals([first.backend, first.failures, first.for], [refusing, 3, "1s"]);
  const returned = await culvert.waitFor({ ...RETURNED, backend: refusing });
  assertGreaterOrEqual(timeOf(returned) - timeOf(first), 990);
  const second = await culvert.waitFor(EJECTED, 2);
  assertEquals([second.backend, second.for], [refusing, "2s"]);
  const status = await admin.backend(refusing);
  assertEquals([status.state, status.total, status.effectiveWeight], ["ejected", 0, 0]);
  // Threads go on until they are told.
  if (THREADS === 1) assertEquals(status.failures, 6);
  assert(Date.parse(status.ejectedUntil!) > Date.parse(status.since));
  assertEquals(status.why, "Connection refused (os error 111)");
  await callers.stop();
  assertEquals([callers.errors, [...callers.served.keys()]], [[], ["good"]]);
  const left = await culvert.waitFor(RETURNED, 2);
  assertGreaterOrEqual(timeOf(left) - timeOf(second), 1990);
  // Three attempts in front of each ejection, and none while it lasts.
  const course = [FAILED_TRY, EJECTED, RETURNED].map(({ message }) => message);
  const steps = culvert.records.map(({ message }) => course.indexOf(String(message))).filter((i) => i >= 0);
  const ends = steps.filter((step) => step > 0);
  if (THREADS === 1) assertEquals(steps, [0, 0, 0, 1, 2, 0, 0, 0, 1, 2]);
  assertEquals(ends, [1, 2, 1, 2]);
  await culvert.finish();
});

Deno.test("a check that succeeds does not end an ejection early", async () => {
  using good = new Member("good");
  // It accepts, so that checks are content, and breaks every connection that something comes on.
  await using resetting = await startResetting();
  const health = "health: {type: tcp, interval: 100ms, timeout: 60s, rise: 1, fall: 1}";
  const outlier = "outlier: {failures: 2, ejection: 4s}";
  await using culvert = await startCulvert(
    proxyConfig({
      backends: [resetting.address, good.address],
      upstream: `balance: first, ${health}, ${outlier}`,
      head: ADMIN_HEAD,
    }),
  );
  using admin = new AdminClient(culvert);
  await admin.ready();
  const resting = await restingDescriptors(culvert);
  assertEquals([await broken(culvert), await broken(culvert)], [true, true]);
  const ejected = await culvert.waitFor({ ...EJECTED, backend: resetting.address });
  const before = (await admin.backend(resetting.address)).check!;
  await until(async () => (await admin.backend(resetting.address)).check!.inARow >= before.inARow + 5, {
    what: "five more checks",
  });
  const status = await admin.backend(resetting.address);
  assertEquals([status.state, status.check!.ok, status.check!.detail], ["ejected", true, "connected"]);
  assertEquals(status.why, "connections were reset before any byte came");
  assertEquals(await callOneByOne(culvert, 5), Array(5).fill("good"));
  const returned = await culvert.waitFor({ ...RETURNED, backend: resetting.address });
  assertGreaterOrEqual(timeOf(returned) - timeOf(ejected), 3990);
  assertEquals((await admin.backend(resetting.address)).state, "up");
  assertEquals(await broken(culvert), true, "it is tried again");
  await finishChecked(culvert, resting);
});

Deno.test("a backend that its checks bring back stays ejected until that time is over", async () => {
  using members = new Members(2);
  const [failing] = members.all as [Member, Member];
  const health = "health: {type: tcp, interval: 200ms, timeout: 60s, rise: 1, fall: 1}";
  const outlier = "outlier: {failures: 1, ejection: 4s}";
  await using culvert = await startCulvert(
    proxyConfig({
      backends: members.addresses,
      upstream: `balance: first, ${health}, ${outlier}`,
      head: ADMIN_HEAD,
    }),
  );
  using admin = new AdminClient(culvert);
  await admin.ready();
  const resting = await restingDescriptors(culvert);
  const port = culvert.port("main");
  // A client must connect before the checks find out.
  await using callers = new Callers(port, { clients: 2 });
  await callers.more(5);
  failing.stop();
  const ejected = await culvert.waitFor({ ...EJECTED, backend: failing.address });
  await culvert.waitFor({ message: "backend is down", backend: failing.address });
  await callers.stop();
  await failing.start();
  await culvert.waitFor({ message: "backend is up", backend: failing.address });
  const status = await admin.backend(failing.address);
  assertEquals([status.state, status.check!.ok], ["ejected", true]);
  assertEquals(await callOneByOne(culvert, 5), Array(5).fill("1"));
  const returned = await culvert.waitFor({ ...RETURNED, backend: failing.address });
  assertGreaterOrEqual(timeOf(returned) - timeOf(ejected), 3990);
  assertEquals(await callOneByOne(culvert, 5), Array(5).fill("0"));
  await finishChecked(culvert, resting);
});

Deno.test("a retry never goes to a backend that is ejected", async () => {
  await using resetting = await startResetting();
  const [refusing] = REFUSING;
  // One of the two may be ejected. It is the one that would accept.
  const upstream = "balance: first, retries: 2, outlier: {failures: 1, ejection: 30s}";
  await using culvert = await startCulvert(
    proxyConfig({ backends: [resetting.address, refusing], upstream, head: ADMIN_HEAD }),
  );
  using admin = new AdminClient(culvert);
  assertEquals(await broken(culvert), true);
  await culvert.waitFor({ ...EJECTED, backend: resetting.address });
  const { total } = await admin.backend(resetting.address);
  for (let i = 1; i <= 5; i++) {
    await callInVain(culvert);
    const end = await culvert.waitFor({ ...CLOSED, reason: "connect-failed" }, i);
    assertEquals([end.backend, end.tries], [refusing, 1]);
  }
  assertEquals((await admin.backend(resetting.address)).total, total);
  assertEquals(culvert.found(EJECTED).length, 1);
  await culvert.finish();
});

Deno.test("no more are ejected than maxEjected allows; with all of them the service says backends-down", async () => {
  const config = (maxEjected: string) =>
    proxyConfig({
      backends: REFUSING,
      upstream: `retries: 0, outlier: {failures: 1, ejection: 30s, maxEjected: ${maxEjected}}`,
      head: ADMIN_HEAD,
    });
  await using culvert = await startCulvert(config("50%"));
  using admin = new AdminClient(culvert);
  const call = async () => {
    await callInVain(culvert);
  };
  for (let i = 0; i < 12; i++) await call();
  await culvert.waitFor({ ...CLOSED, reason: "connect-failed" }, 12);
  assertEquals(culvert.found(EJECTED).length, 2);
  assertEquals([(await admin.upstream()).available, await admin.unready()], [2, []]);

  await culvert.reload(config("100%"));
  for (let i = 0; i < 4; i++) await call();
  await culvert.waitFor(EJECTED, 4);
  await culvert.waitFor({ ...CLOSED, reason: "backends-down" }, 2);
  assertEquals(await admin.unready(), ["upstream main: no backend is available (4 ejected)"]);
  await culvert.finish();
});

Deno.test("a backend that comes back takes its share step by step where slowStart says so", async () => {
  using members = new Members(2);
  const [, returning] = members.all as [Member, Member];
  const health = "health: {type: tcp, interval: 100ms, timeout: 60s, rise: 1, fall: 1}";
  const backends = members.addresses.map((address) => `{address: "${address}", weight: 10}`);
  await using culvert = await startCulvert(
    proxyConfig({ backends, upstream: `${health}, slowStart: 2s`, head: ADMIN_HEAD }),
  );
  using admin = new AdminClient(culvert);
  const resting = await restingDescriptors(culvert);
  await admin.ready();
  assertEquals((await admin.backend(returning.address)).effectiveWeight, 10, "none is slow at the start");
  returning.stop();
  await culvert.waitFor({ message: "backend is down" });
  assertEquals((await admin.backend(returning.address)).effectiveWeight, 0);
  await returning.start();
  await culvert.waitFor({ message: "backend is up" });

  const weights = [(await admin.backend(returning.address)).effectiveWeight];
  const early = await callOneByOne(culvert, 12);
  const after = (await admin.backend(returning.address)).effectiveWeight;
  // At a weight of w to 10, of 12 connections it takes at most a share of w / (10 + w), and one for the rounding.
  const most = Math.ceil(12 * after / (10 + after)) + 1;
  assertLessOrEqual(early.filter((name) => name === returning.name).length, most);
  assertGreater(10, weights[0]!);
  await until(async () => {
    weights.push((await admin.backend(returning.address)).effectiveWeight);
    return weights.at(-1) === 10;
  }, { what: "the full weight" });
  assertEquals(weights, weights.toSorted((a, b) => a - b), "it only grows");
  assertGreater(new Set(weights).size, 5, "in steps");
  await callOneByOne(culvert, 2);
  const half = (await callOneByOne(culvert, 10)).filter((name) => name === returning.name).length;
  assertLessOrEqual(Math.abs(half - 5), THREADS - 1, "each thread has a round of its own");
  await finishChecked(culvert, resting);
});
