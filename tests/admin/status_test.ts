import { assert, assertEquals } from "@std/assert";
import * as v from "valibot";
import type { BackendStatus, Status } from "../../src/admin/status.ts";
import { backendStatusSchema, statusSchema } from "../../src/admin/status_schema.ts";
import { backendStatus, SMALL_STATUS } from "./fake_target.ts";

const DOCS = new URL("../../docs/admin.md", import.meta.url);

/** The example of the reference. */
function example(): Status {
  const text = /```json status\n(.*?)```/s.exec(Deno.readTextFileSync(DOCS))?.[1];
  assert(text !== undefined, "docs/admin.md has no example of the status");
  return JSON.parse(text);
}

/** The paths of what is wrong with a document. */
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
const OPEN = /(refused|ended)$/;

Deno.test("the example of the reference passes the schema, and so does a program with nothing in it", () => {
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
  assertEquals(missing, ["reload.problems.column"]); // Only where the text is no YAML.
});

Deno.test("every key of the example is explained in the reference", () => {
  const text = Deno.readTextFileSync(DOCS);
  const tables = text.slice(text.lastIndexOf("```"));
  for (const [path, object] of objects(example())) {
    if (OPEN.test(path) || /reload\.(error|problems)/.test(path)) continue;
    for (const key of Object.keys(object)) assert(tables.includes(`\`${key}\``), `${path}.${key}`);
  }
});

Deno.test("a key that nobody has stated is refused, wherever it stands", () => {
  for (const [path] of objects(example())) {
    if (OPEN.test(path)) continue;
    const document = example();
    const [, target] = [...objects(document)].find(([other]) => other === path)!;
    target.more = 1;
    assertEquals(problems(document), [path === "" ? "more" : `${path}.more`]);
  }
});

Deno.test("every key must have its type, and null stands for nothing", () => {
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

Deno.test("what is always there must not be left out, and what is optional may", () => {
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
    "pid",
    "reload.error",
    "reload.problems",
    "reload.problems[].line",
    "reload.problems[].nearest",
    "reload.problems[].value",
    "services[].upstream",
    "upstreams[].backends[].check",
    "upstreams[].backends[].check.badAt",
    "upstreams[].backends[].check.certificateValidTo",
    "upstreams[].backends[].check.detail",
    "upstreams[].backends[].check.goodAt",
    "upstreams[].backends[].check.lastAt",
    "upstreams[].backends[].check.ok",
    "upstreams[].backends[].ejectedUntil",
    "upstreams[].backends[].why",
    "upstreams[].discovery",
    "upstreams[].discovery[].error",
    "upstreams[].discovery[].lastSetAt",
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

Deno.test("a backend by itself has a schema too", () => {
  assert(v.is(backendStatusSchema, backendStatus("127.0.0.1:80")));
  assert(!v.is(backendStatusSchema, { ...backendStatus("127.0.0.1:80"), state: "tired" }));
});

/** `true` only for two types with the same keys, of the same types, and the same ones optional. */
type Same<A, B> = (<T>() => T extends Bare<A> ? 1 : 2) extends (<T>() => T extends Bare<B> ? 1 : 2) ? true
  : false;
/** Without `readonly`, which a schema does not know. */
type Bare<T> = T extends object ? { -readonly [K in keyof T]: Bare<T[K]> } : T;

Deno.test("the types say the same as the schema", () => {
  // The compiler refuses `true` where they differ.
  const same: [
    Same<v.InferOutput<typeof statusSchema>, Status>,
    Same<v.InferOutput<typeof backendStatusSchema>, BackendStatus>,
  ] = [true, true];
  assertEquals(same, [true, true]);
});
