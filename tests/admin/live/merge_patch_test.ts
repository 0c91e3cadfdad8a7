import { assertEquals } from "@std/assert";
import { createPatch } from "../../../src/admin/live/merge_patch.ts";
import { runAtOnce } from "../../../src/core/slices.ts";
import { numbers } from "../../support/random.ts";

/** A merge patch applied as RFC 7396 section 2 has it. */
function apply(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === "object" && target !== null && !Array.isArray(target);
  const result = new Map(isObject ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) result.delete(key);
    else result.set(key, apply(result.get(key), value));
  }
  return Object.fromEntries(result);
}

/** As a viewer gets it. */
function patchOf(before: object, after: object): unknown {
  const patch = runAtOnce(createPatch(before, after));
  return patch && JSON.parse(JSON.stringify(patch));
}

Deno.test("a patch has what has changed, and nothing else", () => {
  const before = { a: 1, b: { c: "x", d: [1, 2], e: { f: 1 } }, g: true };
  assertEquals(patchOf(before, structuredClone(before)), undefined);
  assertEquals(patchOf(before, { ...before, a: 2 }), { a: 2 });
  assertEquals(patchOf(before, { ...before, b: { ...before.b, d: [1, 3] } }), { b: { d: [1, 3] } });
  assertEquals(patchOf(before, { a: 1, b: before.b }), { g: null });
  assertEquals(patchOf(before, { ...before, b: { c: "x", d: [1, 2] } }), { b: { e: null } });
  assertEquals(patchOf(before, { ...before, h: { i: 1 } }), { h: { i: 1 } });
  assertEquals(patchOf({ a: [{ b: 1 }] }, { a: [{ b: 2 }] }), { a: [{ b: 2 }] });
});

Deno.test("a key that is undefined is one that is absent", () => {
  assertEquals(patchOf({ a: 1, b: undefined }, { a: undefined }), { a: null });
});

Deno.test("a name such as __proto__ is one like any other", () => {
  const make = (value: number) => {
    const object = Object.create(null);
    object["__proto__"] = value;
    return object;
  };
  assertEquals(JSON.stringify(runAtOnce(createPatch(make(1), make(2)))), '{"__proto__":2}');
});

Deno.test("a patch makes the one object of the other, whatever they are", () => {
  const sequence = numbers(7);
  const next = () => sequence.next().value;
  const value = (depth: number): unknown => {
    const kind = Math.floor(next() * (depth === 0 ? 3 : 5));
    if (kind === 0) return Math.floor(next() * 3);
    if (kind === 1) return ["x", "y", "z"][Math.floor(next() * 3)];
    if (kind === 2) return next() < 0.5;
    if (kind === 3) return Array.from({ length: Math.floor(next() * 3) }, () => value(0));
    return object(depth - 1);
  };
  const object = (depth: number): object =>
    Object.fromEntries(["a", "b", "c", "d"].filter(() => next() < 0.7).map((key) => [key, value(depth)]));
  for (let round = 0; round < 500; round++) {
    const [before, after] = [object(3), object(3)];
    const patch = patchOf(before, after);
    assertEquals(patch === undefined ? before : apply(before, patch), after);
  }
});
