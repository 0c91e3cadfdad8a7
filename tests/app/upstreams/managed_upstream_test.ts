import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { settle } from "../../support/settle.ts";
import { specs } from "../../upstream/upstream_fixture.ts";
import { config, dns, from, ManagedFixture } from "./managed_fixture.ts";

/** One whose file has given `x y`, besides `a` that is listed. */
async function discovering(): Promise<ManagedFixture> {
  const fixture = new ManagedFixture(config("a", { discover: from("one") }));
  await fixture.give("file one", "x y");
  assertEquals(fixture.hosts, "a x y");
  return fixture;
}

Deno.test("a reload that changes nothing of the sources keeps them and their sets, and asks them again", async () => {
  const fixture = await discovering();
  fixture.update(config("a", { discover: from("one") }));
  fixture.update(config("a", { discover: from("one"), retries: 5, balance: "round-robin" }));
  fixture.update(config("a", { discover: from("one", { keepOnEmpty: true }) }));
  assertEquals([fixture.hosts, fixture.made.length, fixture.source("file one").asked], ["a x y", 1, 1]);
  await fixture.give("file one", "");
  assertEquals(fixture.hosts, "a x y"); // As keepOnEmpty holds by now.
  assertEquals(fixture.source("file one").asked, 2);
  await fixture.give("file one", "z");
  assertEquals([fixture.hosts, fixture.source("file one").asked], ["a z", 2]);
  await fixture.end();
});

Deno.test("a reload asks a source at once that has failed", async () => {
  const fixture = await discovering();
  const source = fixture.source("file one");
  await source.fail("no");
  assertEquals(source.asked, source.ended);
  fixture.update(config("a", { discover: from("one") }));
  await fixture.give("file one", "z");
  assertEquals([fixture.hosts, source.asked], ["a z", 2]);
  await fixture.end();
});

Deno.test("the log counts the backends in use: listed ones, and those that stand in for a new source's", async () => {
  const fixture = await discovering();
  fixture.update(config("a", { discover: from("two") }));
  await fixture.source("file two").fail("no");
  const failed = fixture.log.lines.find(({ message }) => message.startsWith("discovery failed"));
  assertEquals([fixture.hosts, failed?.fields?.backends], ["a x y", 3]);
  await fixture.give("file two", "z");
  await fixture.clock.advanceAsync(1000);
  const good = fixture.log.lines.find(({ message }) => message === "discovery recovered");
  assertEquals([fixture.hosts, good?.fields?.backends], ["a z", 2]);
  await fixture.end();
});

Deno.test("the previous set lasts until the source in the place of another has given one", async () => {
  const fixture = await discovering();
  const before = fixture.source("file one");
  fixture.update(config("a", { discover: from("two") }));
  await settle();
  assertEquals([fixture.hosts, before.ended, fixture.source("file two").asked], ["a x y", 1, 1]);
  await fixture.give("file two", "y z");
  assertEquals(fixture.hosts, "a y z");
  await fixture.end();
});

Deno.test("with several sources it lasts until each has given a set, and what comes is added at once", async () => {
  const fixture = await discovering();
  fixture.update(config("a", { discover: from("two", dns("db")) }));
  await fixture.give("file two", "v");
  assertEquals(fixture.hosts, "a v x y");
  await fixture.give("file two", "w");
  assertEquals(fixture.hosts, "a w x y");
  await fixture.give("dns db", "z");
  assertEquals(fixture.hosts, "a z w");
  await fixture.end();
});

Deno.test("a new source that gives the same set changes nothing, and what it gives next counts", async () => {
  const fixture = await discovering();
  const backends = fixture.upstream.backends;
  fixture.update(config("a", { discover: from("two") }));
  await fixture.give("file two", "x y");
  assertEquals(fixture.hosts, "a x y");
  for (const [index, backend] of fixture.upstream.backends.entries()) {
    assertStrictEquals(backend, backends[index]);
  }
  await fixture.give("file two", "y");
  assertEquals(fixture.hosts, "a y");
  await fixture.end();
});

Deno.test("an empty set of a new source is a set, also if the source has failed before", async () => {
  for (const fails of [false, true]) {
    const fixture = await discovering();
    fixture.update(config("a", { discover: from("two") }));
    if (fails) {
      await fixture.source("file two").fail("not yet");
      assertEquals(fixture.hosts, "a x y");
      await fixture.clock.advanceAsync(2000);
      assertEquals(fixture.source("file two").asked, 2);
    }
    await fixture.give("file two", "");
    assertEquals(fixture.hosts, "a");
    await fixture.end();
  }
});

