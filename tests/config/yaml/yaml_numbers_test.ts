import { assertEquals } from "@std/assert";
import { readDocument } from "../../../src/config/yaml/read_document.ts";
import { configWith, unplaced } from "../support.ts";

function read(text: string): unknown {
  return readDocument(text, "a.yaml");
}

Deno.test("what YAML 1.2 takes for a number is one", () => {
  const numbers = "[0, 7, -7, +7, 100, 0x1F, 1.5, 0.5, -0.5, 1e3, 10.0]";
  assertEquals(read(numbers), [0, 7, -7, 7, 100, 31, 1.5, 0.5, -0.5, 1000, 10]);
  // And again where there is something else to be looked at.
  assertEquals(read(`{a: ${numbers}, b: 0_1}`), { a: read(numbers), b: "0_1" });
});

Deno.test("what only YAML 1.1 takes for a number stays what is written", () => {
  for (const text of ["0100", "-0100", "+0100", "00", "0b11", "-0b1", "1_000", "1_0.5", "0x1_F", "0_7"]) {
    assertEquals(read(text), text, text);
    assertEquals(read(`- ${text}\n- [{a: ${text}}]`), [text, [{ a: text }]], text);
    assertEquals(read(`"${text}"`), text);
  }
});

Deno.test("it does so behind anchors, aliases and merge keys, and leaves everything else alone", () => {
  const text = `
base: &base {port: 0100, weight: 5, list: &list [0b1, 2]}
other: {<<: *base, weight: 07}
again: *list
twice: {<<: [*base, {size: 0_1, weight: 06}], port: 9}
date: 2026-01-02
`;
  assertEquals(read(text), {
    base: { port: "0100", weight: 5, list: ["0b1", 2] },
    other: { port: "0100", weight: "07", list: ["0b1", 2] },
    again: ["0b1", 2],
    twice: { port: 9, weight: 5, list: ["0b1", 2], size: "0_1" },
    date: new Date("2026-01-02"),
  });
});

Deno.test("a document with tags, which is not written in that way, is left as it is", () => {
  assertEquals(read("{a: !!binary aGk=, b: 1_000}"), { a: new TextEncoder().encode("hi"), b: 1000 });
});

Deno.test("aliases within themselves have an end", () => {
  const made = read("&a [0_1, *a, {<<: {b: 00}}]") as unknown[];
  assertEquals([made[0], made[1] === made, made[2]], ["0_1", true, { b: "00" }]);
  read("{0_1: 2, a: &a {<<: &b {<<: *a, b: 00}}}");
});

Deno.test("a port, a count or a duration in such a form is refused, and the message shows what is written", () => {
  const count = "upstreams.db.backends[0].weight: expected a whole number from 0 to 65535, got";
  for (const weight of ["0100", "0b11", "1_000"]) {
    const upstream = `backends: [{address: "a:1", weight: ${weight}}]`;
    assertEquals(unplaced(configWith({ upstream })), [`${count} "${weight}"`]);
  }
  assertEquals(unplaced(configWith({ upstream: "slowStart: 0100" })).length, 1);
  assertEquals(unplaced(configWith({ upstream: "health: {type: tcp, port: 0100}" })).length, 1);
});
