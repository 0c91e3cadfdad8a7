import { assertEquals } from "@std/assert";
import { parse, stringify } from "@std/yaml";
import { LineMarks } from "../../../src/config/yaml/line_marks.ts";
import type { Path } from "../../../src/config/problem/problem.ts";
import { Random } from "../support.ts";

/** A text, and the line of each path in it. */
const TEXTS: Readonly<
  Record<string, readonly [text: string, lines: readonly (readonly [Path, number | undefined])[]]>
> = {
  "block mappings and lists": [
    `# a comment
version: 1   # with another

services:
  - name: a
    # between
    listen:
      - one
      -   two

    upstream: x
  -
    name: b
`,
    [
      [["version"], 2],
      [["services"], 4],
      [["services", 0], 5],
      [["services", 0, "name"], 5],
      [["services", 0, "listen"], 7],
      [["services", 0, "listen", 0], 8],
      [["services", 0, "listen", 1], 9],
      [["services", 0, "upstream"], 11],
      [["services", 1], 12],
      [["services", 1, "name"], 13],
      [["services", 1, "missing"], 12],
      [["services", 2], 4],
      [["nothing"], undefined],
      [[], undefined],
    ],
  ],
  "lists in the column of their key, and nested ones": [
    `a:
- x
- b:
  - y
  - z
  c: 1
- - p
  - q
d: 1
`,
    [
      [["a", 0], 2],
      [["a", 1, "b"], 3],
      [["a", 1, "b", 1], 5],
      [["a", 1, "c"], 6],
      [["a", 2], 7],
      [["a", 2, 0], 7],
      [["a", 2, 1], 8],
      [["d"], 9],
    ],
  ],
  "quoted keys and texts that look like keys": [
    `"a b": 1
'c''d': 2
"e\\tf": 3
g: "x: y
  h: z"
i: 'one
  - two'
j: a#b # k: l
m:n: 4
http://x: 5
o: p
  q r
s: 6
`,
    [
      [["a b"], 1],
      [["c'd"], 2],
      [["e\tf"], 3],
      [["g"], 4],
      [["i"], 6],
      [["j"], 8],
      [["m:n"], 9],
      [["http://x"], 10],
      [["o"], 11],
      [["s"], 13],
    ],
  ],
  "block scalars": [
    `a: |
  b: 1
    - c

  d: 2
e: >-
  f
list:
  - |
    g: 3
  - h: |2
      i: 4
    j: 5
k: &anchor |
  l: m
n: 6
`,
    [
      [["a"], 1],
      [["e"], 6],
      [["list", 0], 9],
      [["list", 1, "h"], 11],
      [["list", 1, "j"], 13],
      [["k"], 14],
      [["n"], 16],
    ],
  ],
  "flow style on one line and on several": [
    `a: {b: 1, c: [x, {d: 2}]}
e: [
  "one, [", two: three,   # a comment ]
  :80, # another
  [p,
   q],
]
f:
  {g: "h}",
   'i': j, k:
     l}
m: 1
`,
    [
      [["a", "c", 1, "d"], 1],
      [["e"], 2],
      [["e", 0], 3],
      [["e", 1], 3],
      [["e", 1, "two"], 3],
      [["e", 2], 4],
      [["e", 3], 5],
      [["e", 3, 1], 6],
      [["f", "g"], 9],
      [["f", "i"], 10],
      [["f", "k"], 10],
      [["m"], 12],
    ],
  ],
  "JSON on several lines": [
    `{
  "version": 1,
  "services": [
    { "name": "a:b, {c}", "listen": [":1",
      ":2"] },
    {
      "na\\u006de": "c"
    }
  ], "x": {}
}
`,
    [
      [["version"], 2],
      [["services", 0], 4],
      [["services", 0, "listen", 0], 4],
      [["services", 0, "listen", 1], 5],
      [["services", 1], 6],
      [["services", 1, "name"], 7],
      [["x"], 9],
    ],
  ],
  "a document with a mark, a directive and an end": [
    `%YAML 1.2
--- # here
a: 1
b:
  c: 2
...
`,
    [[["a"], 3], [["b", "c"], 5]],
  ],
  "line ends of Windows": ["a: 1\r\nb:\r\n  - c\r\n  - |\r\n    d: 1\r\n\r\ne: 2\r\n", [
    [["b"], 2],
    [["b", 1], 4],
    [["e"], 7],
  ]],
  "a byte order mark": ["\ufeffa: 1\nb: 2\n", [[["a"], 1], [["b"], 2]]],
  "anchors, aliases, tags and merge keys": [
    `a: &x
  b: 1
  c: 2
d: *x
e:
  <<: *x
  c: 3
f: !!map
  g: 4
h: &y {i: 5,
  j: 6}
`,
    [
      [["a", "c"], 3],
      // What an alias brings in stands elsewhere.
      [["d", "c"], 4],
      [["e", "b"], 5],
      [["e", "c"], 7],
      [["f", "g"], 9],
      [["h", "j"], 11],
    ],
  ],
  "what is not understood": [
    `a: 1
b:
  ? c
  : 2
  d: 3
e: 4
f:
  1.0: 5
  g: 6
`,
    // The key c is overlooked and 1.0 is 1 to the parser, so what stands beside them is not told either.
    [[["b", "d"], 2], [["e"], 6], [["f", "1"], 7], [["f", "g"], 7]],
  ],
};

for (const [name, [text, lines]] of Object.entries(TEXTS)) {
  Deno.test(`the lines of ${name} are reported`, () => {
    const marks = new LineMarks(text, parse(text));
    assertEquals(
      lines.map(([path]) => [path, marks.lineOf(path)]),
      lines.map(([path, line]) => [path, line]),
    );
  });
}

/** A document with a text at the end of each path that stands nowhere else in it. */
function randomDocument(random: Random, depth: number): unknown {
  const size = 1 + random.below(4);
  const inner = () =>
    depth === 0 || random.below(3) === 0 ? `v${random.below(1e9)}w` : randomDocument(random, depth - 1);
  if (random.below(2) === 0) return Array.from({ length: size }, inner);
  const key = () =>
    random.pick(["a b", "c: d", "#e", "f", "'g", '"h', "-i", "- j", "k\tl", "é"]) + random.below(1e6);
  return Object.fromEntries(Array.from({ length: size }, () => [key(), inner()]));
}

function leavesOf(value: unknown, path: Path = []): (readonly [Path, string])[] {
  if (typeof value === "string") return [[path, value]];
  if (Array.isArray(value)) return value.flatMap((item, index) => leavesOf(item, [...path, index]));
  return Object.entries(value as object).flatMap(([key, inner]) => leavesOf(inner, [...path, key]));
}

const FORMS: Readonly<Record<string, (document: unknown) => string>> = {
  "block style": (document) => stringify(document),
  "JSON on one line": (document) => JSON.stringify(document),
  "JSON on several lines": (document) => JSON.stringify(document, null, 2),
  "JSON inside block style": (document) =>
    `x:\n  - ${JSON.stringify(document, null, 3).replaceAll("\n", "\n    ")}\n`,
};

for (const [form, write] of Object.entries(FORMS)) {
  Deno.test(`every line of random documents in ${form} is reported`, () => {
    const random = new Random(20_260_417);
    for (let round = 0; round < 200; round++) {
      const text = write(randomDocument(random, 4));
      const document = parse(text);
      const marks = new LineMarks(text, document);
      const lines = text.split("\n");
      for (const [path, leaf] of leavesOf(document)) {
        assertEquals(marks.lineOf(path), lines.findIndex((line) => line.includes(leaf)) + 1, text);
      }
    }
  });
}
