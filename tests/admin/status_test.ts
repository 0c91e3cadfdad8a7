import { assert, assertEquals } from "@std/assert";
import * as v from "valibot";
import { statusDescription } from "../../src/admin/status/description.ts";
import type { Status } from "../../src/admin/status/status.ts";
import { statusSchema } from "../../src/admin/status/status.ts";
import { backendSchema } from "../../src/admin/status/upstream.ts";
import { output } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { backendStatus, SMALL_STATUS } from "./fake_target.ts";

const PYTHON = "/usr/bin/python3";
const JSONSCHEMA = "/usr/lib/python3/dist-packages/jsonschema/validators.py";

/** Validates documents against a JSON Schema, with an implementation independent of Culvert's. */
const VALIDATE = `
import json, sys, jsonschema
asked = json.load(sys.stdin)
jsonschema.Draft202012Validator.check_schema(asked["schema"])
validator = jsonschema.Draft202012Validator(asked["schema"])
print(json.dumps([validator.is_valid(document) for document in asked["documents"]]))
`;

const DOCS = new URL("../../docs/admin.md", import.meta.url);

/** The example of the reference. */
function example(): Status {
  const text = /```json status\n(.*?)```/s.exec(Deno.readTextFileSync(DOCS))?.[1];
  assert(text !== undefined, "docs/admin.md has no example of the status");
  return JSON.parse(text);
}

/** The paths of the errors in a document. */
function problems(document: unknown): string[] {
  const { issues = [] } = v.safeParse(statusSchema, document);
  return issues.map((issue) => v.getDotPath(issue) ?? "");
}

/** Every object in a document, with its path. */
function* objects(value: unknown, path = ""): Generator<[path: string, object: Record<string, unknown>]> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) yield [path, value as Record<string, unknown>];
  for (const [key, inner] of Object.entries(value)) {
    yield* objects(inner, path === "" ? key : `${path}.${key}`);
  }
}

/** The paths of all keys of a schema. */
function* keys(schema: unknown, path = ""): Generator<string> {
  const { entries, item, wrapped } = schema as {
    entries?: Record<string, unknown>;
    item?: unknown;
    wrapped?: unknown;
  };
  for (const inner of [item, wrapped]) if (inner !== undefined) yield* keys(inner, path);
  for (const [key, inner] of Object.entries(entries ?? {})) {
    const at = path === "" ? key : `${path}.${key}`;
    yield at;
    yield* keys(inner, at);
  }
}

/** Keys whose value is a mapping from reasons to counts. */
const OPEN = /(refused|ended|byStatus|byReason)$/;

Deno.test("the example of the reference and the status of an empty program are valid", () => {
  assertEquals(problems(example()), []);
  assertEquals(problems(SMALL_STATUS), []);
});

Deno.test("the example of the reference has every key of the schema", () => {
  const there = new Set<string>();
  for (const [path, object] of objects(example())) {
    for (const key of Object.keys(object)) {
      there.add(`${path}.${key}`.replaceAll(/\.\d+/g, "").replace(/^\./, ""));
    }
  }
  const missing = [...keys(statusSchema)].filter((path) => !there.has(path));
  assertEquals(missing, ["reload.problems.column"]); // Only for a syntax error.
});

/** A JSON Schema, as far as the status uses it. */
interface Description {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Description>>;
  readonly items?: Description;
}

/** The tables that describe this object and those in it: for each path its keys with their descriptions. */
function* tables({ properties = {} }: Description, path = ""): Generator<[path: string, rows: string[][]]> {
  yield [path, Object.entries(properties).map(([key, { description }]) => [`\`${key}\``, `${description}`])];
  for (const [key, value] of Object.entries(properties)) {
    const at = path === "" ? key : `${path}.${key}`;
    if (value.items?.properties !== undefined) yield* tables(value.items, `${at}[]`);
    else if (value.properties !== undefined) yield* tables(value, at);
  }
}

/** The rows of the first table after a text. */
function tableAfter(text: string, start: string): string[][] {
  const at = text.indexOf(start);
  assert(at !== -1, start);
  const [table] = /(^\|.*\n)+/m.exec(text.slice(at + start.length))!;
  const rows = table.trimEnd().split("\n").slice(2);
  return rows.map((row) => row.split("|").slice(1, -1).map((cell) => cell.trim()));
}

