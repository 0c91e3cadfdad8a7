import { assertEquals } from "@std/assert";
import type { BackendSpec } from "../../../src/upstream/options.ts";
import { callbackSource, type Publish } from "../../../src/upstream/discover/callback_source.ts";
import { staticSource } from "../../../src/upstream/discover/static_source.ts";
import { settle } from "../../support/settle.ts";
import { specs } from "../upstream_fixture.ts";
import { hosts } from "./discovery_fixture.ts";

const shown = (word: readonly BackendSpec[] | Error) => word instanceof Error ? word.message : hosts(word);

Deno.test("a static source gives its set once and ends", async () => {
  const sets: string[] = [];
  for await (const set of staticSource(specs("a b"))(new AbortController().signal)) sets.push(hosts(set));
  assertEquals(sets, ["a b"]);
});

Deno.test("a callback source gives each set as it is published, errors too, and undoes the subscription", async () => {
  let publish!: Publish;
  let undone = 0;
  const source = callbackSource((to) => {
    publish = to;
    to(specs("a"));
    return () => void undone++;
  });
  const controller = new AbortController();
  const words: string[] = [];
  const reading = (async () => {
    for await (const word of source(controller.signal)) words.push(shown(word));
  })();
  await settle();
  publish(specs("b"));
  await settle();
  publish(new Error("lost"));
  await settle();
  publish([]);
  await settle();
  assertEquals([words, undone], [["a", "b", "lost", ""], 0]);
  controller.abort();
  await reading;
  publish(specs("c"));
  await settle();
  assertEquals([words.length, undone], [4, 1]);
});

Deno.test("a slow reader of a callback source gets the newest set and none of those before", async () => {
  let publish!: Publish;
  const controller = new AbortController();
  const iterator = callbackSource((to) => {
    publish = to;
    return () => {};
  })(controller.signal)[Symbol.asyncIterator]();
  const first = iterator.next();
  publish(specs("a"));
  assertEquals(shown((await first).value), "a");
  for (let i = 0; i < 100_000; i++) publish(specs(`b${i}`));
  assertEquals(shown((await iterator.next()).value), "b99999");
  const last = iterator.next();
  controller.abort();
  assertEquals((await last).done, true);
});

Deno.test("a callback source whose subscription throws fails", async () => {
  const source = callbackSource(() => {
    throw new Error("no subscriber");
  });
  let message = "";
  try {
    for await (const _ of source(new AbortController().signal));
  } catch (error) {
    message = (error as Error).message;
  }
  assertEquals(message, "no subscriber");
});
