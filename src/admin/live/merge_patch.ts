import type { Steps } from "../../core/slices.ts";

/** A JSON merge patch (RFC 7396): `null` removes a key, a list is replaced as a whole. */
export type MergePatch = { readonly [key: string]: unknown };

/**
 * The patch from one object to another, in steps; `undefined`: they are the same. Both are plain data without `null`,
 * and do not change meanwhile. Objects that are the same object are not looked at.
 */
export function* createPatch(before: object, after: object): Steps<MergePatch | undefined> {
  if (before === after) return undefined;
  const old = before as Readonly<Record<string, unknown>>;
  const now = after as Readonly<Record<string, unknown>>;
  let patch: Record<string, unknown> | undefined;
  const set = (key: string, value: unknown) => {
    patch ??= Object.create(null) as Record<string, unknown>;
    patch[key] = value;
  };
  for (const key in now) {
    const value = now[key];
    const previous = old[key];
    if (value === previous || value === undefined) continue;
    if (isObject(value) && isObject(previous)) {
      const inner = yield* createPatch(previous, value);
      if (inner !== undefined) set(key, inner);
      continue;
    }
    if (Array.isArray(value) && Array.isArray(previous) && sameList(value, previous)) continue;
    set(key, value);
  }
  for (const key in old) if (now[key] === undefined && old[key] !== undefined) set(key, null);
  yield;
  return patch;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Lists are short. */
function sameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length &&
    a.every((item, index) => item === b[index] || JSON.stringify(item) === JSON.stringify(b[index]));
}
