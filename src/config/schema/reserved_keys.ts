import type { Steps } from "../../core/slices.ts";
import type { Finding } from "./findings.ts";
import type { Path } from "../problem/problem.ts";

/** Keys that the schema library passes over in silence, since objects have a meaning of their own for them. */
const RESERVED: readonly string[] = ["__proto__", "prototype", "constructor"];

/**
 * Every reserved key of a document, as a key that does not exist. Without this, an upstream of that name would be
 * dropped silently. Aliases are looked at once, so the work grows with the text.
 */
export function* findReservedKeys(document: unknown): Steps<Finding[]> {
  const findings: Finding[] = [];
  const seen = new Set<unknown>();
  const waiting: { path: Path; value: unknown }[] = [{ path: [], value: document }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { path, value } = next;
    if (typeof value !== "object" || value === null || seen.has(value)) continue;
    seen.add(value);
    yield;
    for (const [key, inner] of Object.entries(value)) {
      const innerPath = [...path, Array.isArray(value) ? Number(key) : key];
      if (RESERVED.includes(key)) findings.push(reserved(innerPath, inner));
      waiting.push({ path: innerPath, value: inner });
    }
  }
  return findings;
}

function reserved(path: Path, value: unknown): Finding {
  return { kind: "unknown_key", path, value, expected: "a key that is not reserved" };
}
