import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { CulvertError } from "../../../../src/core/errors.ts";
import { etcdSource } from "../../../../src/upstream/discover/etcd/source.ts";
import { FakeClock } from "../../../core/fake_clock.ts";
import { until } from "../../../support/wait.ts";
import { FakeEtcd, type FakeWatch, kv } from "./fake.ts";
import { backend, Follower, parseBackend, PREFIX, quickSource } from "./fixture.ts";

/** Resolves to the watch that is opened as number `index`. */
async function watchOf(fake: FakeEtcd, index = 0): Promise<FakeWatch> {
  await until(() => fake.watches.length > index, { what: "a watch" });
  return fake.watches[index]!;
}

/** A clock that stands still, and tells for how long it was last asked to wait. */
class WatchedClock extends FakeClock {
  lastDelayMs = 0;

  override after(delayMs: number, callback: () => void): () => void {
    this.lastDelayMs = delayMs;
    return super.after(delayMs, callback);
  }

  /** Resolves when the last that was asked for is this delay. */
  async asked(delayMs: number): Promise<void> {
    await until(() => this.lastDelayMs === delayMs, { what: `a wait of ${delayMs} ms` });
  }
}

Deno.test("etcd: many keys are read in pages of one revision, and watched from the next one on", async () => {
  await using fake = new FakeEtcd();
  for (let i = 0; i < 2500; i++) fake.put(`k${i}`, backend(`10.0.${i >> 8}.${i & 255}:1`));
  const { source } = quickSource([fake.url], { checkMs: 60_000 });
  await using follower = new Follower(source);
  const watch = await watchOf(fake);
  assertEquals(follower.specs[0]?.length, 2500);
  const ranges = fake.asked.filter(({ path }) => path === "/v3/kv/range").map(({ body }) => body);
  assertEquals(ranges.map(({ revision }) => revision), [undefined, fake.revision, fake.revision]);
  assertEquals(watch.request.start_revision, fake.revision + 1);
  assertEquals(atob(String(watch.request.range_end)), "/culvert/db0");
});

Deno.test("etcd: a put of one key in ten thousand reads no other value again", async () => {
  await using fake = new FakeEtcd();
  for (let i = 0; i < 10_000; i++) fake.put(`k${i}`, backend("10.0.0.1:1"));
  let parsed = 0;
  const parse = (value: unknown) => {
    parsed++;
    return parseBackend(value);
  };
  const { source } = quickSource([fake.url], { checkMs: 60_000, parse });
  await using follower = new Follower(source);
  const watch = await watchOf(fake);
  assertEquals(parsed, 10_000);
  watch.tell({ events: [{ kv: kv("k77", 20_000, backend("10.0.0.2:1")) }] });
  await until(() => follower.sets.length === 2, { what: "the second set" });
  const [before = [], after = []] = follower.specs;
  assertEquals([parsed, after.filter((spec, i) => spec !== before[i]).length], [10_001, 1]);
});

Deno.test("etcd: the events of one message are one set, and what changes nothing is none", async () => {
  await using fake = new FakeEtcd();
  fake.put("a", backend("10.0.0.1:1"));
  const { source } = quickSource([fake.url], { checkMs: 60_000 });
  await using follower = new Follower(source);
  const watch = await watchOf(fake);
  watch.tell({ events: [{ kv: kv("a", 200, backend("10.0.0.1:1")) }] }); // As before.
  watch.tell({ events: [{ type: "DELETE", kv: { key: btoa(`${PREFIX}none`), mod_revision: "201" } }] });
  watch.tell({
    events: [
      { kv: kv("c", 202, backend("10.0.0.3:1")) },
      { type: "PUT", kv: kv("b", 202, backend("10.0.0.2:1")) },
      { type: "DELETE", kv: { key: btoa(`${PREFIX}a`), mod_revision: "203" } },
    ],
  });
  await follower.until("10.0.0.2:1 10.0.0.3:1");
  assertEquals(follower.sets, ["10.0.0.1:1", "10.0.0.2:1 10.0.0.3:1"]);
});