Deno.test("with keepOnEmpty new sources that have nothing to give leave the previous set as it is", async () => {
  const fixture = await discovering();
  const keeping = (path: string, more = {}) => ({ discover: from(path, { keepOnEmpty: true, ...more }) });
  const kept = () =>
    fixture.log.messages.filter((message) => message.includes("returned no backends")).length;
  fixture.update(config("a", keeping("two", dns("db"))));
  await fixture.give("file two", "");
  assertEquals([fixture.hosts, kept()], ["a x y", 0]);
  await fixture.give("dns db", "");
  await fixture.give("dns db", "");
  assertEquals([fixture.hosts, kept()], ["a x y", 1]);
  fixture.update(config("a", keeping("two")));
  await fixture.give("file two", "");
  fixture.update(config("b", keeping("two"))); // What is listed is no answer.
  assertEquals([fixture.hosts, kept()], ["b x y", 2]);
  await fixture.give("file two", "z");
  assertEquals(fixture.hosts, "b z");
  await fixture.give("file two", "");
  assertEquals(fixture.hosts, "b z");
  await fixture.end();
});

Deno.test("with keepOnEmpty nothing is said of a previous set that has only what is listed", async () => {
  const discover = from("one", { keepOnEmpty: true });
  const fixture = new ManagedFixture(config("a"));
  fixture.update(config("a", { discover }));
  await fixture.give("file one", "");
  assertEquals([fixture.hosts, fixture.log.messages], ["a", []]);
  fixture.update(config("b", { discover }));
  assertEquals([fixture.hosts, fixture.log.messages], ["b", []]);
  await fixture.end();
});

Deno.test("once keepOnEmpty does not hold any more, what new sources did not give counts at once", async () => {
  const fixture = await discovering();
  fixture.update(config("a", { discover: from("two", { keepOnEmpty: true }) }));
  await fixture.give("file two", "");
  assertEquals(fixture.hosts, "a x y");
  fixture.update(config("a", { discover: from("two") }));
  assertEquals([fixture.hosts, fixture.made.length], ["a", 2]);
  await fixture.end();
});

Deno.test("what is taken off the list leaves as the new configuration says, with sources and without", async () => {
  for (const sources of [{}, { discover: from("one") }]) {
    const fixture = new ManagedFixture(config("a b", { ...sources, onRemove: "close" }));
    const seen: string[] = [];
    fixture.upstream.backends[0]!.live.add({
      onBackendRemoved: () => seen.push("removed"),
      onBackendDown: () => seen.push("down"),
      onClosedByAdmin: () => {},
      drain: () => seen.push("drain"),
    });
    fixture.update(config("b", { ...sources, onRemove: "drain" }));
    assertEquals([fixture.hosts, seen], ["b", ["drain"]]);
    await fixture.end();
  }
});

Deno.test("a set of a new source that is listed already ends the old one too", async () => {
  const fixture = await discovering();
  fixture.update(config("a", { discover: from("two", dns("db")) }));
  await fixture.give("file two", "v");
  await fixture.source("dns db").give(new Error("not yet"));
  assertEquals(fixture.hosts, "a v x y");
  await fixture.give("dns db", "a");
  assertEquals(fixture.hosts, "a v");
  await fixture.end();
});

Deno.test("where a new source fails for ever the previous set stays for ever", async () => {
  const fixture = await discovering();
  fixture.update(config("a", { discover: from("two") }));
  for (let i = 0; i < 20; i++) {
    await fixture.source("file two").fail("no");
    await fixture.clock.advanceAsync(31_000);
  }
  assertEquals([fixture.hosts, fixture.source("file two").asked], ["a x y", 21]);
  await fixture.end();
});

Deno.test("reloads that come before the new sources have answered lose nothing", async () => {
  const fixture = await discovering();
  for (const path of ["two", "three", "four"]) {
    fixture.update(config("a", { discover: from(path) }));
    await settle();
    assertEquals(fixture.hosts, "a x y");
  }
  // What has been replaced has no say any more.
  await fixture.give("file two", "w");
  assertEquals(fixture.hosts, "a x y");
  await fixture.give("file four", "z");
  assertEquals(fixture.hosts, "a z");
  await fixture.end();
});

Deno.test("an upstream that changes from a list to a source keeps the list until the source has answered", async () => {
  const fixture = new ManagedFixture(config("a b"));
  const [, b] = fixture.upstream.backends;
  fixture.update(config("", { discover: from("one") }));
  assertEquals(fixture.hosts, "a b");
  await fixture.give("file one", "b c");
  assertEquals(fixture.hosts, "b c");
  assertStrictEquals(fixture.upstream.backends[0], b);
  await fixture.end();
});

Deno.test("a reload without sources ends them, and the list counts at once", async () => {
  const fixture = await discovering();
  fixture.update(config("a b"));
  assertEquals([fixture.hosts, fixture.managed.sources], ["a b", undefined]);
  await settle();
  assertEquals(fixture.source("file one").ended, 1);
  await fixture.give("file one", "z");
  assertEquals(fixture.hosts, "a b");
  await fixture.end();
});

