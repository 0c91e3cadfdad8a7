import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ConnectFailedError, NoBackendError } from "../../src/upstream/errors.ts";
import { ConnectTimeoutError } from "../../src/upstream/pool/errors.ts";
import { microtasks, settle } from "../support/settle.ts";
import { spec, specs, UpstreamFixture } from "./upstream_fixture.ts";

const WITHIN = { connectMs: 10_000 };

Deno.test("a backend that answers is found at once, and counted as in use until it is closed", async () => {
  const fixture = new UpstreamFixture(specs("a b"));
  const search = fixture.upstream.search(WITHIN);
  const run = search.run();
  assertEquals(fixture.counts, ["a 1 active 0 failed", "b 0 active 0 failed"]);
  (await fixture.dialler.call(0)).accept();
  const found = await run;
  assertEquals([found.backend.key, found.backend.total, search.tried], ["a:1", 1, [found.backend]]);
  assertEquals([found.backend.active, fixture.wheel.size], [1, 0]);
  found.discard();
  assertEquals([found.backend.active, fixture.dialler.unclosed], [0, 0]);
  await fixture.upstream.close();
});

Deno.test("one that fails is followed by others, never the same twice, and then by nothing", async () => {
  const fixture = new UpstreamFixture(specs("a b c d"), { retries: 2 });
  const search = fixture.upstream.search(WITHIN);
  const run = search.run();
  for (let i = 0; i < 3; i++) (await fixture.dialler.call(i)).refuse();
  const error = await assertRejects(() => run, ConnectFailedError);
  assertEquals(
    error.message,
    'Cannot connect to upstream "db": 3 attempts failed, the last with: refused by the test',
  );
  assert(error.cause instanceof Deno.errors.ConnectionRefused);
  assertEquals([fixture.asked, search.tried.length], ["a b c", 3]);
  assertEquals(fixture.counts.slice(2), ["c 0 active 1 failed", "d 0 active 0 failed"]);
  assertEquals(fixture.log.lines.map(({ level, fields }) => [level, fields.backend]), [
    ["debug", "a:1"],
    ["debug", "b:1"],
    ["debug", "c:1"],
  ]);
  await fixture.upstream.close();
});

Deno.test("with fewer backends than tries each is tried once", async () => {
  const fixture = new UpstreamFixture(specs("a b"), { retries: 5, balance: "round-robin" });
  const run = fixture.upstream.search(WITHIN).run();
  (await fixture.dialler.call(0)).refuse();
  (await fixture.dialler.call(1)).refuse();
  await assertRejects(() => run, ConnectFailedError, "2 attempts failed");
  assertEquals(new Set(fixture.asked.split(" ")).size, 2);
  await fixture.upstream.close();
});

Deno.test("no retries means one try", async () => {
  const fixture = new UpstreamFixture(specs("a b"), { retries: 0 });
  const run = fixture.upstream.search(WITHIN).run();
  (await fixture.dialler.call(0)).refuse();
  await assertRejects(() => run, ConnectFailedError);
  assertEquals(fixture.asked, "a");
  await fixture.upstream.close();
});

Deno.test("each try has the whole time for itself, and one that hangs is given up", async () => {
  const fixture = new UpstreamFixture(specs("a b"));
  const run = fixture.upstream.search({ connectMs: 3000 }).run();
  const failed = assertRejects(() => run, ConnectFailedError);
  await fixture.clock.advanceAsync(2900);
  assertEquals(fixture.asked, "a");
  await fixture.clock.advanceAsync(200);
  assertEquals([fixture.asked, fixture.dialler.calls[0]!.signal.aborted], ["a b", true]);
  await fixture.clock.advanceAsync(2800);
  assertEquals(fixture.dialler.open.length, 1);
  await fixture.clock.advanceAsync(300);
  const { cause } = await failed;
  assert(cause instanceof ConnectTimeoutError);
  assertEquals([cause.code, cause.message], ["connect_timeout", 'Cannot dial "b:1": timed out after 3000ms']);
  assertEquals(fixture.counts, ["a 0 active 1 failed", "b 0 active 1 failed"]);
  assertEquals([fixture.dialler.open.length, fixture.wheel.size, fixture.clock.pending], [0, 0, 0]);
  await fixture.upstream.close();
});