Deno.test("etcd: messages may be split anywhere and come several at once", async () => {
  await using fake = new FakeEtcd();
  const { source } = quickSource([fake.url], { checkMs: 60_000 });
  await using follower = new Follower(source);
  const watch = await watchOf(fake);
  const line = (name: string, revision: number, address: string) =>
    JSON.stringify({
      result: { header: { cluster_id: "7" }, events: [{ kv: kv(name, revision, backend(address)) }], é: "é" },
    });
  for (const byte of new TextEncoder().encode(`${line("a", 20, "10.0.0.1:1")}\n`)) {
    watch.send(Uint8Array.of(byte));
  }
  await follower.until("10.0.0.1:1");
  watch.send(`\n\n${line("b", 21, "10.0.0.2:1")}\n${line("c", 22, "10.0.0.3:1")}\n{"result"`);
  await follower.until("10.0.0.1:1 10.0.0.2:1 10.0.0.3:1");
  assertEquals(follower.failures, []);
});

/** What a server may say that ends its watch, and the failure that it leads to. */
const ENDINGS: readonly [string, (watch: FakeWatch) => void, string][] = [
  ["a line that is not JSON", (watch) => watch.send("<html>\n"), "etcd_bad_answer"],
  ["a line that is null", (watch) => watch.send("null\n"), "etcd_bad_answer"],
  ["a line that is not UTF-8", (watch) => watch.send(Uint8Array.of(0xff, 10)), "etcd_bad_answer"],
  ["a line without an end", (watch) => watch.send(" ".repeat(16 * 2 ** 20 + 1)), "etcd_bad_answer"],
  ["a key outside of the prefix", (watch) => {
    watch.tell({ events: [{ kv: { ...kv("", 20, ""), key: btoa("/culvert/dbx") } }] });
  }, "etcd_bad_answer"],
  ["a key that is not base64", (watch) => {
    watch.tell({ events: [{ kv: { key: "*", mod_revision: "20" } }] });
  }, "etcd_bad_answer"],
  ["an event from the past", (watch) => watch.tell({ events: [{ kv: kv("a", 3, "") }] }), "etcd_bad_answer"],
  ["an event of a new kind", (watch) => {
    watch.tell({ events: [{ type: "MOVE", kv: kv("a", 20, "") }] });
  }, "etcd_bad_answer"],
  ["a revision beyond all numbers", (watch) => {
    watch.tell({ events: [{ kv: { key: btoa(PREFIX), mod_revision: "9223372036854775807" } }] });
  }, "etcd_bad_answer"],
  ["another cluster's message", (watch) => watch.tell({ header: { cluster_id: "8" } }), "etcd_stale"],
  ["a cancellation", (watch) => watch.tell({ canceled: true, cancel_reason: "so\nit is" }), "etcd_refused"],
  ["an error", (watch) => watch.send('{"error":{"message":"going down"}}'), "etcd_refused"],
  ["the end", () => {}, "etcd_unreachable"],
];

for (const [what, say, code] of ENDINGS) {
  Deno.test(`etcd: after a watch with ${what} all keys are read again`, async () => {
    await using fake = new FakeEtcd();
    const { source } = quickSource([fake.url], { checkMs: 60_000 });
    await using follower = new Follower(source);
    const watch = await watchOf(fake);
    fake.put("a", backend("10.0.0.1:1"));
    say(watch);
    try {
      watch.end();
    } catch {
      // It was left already.
    }
    await follower.failure(code);
    await follower.until("10.0.0.1:1");
    assertEquals(follower.sets, ["", "10.0.0.1:1"]);
    await watchOf(fake, 1);
  });
}

