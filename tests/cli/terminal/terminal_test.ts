import { assertEquals } from "@std/assert";
import { type Key, KeyReader } from "../../../src/cli/terminal/keys.ts";
import { shortDuration, shortRate, shortSize } from "../../../src/cli/terminal/quantities.ts";
import { tableLines } from "../../../src/cli/terminal/table.ts";
import { pad, textWidth, truncate } from "../../../src/cli/terminal/text_width.ts";

Deno.test("texts are measured, cut and padded by the columns that they take", () => {
  assertEquals(["abc", "漢字", "e\u0301", "👍"].map(textWidth), [3, 4, 1, 2]);
  assertEquals(truncate("abcdef", 4), "abc…");
  assertEquals(truncate("漢字漢", 4), "漢…");
  assertEquals(truncate("abc", 3), "abc");
  assertEquals(pad("漢", { columns: 4 }), "漢  ");
  assertEquals(pad("7", { columns: 3, right: true }), "  7");
});

Deno.test("the columns of a table fit the width: texts are shortened, the widest first, and numbers last", () => {
  const columns = [{ title: "NAME" }, { title: "N", right: true }, { title: "WHY" }];
  const rows = [["one", "1", "because of that"], ["three", "1000", ""]];
  assertEquals(tableLines(columns, rows), [
    "NAME      N  WHY",
    "one       1  because of that",
    "three  1000",
  ]);
  assertEquals(tableLines(columns, rows, { width: 20 }), [
    "NAME      N  WHY",
    "one       1  becaus…",
    "three  1000",
  ]);
  for (let width = 0; width < 30; width++) {
    for (const line of tableLines(columns, rows, { width })) assertEquals(textWidth(line) <= width, true);
  }
});

Deno.test("sizes, rates and durations are short", () => {
  assertEquals([0, 512, 1000, 1536, 10_240, 1e9].map(shortSize), ["0", "512", "1.0K", "1.5K", "10K", "954M"]);
  assertEquals([0, 0.25, 9.9, 12.4, 2048].map(shortRate), ["0", "0.3", "9.9", "12", "2.0K"]);
  assertEquals([0, 59_900, 185_000, 7_620_000, 442_800_000].map(shortDuration), [
    ...["0s", "59s", "3m05s", "2h07m", "5d03h"],
  ]);
});

Deno.test("keys are read from bytes in pieces of any size", () => {
  const bytes = new TextEncoder().encode("a\x1b[A\x1bOB\x1b[5~\x7fé\x03\t\r\x1b[99;5~z");
  const expected: Key[] = [
    { char: "a" },
    ...(["up", "down", "page-up", "backspace"] as const).map((name) => ({ name })),
    { char: "é" },
    ...(["ctrl-c", "tab", "enter"] as const).map((name) => ({ name })),
    { char: "z" },
  ];
  for (let size = 1; size <= bytes.length; size++) {
    const reader = new KeyReader();
    const keys: Key[] = [];
    for (let at = 0; at < bytes.length; at += size) keys.push(...reader.push(bytes.subarray(at, at + size)));
    assertEquals(keys, expected, `pieces of ${size}`);
  }
});

Deno.test("an escape character alone is a key when nothing follows it", () => {
  const reader = new KeyReader();
  assertEquals([reader.push(Uint8Array.of(0x1b)), reader.pending], [[], true]);
  assertEquals([reader.flush(), reader.pending], [[{ name: "escape" }], false]);
  assertEquals(reader.push(new TextEncoder().encode("\x1bq")), [{ name: "escape" }, { char: "q" }]);
});
