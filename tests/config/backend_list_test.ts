import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseBackendList, readBackend, readBackendList } from "../../src/config/backend_list.ts";
import { ConfigError } from "../../src/config/problem/problem.ts";
import { formatAddress } from "../../src/net/address.ts";
import type { BackendSpec } from "../../src/upstream/options.ts";
import { MAX_BACKENDS } from "../../src/upstream/discover/backend_set.ts";
import { unplaced } from "./support.ts";

const OPTIONS = { name: "backends.yaml", folder: "/etc/culvert" };
const DEFAULTS = { weight: 1, maxConnections: 0, backup: false };

function parse(text: string): BackendSpec[] {
  return parseBackendList(text, OPTIONS);
}

/** A backend with its address as text. */
function plainly({ address, ...others }: BackendSpec): unknown {
  return { address: formatAddress(address), ...others };
}

/** What is wrong with a text, a line each. */
function complaints(text: string): string[] {
  return assertThrows(() => parse(text), ConfigError).message.split("\n");
}

Deno.test("the example of the documentation is a list of two backends", async () => {
  const docs = await Deno.readTextFile(new URL("../../docs/discovery.md", import.meta.url));
  const [, section = ""] = docs.split("\n## A file\n");
  const [, text = ""] = /```yaml\n(.*?)```/s.exec(section) ?? [];
  assertEquals(parse(text).map(plainly), [
    { address: "10.0.0.11:5432", ...DEFAULTS },
    { address: "10.0.0.12:5432", ...DEFAULTS, weight: 5 },
  ]);
});

Deno.test("a backend is an address alone, or a mapping as in the configuration", () => {
  const text = `
- db.internal:1
- "[::1]:2"
- unix:/run/a.sock
- unix:b.sock
- {address: "10.0.0.1:3", weight: 0, maxConnections: 9, backup: true}
- {address: "unix:c.sock", weight: 65535}
`;
  const expected = [
    { address: "db.internal:1", ...DEFAULTS },
    { address: "[::1]:2", ...DEFAULTS },
    { address: "unix:/run/a.sock", ...DEFAULTS },
    { address: "unix:/etc/culvert/b.sock", ...DEFAULTS },
    { address: "10.0.0.1:3", weight: 0, maxConnections: 9, backup: true },
    { address: "unix:/etc/culvert/c.sock", ...DEFAULTS, weight: 65_535 },
  ];
  assertEquals(parse(text).map(plainly), expected);
  const value = [
    "db.internal:1",
    "[::1]:2",
    "unix:/run/a.sock",
    { address: "unix:b.sock" },
    { address: "10.0.0.1:3", weight: 0, maxConnections: 9, backup: true },
    { address: "unix:c.sock", weight: 65_535 },
  ];
  assertEquals(parse(JSON.stringify(value)).map(plainly), expected);
  assertEquals(readBackendList(value, OPTIONS).map(plainly), expected);
  assertEquals(value.map((each) => plainly(readBackend(each, OPTIONS))), expected);
});

Deno.test("an empty list is one, and an empty file is none", () => {
  assertEquals([parse("[]"), readBackendList([], OPTIONS)], [[], []]);
  for (const text of ["", "# nothing yet\n", "null"]) assertEquals(complaints(text).length, 1, text);
});

Deno.test("everything that is wrong is reported in one go, with its line", () => {
  const text = `- 10.0.0.1:1
- 10.0.0.1
- {address: "10.0.0.2:0"}
- {address: "10.0.0.3:3", weight: -1}
- {adress: "10.0.0.4:4"}
- {address: "10.0.0.5:5", weight: 70000, backup: maybe}
- 7
`;
  const lines = complaints(text);
  const expected = [
    ["backends.yaml:2: ", "[1]"],
    ["backends.yaml:3: ", "[2].address"],
    ["backends.yaml:4: ", "[3].weight"],
    ["backends.yaml:5: ", 'did you mean "address"?'],
    ["backends.yaml:6: ", "[5].weight"],
    ["backends.yaml:6: ", "[5].backup"],
    ["backends.yaml:7: ", "[6]"],
  ] as const;
  for (const [start, part] of expected) {
    const line = lines.find((line) => line.startsWith(start) && line.includes(part));
    assertStringIncludes(line ?? "", part, `no ${start}${part} in\n${lines.join("\n")}`);
  }
});

Deno.test("what is no list of backends is refused, whatever it is", () => {
  const texts = [
    "a: b",
    "10.0.0.1:1",
    "{}",
    "[[]]",
    "[null]",
    "- a: [",
    "backends: [10.0.0.1:1]",
    '["a:1"',
    "7",
  ];
  for (const text of texts) assertEquals(complaints(text).every((line) => line !== ""), true, text);
  for (const value of [undefined, null, {}, "a:1", 7, [[]], [null], [{}], { length: 1, 0: "a:1" }]) {
    assertThrows(() => readBackendList(value, OPTIONS), ConfigError);
  }
  for (const value of [undefined, null, 7, [], {}, ["a:1"], "a", "a:0", { address: "a:1", weight: 1.5 }]) {
    assertThrows(() => readBackend(value, OPTIONS), ConfigError);
  }
});