Deno.test("etcd: after compaction all keys are read again at once, without a failure", async () => {
  await using fake = new FakeEtcd();
  const { source } = quickSource([fake.url], { checkMs: 60_000 });
  await using follower = new Follower(source);
  const watch = await watchOf(fake);
  fake.put("a", backend("10.0.0.1:1"));
  watch.tell({ canceled: true, compact_revision: "11" });
  await follower.until("10.0.0.1:1");
  assertEquals(follower.failures, []);
});

Deno.test("etcd: a server that reports compaction repeatedly is a failure", async () => {
  await using fake = new FakeEtcd();
  const error = "etcdserver: mvcc: required revision has been compacted";
  fake.answer = () => Response.json({ error, message: error, code: 11 }, { status: 400 });
  const { source } = quickSource([fake.url]);
  await using follower = new Follower(source);
  assertStringIncludes(await follower.failure("etcd_compacted"), "it answered 400: etcdserver: mvcc");
  assertEquals(follower.sets, []);
});

Deno.test("etcd: an answer without keys is reported in one short line", async () => {
  await using fake = new FakeEtcd();
  const { source } = quickSource([fake.url]);
  const answers: [() => Response, string][] = [
    [() => new Response(`no\n\x1b[31m${"x".repeat(900)}`, { status: 500 }), "it answered 500: no [31mxxx"],
    [() => Response.json({ error: 5 }, { status: 503 }), "it answered 503: nothing more"],
    [() => new Response("x".repeat(100_000), { status: 500 }), "more than 16384 bytes"],
    [() => new Response("<html>"), "the answer is not JSON"],
    [() => Response.json([]), "the answer is no object"],
    [() => Response.json({ header: { cluster_id: "7", revision: -1 } }), "revision is no whole number"],
    [() => Response.json({ header: {}, kvs: {} }), "kvs is no list"],
  ];
  let current = answers[0]![0];
  fake.answer = () => current();
  await using follower = new Follower(source);
  for (const [answer, said] of answers) {
    current = answer;
    await until(() => follower.failures.some((failure) => failure.includes(said)), { what: said });
  }
  assertEquals(follower.failures.filter((failure) => failure.length > 350), []);
});

Deno.test("etcd: more keys than 65,536 are refused, and so are keys out of order", async () => {
  await using fake = new FakeEtcd();
  const endless = (body: Readonly<Record<string, unknown>>) => {
    const from = Number(atob(String(body.key)).slice(PREFIX.length, -1) || 0);
    const kvs = Array.from({ length: 1000 }, (_, i) => kv(String(from + i + 1).padStart(9, "0"), 5, ""));
    return Response.json({ header: { cluster_id: "7", revision: "9" }, kvs, more: true, count: "9" });
  };
  fake.answer = (_path, body) => endless(body);
  const { source } = quickSource([fake.url]);
  await using follower = new Follower(source);
  await follower.failure("etcd_too_much");
  fake.answer = () => endless({ key: btoa(`${PREFIX}0\0`) }); // The first page, again and again.
  await follower.failure("etcd_bad_answer");
  assertEquals(follower.sets, []);
});

Deno.test("etcd: a bad value is left out, and logged once for each revision, across connections", async () => {
  await using fake = new FakeEtcd();
  fake.put("a", backend("10.0.0.1:1"));
  fake.put("b", "{");
  fake.put("ü\n", "[]");
  fake.put("long", `"${"x".repeat(4000)}"`);
  fake.put("heavy", backend("10.0.0.1:1", 65_536));
  const { source, log } = quickSource([fake.url], { checkMs: 60_000 });
  await using follower = new Follower(source);
  const warnings = () =>
    log.lines.filter(({ message }) => message.startsWith("ignoring etcd key"))
      .map(({ fields }) => `${fields.key} ${fields.revision}`);
  const first = await watchOf(fake);
  const expected = [`${PREFIX}b 12`, `${PREFIX}heavy 15`, `${PREFIX}long 14`, `${PREFIX}ü 13`];
  assertEquals(warnings().map((line) => line.replace("\ufffd", "ü")), expected);
  first.end();
  const second = await watchOf(fake, 1);
  assertEquals(warnings().length, 4);
  second.tell({ events: [{ kv: kv("b", 100, "{") }] });
  await until(() => warnings().length === 5, { what: "the warning of the new revision" });
  second.tell({ events: [{ kv: kv("b", 101, backend("10.0.0.2:1")) }] });
  await follower.until("10.0.0.1:1 10.0.0.2:1");
});