Deno.test("waiting for a place in the pool counts as part of the try", async () => {
  const pool = { maxIdle: 8, minIdle: 0, maxOpen: 1, idleTimeoutMs: 0 };
  const fixture = new UpstreamFixture(specs("a b"), { pool });
  const first = fixture.upstream.search(WITHIN).run();
  (await fixture.dialler.call(0)).accept();
  const second = fixture.upstream.search({ connectMs: 3000 }).run();
  await fixture.clock.advanceAsync(3100);
  assertEquals(fixture.asked, "a b");
  fixture.dialler.calls[1]!.accept();
  assertEquals((await second).backend.key, "b:1");
  (await first).discard();
  (await second).discard();
  await fixture.upstream.close();
});

Deno.test("an abort gives up at once with its reason, and frees what is being dialled", async () => {
  const fixture = new UpstreamFixture(specs("a b"));
  const search = fixture.upstream.search(WITHIN);
  const run = search.run();
  const { signal } = await fixture.dialler.call(0);
  const left = new Error("the client has left");
  search.abort(left);
  assertEquals(signal.aborted, true);
  assertStrictEquals(await run.catch((error) => error), left);
  assertEquals([fixture.asked, fixture.counts[0], fixture.wheel.size], ["a", "a 0 active 0 failed", 0]);
  await fixture.upstream.close();
});

Deno.test("an abort at any moment leaves no connection open and nothing counted", async () => {
  for (let gap = 0; gap < 25; gap++) {
    const fixture = new UpstreamFixture(specs("a b"));
    const search = fixture.upstream.search(WITHIN);
    const run = search.run().then((found) => found.discard(), () => {});
    (await fixture.dialler.call(0)).accept();
    await microtasks(gap);
    search.abort(new Error("the client has left"));
    await run;
    assertEquals(
      [fixture.counts[0], fixture.dialler.unclosed],
      ["a 0 active 0 failed", 0],
      `after ${gap} steps`,
    );
    await fixture.upstream.close();
  }
});

Deno.test("a search that was aborted before it began tries no backend", async () => {
  const fixture = new UpstreamFixture(specs("a"));
  const search = fixture.upstream.search(WITHIN);
  const left = new Error("the client has left");
  search.abort(left);
  assertStrictEquals(await search.run().catch((error) => error), left);
  assertEquals(fixture.asked, "");
  await fixture.upstream.close();
});

Deno.test("leave gives up after its time, and not if there was a connection in time", async () => {
  const fixture = new UpstreamFixture(specs("a"));
  const left = new Error("the client has left");
  const late = fixture.upstream.search(WITHIN);
  const lateRun = late.run().catch((error) => error);
  late.abortAfter(1000, left);
  await fixture.clock.advanceAsync(1100);
  assertStrictEquals(await lateRun, left);
  const inTime = fixture.upstream.search(WITHIN);
  const run = inTime.run();
  inTime.abortAfter(1000, left);
  await fixture.clock.advanceAsync(800);
  fixture.dialler.calls[1]!.accept();
  const found = await run;
  inTime.abortAfter(1000, left);
  await fixture.clock.advanceAsync(10_000);
  assertEquals([found.backend.active, fixture.wheel.size], [1, 0]);
  found.discard();
  await fixture.upstream.close();
});

Deno.test("without an available backend nothing is tried, and the error says so", async () => {
  const none = [[], [spec("a", { weight: 0 })], [
    spec("a", { weight: 0 }),
    spec("b", { weight: 0, backup: true }),
  ]];
  for (const backends of none) {
    const fixture = new UpstreamFixture(backends);
    assertEquals(fixture.upstream.available, false);
    const error = await assertRejects(() => fixture.upstream.search(WITHIN).run(), NoBackendError);
    assertEquals(error.message, 'Cannot connect to upstream "db": no backend is available');
    assertEquals(fixture.asked, "");
    await fixture.upstream.close();
  }
});

