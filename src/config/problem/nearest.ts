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
    const edits = countEdits(wanted, normalise(candidate));
    if (edits < bestEdits) [best, bestEdits] = [candidate, edits];
  }
  return best;
}

function normalise(name: string): string {
  return name.toLowerCase().replaceAll(/[-_ ]/g, "");
}

/**
 * Insertions, deletions, replacements and swaps of neighbours between two texts: the optimal string alignment
 * distance (https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance). `Infinity` where the lengths
 * alone say that it is too much.
 */
function countEdits(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > MAX_EDITS) return Infinity;
  let previous: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const before = previous;
    previous = row;
    row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        (previous[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + (same ? 0 : 1),
        swapped ? (before[j - 2] ?? 0) + 1 : Infinity,
      );
    }
  }
  return row[b.length] ?? 0;
}