Deno.test("etcd: endpoints are tried in turn, and each once before it is a failure", async () => {
  await using first = new FakeEtcd();
  await using second = new FakeEtcd();
  await using third = new FakeEtcd();
  const fakes = [first, second, third];
  for (const fake of fakes) fake.answer = () => new Response("down", { status: 503 });
  const { source, log } = quickSource(fakes.map(({ url }) => url), { checkMs: 100 });
  const stop = new AbortController();
  let thrown: unknown;
  try {
    for await (const _set of source(stop.signal));
  } catch (error) {
    thrown = error;
  }
  assertStringIncludes(String(thrown), third.url);
  assertEquals(fakes.map(({ asked }) => asked.length), [1, 1, 1]);

  second.answer = third.answer = () => undefined;
  second.put("a", backend("10.0.0.2:1"));
  third.put("a", backend("10.0.0.3:1"));
  await using follower = new Follower(source);
  await follower.until("10.0.0.2:1");
  await until(() => second.count("/v3/kv/range") > 4, { what: "checks" });
  (await watchOf(second)).end(); // One that has served well costs nothing when it goes.
  await follower.until("10.0.0.3:1");
  assertEquals(log.lines.filter(({ level }) => level === "warn").at(-1)?.fields.endpoint, second.url);
  second.answer = () => new Response("down", { status: 503 });
  await until(() => third.count("/v3/kv/range") > 4, { what: "checks" });
  (await watchOf(third)).end();
  await watchOf(third, 1); // After the two others.
  assertEquals([follower.failures, first.asked.length], [[], 3]);
});

Deno.test("etcd: by itself a server that falls silent is given up 15 seconds later at the most", async () => {
  await using fake = new FakeEtcd();
  const clock = new WatchedClock();
  const source = etcdSource({ endpoints: [fake.url], prefix: PREFIX, parse: parseBackend, clock });
  await using follower = new Follower(source);
  await watchOf(fake);
  await until(() => clock.pending === 1, { what: "the watch to stand" });
  const silence = Promise.withResolvers<Response>();
  fake.answer = () => silence.promise;
  await clock.advanceAsync(10_000);
  await until(() => fake.count("/v3/kv/range") === 2, { what: "the check" });
  await clock.advanceAsync(4_999);
  assertEquals(follower.failures, []);
  await clock.advanceAsync(1);
  await follower.failure("etcd_timeout");
  silence.resolve(new Response());
  fake.answer = () => undefined;
});

Deno.test("etcd: a check finds keys that the watch has missed, and a decreased revision", async () => {
  await using fake = new FakeEtcd();
  fake.put("a", backend("10.0.0.1:1"));
  const { source } = quickSource([fake.url], { checkMs: 50, graceMs: 50 });
  await using follower = new Follower(source);
  await follower.until("10.0.0.1:1");
  await watchOf(fake);
  fake.put("b", backend("10.0.0.2:1"));
  await follower.until("10.0.0.1:1 10.0.0.2:1");
  fake.keys.delete("a");
  fake.revision++;
  await follower.until("10.0.0.2:1");
  fake.put("b", backend("10.0.0.2:1", 7));
  await follower.until("10.0.0.2:1x7");
  fake.keys.set("b", { revision: 3, value: backend("10.0.0.3:1") });
  fake.revision = 3;
  await follower.until("10.0.0.3:1");
  fake.clusterId = "8"; // Only its ranges say so.
  await follower.failure("etcd_stale");
});

