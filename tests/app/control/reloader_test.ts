import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Reloader } from "../../../src/app/control/reloader.ts";
import { ConfigError } from "../../../src/config/problem/problem.ts";
import { CulvertError } from "../../../src/core/errors.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { microtasks, settle } from "../../support/settle.ts";

/** A reloader whose every reload waits until the test ends it. */
function setUp() {
  const log = new RecordingLog();
  const reloads: PromiseWithResolvers<void>[] = [];
  let running = 0;
  let most = 0;
  const reload = async () => {
    const turn = Promise.withResolvers<void>();
    reloads.push(turn);
    most = Math.max(most, ++running);
    await turn.promise.finally(() => running--);
  };
  return { log, reloads, reloader: new Reloader({ reload, log }), most: () => most };
}

Deno.test("a reload that works says so, with why it was asked for", async () => {
  const { log, reloads, reloader } = setUp();
  const outcome = reloader.request("SIGHUP");
  reloads[0]!.resolve();
  assertEquals(await outcome, { ok: true });
  assertEquals(log.lines, [{ level: "info", message: "reloaded", fields: { why: "SIGHUP" } }]);
});

Deno.test("requests that come while one is under way are answered by one more, after it", async () => {
  const { log, reloads, reloader } = setUp();
  const first = reloader.request("first");
  const others = ["second", "third", "fourth"].map((why) => reloader.request(why));
  await settle();
  assertEquals(reloads.length, 1);
  reloads[0]!.resolve();
  await first;
  await settle();
  assertEquals(reloads.length, 2);
  const later = reloader.request("later");
  reloads[1]!.resolve();
  assertEquals(await Promise.all(others), [{ ok: true }, { ok: true }, { ok: true }]);
  await settle();
  reloads[2]!.resolve();
  await later;
  assertEquals(log.lines.map(({ fields }) => fields.why), ["first", "second", "later"]);
});

Deno.test("there are never two at once, in whatever moment the requests come", async () => {
  for (let gap = 0; gap < 15; gap++) {
    const { reloads, reloader, most } = setUp();
    const asked = [reloader.request("first"), reloader.request("second")];
    reloads[0]!.resolve();
    await microtasks(gap);
    asked.push(reloader.request("third"));
    for (let i = 1; i < 3; i++) {
      await settle();
      reloads[i]?.resolve();
    }
    await Promise.all(asked);
    assertEquals(most(), 1, `${gap} steps between`);
  }
});

Deno.test("a configuration that is refused changes nothing, and each of its problems is a line", async () => {
  const { log, reloads, reloader } = setUp();
  const outcome = reloader.request("SIGHUP");
  const problem = { kind: "missing", path: "services", expected: "a list", line: 3 } as const;
  const error = new ConfigError("proxy.yaml", [problem, { ...problem, path: "upstreams" }]);
  reloads[0]!.reject(error);
  const result = await outcome;
  assert(!result.ok);
  assertStrictEquals(result.error, error);
  assertEquals(log.lines.map(({ level }) => level), ["error", "error", "error"]);
  assertEquals(log.lines[0]!.fields, { why: "SIGHUP", error: "2 problems" });
  assertEquals(log.lines.slice(1).map(({ fields }) => fields.problem), error.message.split("\n"));
});

Deno.test("one problem is one problem", async () => {
  const { log, reloads, reloader } = setUp();
  const outcome = reloader.request("SIGHUP");
  reloads[0]!.reject(new ConfigError("f", [{ kind: "missing", path: "services", expected: "a list" }]));
  await outcome;
  assertEquals(log.lines[0]!.fields, { why: "SIGHUP", error: "1 problem" });
});

Deno.test("whatever else goes wrong is an answer too, and the next reload is not held up by it", async () => {
  const { log, reloads, reloader } = setUp();
  const first = reloader.request("first");
  const second = reloader.request("second");
  reloads[0]!.reject(new TypeError("an internal error"));
  const result = await first;
  assert(!result.ok && result.error instanceof CulvertError);
  assertEquals([result.error.code, result.error.message], [
    "reload_failed",
    "Cannot reload: an internal error",
  ]);
  assert(result.error.cause instanceof TypeError);
  await settle();
  reloads[1]!.resolve();
  assertEquals(await second, { ok: true });
  assertEquals(log.lines[0]!.fields.error, "Cannot reload: an internal error");
});

Deno.test("before the first reload the state is that of the start", () => {
  const before = Date.now();
  const { reloader: { state: { appliedAt, at, ...state } } } = setUp();
  assertEquals(state, { generation: 1, why: "start", outcome: { ok: true } });
  assert(appliedAt >= before && appliedAt <= Date.now() && at >= appliedAt);
});

Deno.test("the state follows each reload: good ones count, bad ones leave what runs as it is", async () => {
  const { reloads, reloader } = setUp();
  const states = [reloader.state];
  for (const [index, good] of [true, false, false, true].entries()) {
    const asked = reloader.request(`reload ${index}`);
    assertStrictEquals(reloader.state, states.at(-1)); // Until it is over.
    if (good) reloads[index]!.resolve();
    else reloads[index]!.reject(new CulvertError("listen_failed", "taken"));
    assertStrictEquals(reloader.state.outcome, states.at(-1)!.outcome);
    const outcome = await asked;
    states.push(reloader.state);
    assertEquals([outcome.ok, reloader.state.why], [good, `reload ${index}`]);
    assertStrictEquals(reloader.state.outcome, outcome);
  }
  assertEquals(states.map(({ generation }) => generation), [1, 2, 2, 2, 3]);
  for (const bad of [2, 3]) assertEquals(states[bad]!.appliedAt, states[1]!.appliedAt);
  for (const good of [1, 4]) assertEquals(states[good]!.appliedAt, states[good]!.at);
});

Deno.test("reloads that share one are one generation, for the first one's reason", async () => {
  const { reloads, reloader } = setUp();
  const asked = ["first", "second", "third"].map((why) => reloader.request(why));
  reloads[0]!.resolve();
  await asked[0];
  assertEquals([reloader.state.generation, reloader.state.why], [2, "first"]);
  await settle();
  reloads[1]!.resolve();
  const [, second, third] = await Promise.all(asked);
  assertStrictEquals(second, third);
  assertEquals([reloader.state.generation, reloader.state.why], [3, "second"]);
});