Deno.test("what is listed changes at once, whether or not the sources have answered", async () => {
  const fixture = await discovering();
  fixture.update(config("b", { discover: from("one") }));
  assertEquals([fixture.hosts, fixture.made.length], ["b x y", 1]);
  fixture.update(config("c", { discover: from("two") }));
  assertEquals(fixture.hosts, "c x y");
  fixture.update(config("d", { discover: from("two") }));
  assertEquals(fixture.hosts, "d x y");
  await fixture.give("file two", "z");
  assertEquals(fixture.hosts, "d z");
  await fixture.end();
});

Deno.test("what is out of bounds from now on does not last", async () => {
  const fixture = new ManagedFixture(config("a", { discover: from("one") }));
  await fixture.give("file one", "10.0.0.1 192.168.0.1 b");
  fixture.update(config("a", { discover: from("one", { within: ["10.0.0.0/8"] }) }));
  assertEquals(fixture.hosts, "a 10.0.0.1");
  await fixture.give("file one", "10.0.0.2");
  assertEquals(fixture.hosts, "a 10.0.0.2");
  await fixture.end();
});

Deno.test("etcd is queried again with another certificate, and not with the same", async () => {
  const discover = { etcd: { endpoints: ["https://e:1"], prefix: "/db/" }, keepOnEmpty: false };
  const withCa = (ca: string) => ({ etcd: { ca } });
  const fixture = new ManagedFixture(config("a", { discover }), { credentials: withCa("one") });
  await fixture.give("etcd /db/", "x");
  fixture.update(config("a", { discover }), withCa("one"));
  assertEquals(fixture.made.length, 1);
  fixture.update(config("a", { discover }), withCa("two"));
  assertEquals([fixture.made.length, fixture.hosts], [2, "a x"]);
  await fixture.give("etcd /db/", "y");
  assertEquals(fixture.hosts, "a y");
  await fixture.end();
});

Deno.test("a set by hand lasts until the configuration lists other backends", async () => {
  const fixture = new ManagedFixture(config("a b"));
  fixture.managed.replaceBackends(specs("b c"));
  assertEquals(fixture.hosts, "b c");
  fixture.update(config("a b", { retries: 7 }));
  assertEquals([fixture.hosts, fixture.upstream.options.retries], ["b c", 7]);
  fixture.managed.replaceBackends([]);
  fixture.update(config("a b"));
  assertEquals(fixture.hosts, "");
  fixture.update(config("a c"));
  assertEquals(fixture.hosts, "a c");
  fixture.update(config("a b"));
  assertEquals(fixture.hosts, "a b");
  await fixture.end();
});

Deno.test("a set by hand and sources exclude each other: sources that come take its place", async () => {
  const fixture = new ManagedFixture(config("a"));
  fixture.managed.replaceBackends(specs("b"));
  fixture.update(config("a", { discover: from("one") }));
  assertEquals(fixture.hosts, "a b");
  const error = assertThrows(() => fixture.managed.replaceBackends(specs("c")), CulvertError, '"db"');
  assertEquals(error.code, "discovered");
  await fixture.give("file one", "x");
  assertEquals(fixture.hosts, "a x");
  fixture.update(config("a"));
  fixture.managed.replaceBackends(specs("c"));
  assertEquals(fixture.hosts, "c");
  await fixture.end();
});

Deno.test("closing before a source has answered, or while it fails, leaves nothing behind", async () => {
  const pool = { maxIdle: 1, minIdle: 1, maxOpen: 0, idleTimeoutMs: 0 };
  for (const fails of [false, true]) {
    const fixture = new ManagedFixture(config("a", { discover: from("one"), pool }));
    if (fails) await fixture.source("file one").fail("no");
    fixture.update(config("a", { discover: from("two"), pool }));
    await fixture.end();
    await settle();
    assertEquals([fixture.hosts, fixture.clock.pending, fixture.dialler.open.length], ["", 0, 0]);
  }
});

Deno.test("closing waits for sources that have been replaced and do not end, though not for ever", async () => {
  const fixture = await discovering();
  fixture.stubborn = true;
  fixture.update(config("a", { discover: from("two") }));
  await settle();
  fixture.stubborn = false;
  for (const path of ["three", "four"]) fixture.update(config("a", { discover: from(path) }));
  let over = false;
  const closing = Promise.all([fixture.managed.close(), fixture.upstream.close()]).then(() => over = true);
  await fixture.clock.advanceAsync(900);
  assertEquals(over, false);
  await fixture.clock.advanceAsync(100);
  await closing;
  assertEquals([fixture.hosts, fixture.clock.pending], ["", 0]);
});