Deno.test("a backend that leaves the set while it is dialled is not used: another one is", async () => {
  const fixture = new UpstreamFixture(specs("a b"));
  const run = fixture.upstream.search(WITHIN).run();
  const dialling = await fixture.dialler.call(0);
  fixture.upstream.updateBackends(specs("b"));
  dialling.accept();
  (await fixture.dialler.call(1)).accept();
  const found = await run;
  assertEquals([found.backend.key, fixture.dialler.dialled[0]!.closed], ["b:1", true]);
  found.discard();
  await fixture.upstream.close();
  assertEquals(fixture.dialler.unclosed, 0);
});

Deno.test("backends that leave the set while they are dialled use up no tries, however many they are", async () => {
  const fixture = new UpstreamFixture(specs("a"), { retries: 0 });
  const search = fixture.upstream.search(WITHIN);
  const run = search.run();
  for (const [index, next] of ["b", "c", "d"].entries()) {
    const dialling = await fixture.dialler.call(index);
    fixture.upstream.updateBackends(specs(next));
    if (index === 1) dialling.refuse();
    else dialling.accept();
  }
  (await fixture.dialler.call(3)).accept();
  const found = await run;
  assertEquals([found.backend.key, search.tried], ["d:1", [found.backend]]);
  found.discard();
  await fixture.upstream.close();
  assertEquals(fixture.dialler.unclosed, 0);
});

Deno.test("a search that waits for a removed backend tries another one at once", async () => {
  const pool = { maxIdle: 8, minIdle: 0, maxOpen: 1, idleTimeoutMs: 0 };
  const fixture = new UpstreamFixture(specs("a b"), { pool });
  const first = fixture.upstream.search(WITHIN).run();
  (await fixture.dialler.call(0)).accept();
  (await first).backend;
  const second = fixture.upstream.search(WITHIN).run();
  await settle();
  fixture.upstream.updateBackends(specs("b"));
  (await fixture.dialler.call(1)).accept();
  assertEquals((await second).backend.key, "b:1");
  (await first).discard();
  (await second).discard();
  await fixture.upstream.close();
  assertEquals(fixture.dialler.unclosed, 0);
});

Deno.test("a dial that fails for lack of local descriptors or ports ejects no backend", async () => {
  const outlier = { failures: 1, ejectionMs: 30_000, maxEjected: 1 };
  for (const code of ["EMFILE", "EADDRNOTAVAIL"]) {
    const fixture = new UpstreamFixture(specs("a b"), { retries: 0, outlier });
    const fail = async (call: number, error: Error) => {
      const run = fixture.upstream.search(WITHIN).run();
      (await fixture.dialler.call(call)).fail(error);
      await assertRejects(() => run, ConnectFailedError, error.message);
    };
    await fail(0, Object.assign(new Error("it is ours"), { code }));
    await fail(1, new Error("outer", { cause: Object.assign(new Error("inner"), { code }) }));
    assertEquals(fixture.upstream.backends.map(({ state, failures }) => [state, failures]), [
      ["up", 2],
      ["up", 0],
    ]);
    await fail(2, new Error("it is the backend's"));
    assertEquals(fixture.upstream.backends.map(({ state }) => state), ["ejected", "up"]);
    await fixture.upstream.close();
  }
});

Deno.test("nothing is dialled ahead for a backend that is to take nothing, and its idle connections end", async () => {
  const pool = { maxIdle: 8, minIdle: 1, maxOpen: 0, idleTimeoutMs: 0 };
  const fixture = new UpstreamFixture([spec("a"), spec("b", { weight: 0 })], { pool });
  (await fixture.dialler.call(0)).accept();
  await settle();
  assertEquals([fixture.asked, fixture.upstream.backends[0]!.pool.stats.idle], ["a", 1]);
  const [a] = fixture.upstream.backends;
  a!.disabled = true;
  await settle();
  assertEquals([fixture.asked, a!.pool.stats.idle, fixture.dialler.unclosed], ["a", 0, 0]);
  a!.disabled = false;
  (await fixture.dialler.call(1)).accept();
  await settle();
  assertEquals([fixture.asked, a!.pool.stats.idle], ["a a", 1]);
  await fixture.upstream.close();
});
