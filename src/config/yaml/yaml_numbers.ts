import { parse } from "@std/yaml";

/** What may be written as a number of YAML 1.1 alone: `0100` (64 there), `0b11`, `1_000`. */
const OLD_NUMBER = /_|^[-+]?0[b\d]/;
/** Whether there may be one. */
const MAYBE_OLD = /\b0[b\d]|\d_/;

/**
 * Restores the text of scalars that are numbers in YAML 1.1 alone: `0100` does not mean 64, and what is a text in
 * YAML 1.2 is not a count or a port. The parser has no schema of version 1.2; where there may
 * be such a number, the text is parsed once more, with every scalar as it is written.
 *
 * @param document What the parser made of `text`. It is changed in place.
 * @returns The document.
 */
export function withoutOldNumbers(document: unknown, text: string): unknown {
  if (!MAYBE_OLD.test(text)) return document;
  const root = [document];
  const waiting: [made: unknown, written: unknown][] = [[root, [asWritten(text)]]];
  const seen = new Set<unknown>();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [made, written] = next;
    if (!isCollection(made) || !isCollection(written) || seen.has(made)) continue;
    seen.add(made);
    for (const [key, value] of withMerged(written)) {
      const at = Object.hasOwn(made, key) ? made[key] : undefined;
      if (typeof at === "number" && typeof value === "string" && OLD_NUMBER.test(value)) made[key] = value;
      else waiting.push([at, value]);
    }
  }
  return root[0];
}

/** The entries of a mapping or list, and those that a merge key (`<<`) brings in; the nearest of a key counts. */
function withMerged(written: Collection): Map<string, unknown> {
  const entries = new Map<string, unknown>();
  const seen = new Set<unknown>();
  const take = (each: unknown) => {
    if (!isCollection(each) || seen.has(each)) return;
    seen.add(each);
    for (const [key, value] of Object.entries(each)) if (!entries.has(key)) entries.set(key, value);
    for (const merged of [each["<<"]].flat()) take(merged);
  };
  take(written);
  return entries;
}

/** Every scalar as a text. Nothing where that fails: tags such as `!!int` are of the other schemas. */
function asWritten(text: string): unknown {
  try {
    return parse(text, { schema: "failsafe" });
  } catch {
    return undefined;
  }
}

type Collection = Record<string, unknown>;

function isCollection(value: unknown): value is Collection {
  return typeof value === "object" && value !== null;
}