Deno.test("etcd: a watch that lags but speaks is not taken for a dead one", async () => {
  await using fake = new FakeEtcd();
  const clock = new WatchedClock();
  const { source } = quickSource([fake.url], { clock, checkMs: 10_000, graceMs: 2_000 });
  await using follower = new Follower(source);
  const watch = await watchOf(fake);
  await until(() => clock.pending === 1, { what: "the watch to stand" });
  for (const name of ["a", "b", "c"]) fake.put(name, backend("10.0.0.1:1"));
  await clock.advanceAsync(10_000);
  await clock.asked(2_000); // The check has found what is missing.
  watch.tell({ events: [{ kv: kv("a", 11, backend("10.0.0.1:1")) }] });
  await follower.until("10.0.0.1:1");
  await clock.advanceAsync(2_000);
  await clock.asked(10_000); // Two are missing still, but the watch has spoken.
  assertEquals([follower.failures, fake.watches.length], [[], 1]);
});

Deno.test("etcd: an answer that the watch has overtaken is not taken for old data", async () => {
  await using fake = new FakeEtcd();
  const clock = new WatchedClock();
  const { source } = quickSource([fake.url], { clock, checkMs: 10_000, graceMs: 2_000 });
  await using follower = new Follower(source);
  const watch = await watchOf(fake);
  await until(() => clock.pending === 1, { what: "the watch to stand" });
  const late = Promise.withResolvers<Response>();
  fake.answer = () => late.promise;
  await clock.advanceAsync(10_000);
  await until(() => fake.count("/v3/kv/range") === 2, { what: "the check" });
  watch.tell({ events: [{ kv: kv("a", 11, backend("10.0.0.1:1")) }] });
  await follower.until("10.0.0.1:1");
  fake.answer = () => undefined;
  late.resolve(Response.json({ header: { cluster_id: "7", revision: "10" } }));
  await clock.asked(10_000);
  assertEquals([follower.failures, fake.watches.length, fake.count("/v3/kv/range")], [[], 1, 2]);
});

Deno.test("etcd: a redirect is not followed", async () => {
  await using fake = new FakeEtcd();
  fake.answer = (path) => Response.redirect(fake.url + path, 307);
  const { source } = quickSource([fake.url]);
  const asking = Array.fromAsync(source(new AbortController().signal));
  const error = await assertRejects(() => asking, CulvertError);
  assertEquals([error.code, fake.asked.length], ["etcd_unreachable", 1]);
});

Deno.test("etcd: a watch that does not come is given up", async () => {
  await using fake = new FakeEtcd();
  const never = Promise.withResolvers<Response>();
  fake.answer = (path) => path === "/v3/watch" ? never.promise : undefined;
  const { source } = quickSource([fake.url], { requestMs: 200, checkMs: 60_000 });
  {
    await using follower = new Follower(source);
    assertStringIncludes(await follower.failure("etcd_timeout"), "no watch within 200ms");
  }
  never.resolve(new Response());
});

Deno.test("etcd: an abort ends the source at once, whatever it waits for", async () => {
  await using fake = new FakeEtcd();
  const answers: ((path: string) => Response | undefined)[] = [
    () => halfway(),
    (path) => path === "/v3/watch" ? halfway() : undefined,
    () => undefined,
  ];
  for (const answer of answers) {
    fake.asked.length = 0;
    fake.answer = answer;
    const { source } = quickSource([fake.url], { requestMs: 600_000 });
    await using follower = new Follower(source);
    await until(() => fake.asked.length > 0, { what: "a request" });
    await follower[Symbol.asyncDispose]();
    assertEquals(follower.failures, []);
  }
  const stop = AbortSignal.abort();
  for await (const _set of quickSource([fake.url]).source(stop)) throw new Error("nothing was asked for");
});