Deno.test("ten thousand backends are read", () => {
  const text = Array.from({ length: 10_000 }, (_, i) => `- 10.0.${i >> 8}.${i & 255}:80\n`).join("");
  assertEquals(parse(text).length, 10_000);
});

/** What is wrong with a list, read both ways: the paths. */
function badPaths(list: readonly unknown[]): string[] {
  const text = JSON.stringify(list);
  const ways = [() => parse(text), () => readBackendList(JSON.parse(text), OPTIONS)];
  const [first, second] = ways.map((way) => assertThrows(way, ConfigError).problems.map(({ path }) => path));
  assertEquals(first, second);
  return first!;
}

Deno.test("a list that names an address twice is refused, however it is written, and every such place is reported", () => {
  const list = ["10.0.0.1:1", "10.0.0.2:1", { address: "10.0.0.1:1", weight: 2 }, "10.0.0.2:1"];
  assertEquals(badPaths(list), ["[2].address", "[3]"]);
  assertEquals(readBackendList(list.slice(0, 2), OPTIONS).length, 2);
  const alike = ["localhost:1", "LOCALHOST:1", "[::1]:1", "[0:0::1]:1", "unix:a", "unix:/etc/culvert/./a"];
  assertEquals(badPaths(alike), ["[1]", "[3]", "[5]"]);
});

Deno.test("paths of sockets that are too long, and keys that are reserved, are refused in lists too", () => {
  const long = `unix:/${"a".repeat(300)}`;
  assertEquals(badPaths(["a:1", long, { address: `${long}b` }]), ["[1]", "[2].address"]);
  const reserved = JSON.parse('{"address": "a:1", "__proto__": {"weight": 9}, "constructor": 1}');
  assertThrows(() => readBackendList([reserved], OPTIONS), ConfigError, "[0].__proto__");
  assertThrows(() => readBackendList([reserved], OPTIONS), ConfigError, "[0].constructor");
  for (const one of [long, reserved]) assertThrows(() => readBackend(one, OPTIONS), ConfigError);
  assertThrows(
    () => parse("- {address: 'a:1', constructor: 1}"),
    ConfigError,
    "backends.yaml:1: [0].constructor",
  );
});

Deno.test("a list may be as long as a set of backends, and one that is longer is one problem", () => {
  const list = Array.from({ length: MAX_BACKENDS }, (_, i) => `10.0.${i >> 8}.${i & 255}:80`);
  assertEquals(readBackendList(list, OPTIONS).length, MAX_BACKENDS);
  const tooLong: readonly unknown[] = [...list, 1];
  assertEquals(badPaths(tooLong), [""]);
  const { message } = assertThrows(() => readBackendList(tooLong, OPTIONS), ConfigError);
  assertStringIncludes(message, `expected a list of ${MAX_BACKENDS} items at most`);
});

Deno.test("of very many problems the first hundred are reported, and how many there are besides", () => {
  const lists: [readonly unknown[], number][] = [
    [Array.from({ length: 250 }, () => 7), 250],
    [Array.from({ length: 250 }, () => "a:1"), 249],
    [[...Array.from({ length: 150 }, () => 7), ...Array.from({ length: 100 }, () => "a:1")], 249],
  ];
  for (const [list, count] of lists) {
    const { problems, message } = assertThrows(() => readBackendList(list, OPTIONS), ConfigError);
    assertEquals(problems.length, 101);
    assertEquals(problems.at(-1)?.kind, "more");
    assertEquals(message.split("\n").at(-1), `backends.yaml: and ${count - 100} more`);
  }
  assertEquals(badPaths(Array.from({ length: 100 }, () => 7)).length, 100);
  assertEquals(complaints("- 7\n".repeat(101)).slice(-2), [
    "backends.yaml:100: [99]: expected a backend: its address, or a mapping with that, got 7",
    "backends.yaml: and 1 more",
  ]);
});

Deno.test("the backends of a configuration have the same bounds", () => {
  const complaintsAbout = (backends: readonly unknown[]) =>
    unplaced(
      JSON.stringify({ version: 1, services: [{ name: "a", listen: [":1"], upstream: { backends } }] }),
    );
  assertEquals(
    complaintsAbout(Array.from({ length: MAX_BACKENDS + 1 }, () => 7)).map((line) => line.slice(0, 78)),
    ["services[0].upstream.backends: expected a list of 65536 items at most, got [7,"],
  );
  const lines = complaintsAbout(Array.from({ length: 250 }, () => "a:1"));
  assertEquals([lines.length, lines.at(-1)], [101, "and 149 more"]);
});