Deno.test("the tables of the reference are the descriptions in the schema", () => {
  const text = Deno.readTextFileSync(DOCS);
  const described = [...tables(statusDescription() as Description)];
  assertEquals(described.length, 21);
  for (const [path, rows] of described) {
    const start = path === "" ? text.slice(0, text.lastIndexOf("```\n")) : `\n\`${path}\``;
    const title = path.endsWith("connectSeconds")
      ? `, \`${path}\` and`
      : path.endsWith("requests.durationSeconds")
      ? ` and \`${path}\`:\n`
      : start;
    assertEquals(tableAfter(text, title), rows, path);
  }
});

testWith(
  [PYTHON, JSONSCHEMA],
  "Python's jsonschema accepts what the schema accepts, and no other document",
  async () => {
    const good = [example(), SMALL_STATUS];
    const bad: unknown[] = [];
    for (const [path, object] of objects(example())) {
      for (
        const [key, wrong] of [
          ...Object.keys(object).map((key) => [key, null] as const),
          ["more", 1] as const,
        ]
      ) {
        if (key === "more" && OPEN.test(path)) continue;
        const document = example();
        const [, target] = [...objects(document)].find(([other]) => other === path)!;
        target[key] = wrong;
        bad.push(document);
      }
    }
    const input = JSON.stringify({ schema: statusDescription(), documents: [...good, ...bad] });
    const verdicts = JSON.parse(await output(PYTHON, ["-c", VALIDATE], { input }));
    assertEquals(verdicts, [...good.map(() => true), ...bad.map(() => false)]);
  },
);

Deno.test("an unknown key is rejected in every object", () => {
  for (const [path] of objects(example())) {
    if (OPEN.test(path)) continue;
    const document = example();
    const [, target] = [...objects(document)].find(([other]) => other === path)!;
    target.more = 1;
    assertEquals(problems(document), [path === "" ? "more" : `${path}.more`]);
  }
});

Deno.test("every key must have its type, and is never null", () => {
  for (const [path, object] of objects(example())) {
    for (const key of Object.keys(object)) {
      for (const wrong of [null, { x: "y" }, -1, Number.NaN]) {
        const document = example();
        const [, target] = [...objects(document)].find(([other]) => other === path)!;
        target[key] = wrong;
        assert(problems(document).length > 0, `${path}.${key} = ${wrong}`);
      }
    }
  }
});

Deno.test("required keys must be present, optional keys may be absent", () => {
  const optional = new Set<string>();
  const all = new Set<string>();
  for (const [path, object] of objects(example())) {
    if (OPEN.test(path)) continue;
    for (const key of Object.keys(object)) {
      const document = example();
      const [, target] = [...objects(document)].find(([other]) => other === path)!;
      delete target[key];
      const name = `${path.replaceAll(/\.\d+/g, "[]")}.${key}`.replace(/^\./, "");
      all.add(name);
      if (problems(document).length === 0) optional.add(name);
    }
  }
  assertEquals([...optional].sort(), [
    "crls[].issuer",
    "crls[].nextUpdate",
    "crls[].problem",
    "crls[].thisUpdate",
    "eventLoopDelaySeconds",
    "pid",
    "reload.error",
    "reload.problems",
    "reload.problems[].line",
    "reload.problems[].nearest",
    "reload.problems[].value",
    "reload.refused",
    "services[].requests",
    "services[].retries",
    "services[].upstream",
    "upstreams[].backends[].check",
    "upstreams[].backends[].check.badAt",
    "upstreams[].backends[].check.certificateValidTo",
    "upstreams[].backends[].check.detail",
    "upstreams[].backends[].check.goodAt",
    "upstreams[].backends[].check.lastAt",
    "upstreams[].backends[].check.ok",
    "upstreams[].backends[].ejectedUntil",
    "upstreams[].backends[].ejections",
    "upstreams[].backends[].why",
    "upstreams[].checkSeconds",
    "upstreams[].discovery",
    "upstreams[].discovery[].error",
    "upstreams[].discovery[].lastSetAt",
    "workers",
  ]);
  assert(all.size > optional.size);
});

Deno.test("times are ISO 8601 in UTC with milliseconds", () => {
  const bad = [
    "2026-11-20",
    "2026-11-20T12:00:00Z",
    "2026-11-20T12:00:00.000+01:00",
    "2026-13-01T00:00:00.000Z",
    "now",
  ];
  for (const startedAt of bad) {
    assertEquals(problems({ ...SMALL_STATUS, startedAt }), ["startedAt"], startedAt);
  }
  assertEquals(problems({ ...SMALL_STATUS, startedAt: new Date(0).toISOString() }), []);
});

Deno.test("a single backend has a schema", () => {
  assert(v.is(backendSchema, backendStatus("127.0.0.1:80")));
  assert(!v.is(backendSchema, { ...backendStatus("127.0.0.1:80"), state: "tired" }));
});