/** An answer that stops in the middle. */
function halfway(): Response {
  const start = new TextEncoder().encode('{"head');
  return new Response(new ReadableStream({ start: (controller) => controller.enqueue(start) }));
}

Deno.test("etcd: a reader that leaves ends everything", async () => {
  await using fake = new FakeEtcd();
  const { source } = quickSource([fake.url]);
  for await (const set of source(new AbortController().signal)) {
    assertEquals(set, []);
    await watchOf(fake);
    break;
  }
  await (await watchOf(fake)).left;
});

Deno.test("etcd: a token is asked for once, sent with everything, and renewed when it is refused", async () => {
  await using fake = new FakeEtcd();
  let valid = "t1";
  fake.answer = (path) => {
    if (path === "/v3/auth/authenticate") return Response.json({ header: {}, token: valid });
    if (fake.asked.at(-1)!.authorization === valid) return undefined;
    return Response.json({ error: "etcdserver: invalid auth token", code: 16 }, { status: 401 });
  };
  const user = { name: "culvert", password: "geheim" };
  const { source } = quickSource([fake.url], { user, checkMs: 50 });
  await using follower = new Follower(source);
  await watchOf(fake);
  assertEquals(fake.asked[0]?.body, { name: "culvert", password: "geheim" });
  valid = "t2";
  await until(() => fake.asked.filter(({ authorization }) => authorization === "t2").length > 2, {
    what: "the new token",
  });
  assertEquals([fake.count("/v3/auth/authenticate"), follower.failures], [2, []]);
  valid = "\u00e9"; // Nothing that a header may carry.
  assertStringIncludes(await follower.failure("etcd_bad_answer"), "the token is none");
});

Deno.test("etcd: a password that can't be read is a failure", async () => {
  await using fake = new FakeEtcd();
  const password = () => Promise.reject(new Error("no such file"));
  const { source } = quickSource([fake.url], { user: { name: "culvert", password } });
  await using follower = new Follower(source);
  assertStringIncludes(await follower.failure("etcd_no_password"), "no password: no such file");
  assertEquals(fake.asked, []);
});

Deno.test("etcd: options that can't be used are refused when the source is made", () => {
  const make = (options: Partial<Parameters<typeof etcdSource>[0]>) => () =>
    etcdSource({ endpoints: ["http://127.0.0.1:1"], prefix: PREFIX, parse: parseBackend, ...options });
  const wrong: [Partial<Parameters<typeof etcdSource>[0]>, string][] = [
    [{ endpoints: [] }, "bad_etcd_options"],
    [{ prefix: "" }, "bad_etcd_options"],
    [{ tls: {} }, "bad_etcd_options"],
    [{ endpoints: ["https://127.0.0.1:1"], tls: { cert: "x" } }, "bad_etcd_tls"],
    [{ endpoints: ["https://127.0.0.1:1"], tls: { ca: "x", cert: "x", key: "x" } }, "bad_etcd_tls"],
  ];
  for (
    const endpoint of [
      ...["127.0.0.1:2379", "ftp://127.0.0.1", "http://a:b@127.0.0.1", "http://127.0.0.1/v3", "", "http://"],
      ...["http://127.0.0.1?x", "http://127.0.0.1#x", "http://127.0.0.1:99999", "http:127.0.0.1"],
    ]
  ) wrong.push([{ endpoints: [endpoint] }, "bad_etcd_endpoint"]);
  for (const [options, code] of wrong) {
    const error = assertThrows(make(options), CulvertError);
    assertEquals(error.code, code, JSON.stringify(options));
  }
  const secret = assertThrows(make({ endpoints: ["http://me:geheim@127.0.0.1"] }), CulvertError);
  assertEquals(secret.message.includes("geheim"), false);
  make({ endpoints: ["http://[::1]:2379", "HTTPS://etcd.example.org/"] })();
});
