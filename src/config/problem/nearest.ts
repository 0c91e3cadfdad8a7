import { levenshteinDistance } from "@std/text/levenshtein-distance";

/** How many edits a misspelt name may be away from the one that was meant. */
const MAX_EDITS = 2;

/**
 * The candidate that was probably meant by `name`: the same letters in another case or with other separators
 * (`max_connections`), or one that is an edit or two away. `undefined` when none is near.
 */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  const wanted = normalise(name);
  let best: string | undefined;
  // Of a short name, two edits leave nothing: `tls` is not a misspelt `per`.
  let bestEdits = Math.min(MAX_EDITS, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    const name = normalise(candidate);
    // A swap of neighbouring letters counts as one edit.
    const edits = isSwap(wanted, name) ? 1 : levenshteinDistance(wanted, name);
    if (edits < bestEdits) [best, bestEdits] = [candidate, edits];
  }
  return best;
}

function normalise(name: string): string {
  return name.toLowerCase().replaceAll(/[-_ ]/g, "");
}

function isSwap(a: string, b: string): boolean {
  for (let at = 0; at < a.length; at++) {
    if (a[at] === b[at]) continue;
    return a[at] === b[at + 1] && a[at + 1] === b[at] && a.slice(at + 2) === b.slice(at + 2);
  }
  return false;
}
