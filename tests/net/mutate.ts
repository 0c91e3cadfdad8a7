/** Values that lengths and signs tend to go wrong at. */
const EDGES = [0, 1, 2, 3, 4, 5, 8, 10, 13, 16, 32, 0x7f, 0x80, 0xfe, 0xff];

/**
 * A copy with one to four changes: bytes set, bits turned, pieces left out, doubled or moved, an end cut off.
 */
export function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  let copy: number[] = [...bytes];
  const below = (limit: number) => Math.floor(random() * limit);
  const changes = 1 + below(4);
  for (let i = 0; i < changes; i++) {
    const at = below(copy.length);
    const length = below(Math.min(24, copy.length - at) + 1);
    const kind = below(7);
    if (kind === 0) copy[at] = below(256);
    else if (kind === 1) copy[at] = EDGES[below(EDGES.length)]!;
    else if (kind === 2) copy[at] = (copy[at] ?? 0) ^ (1 << below(8));
    else if (kind === 3) copy.splice(at, length);
    else if (kind === 4) copy.splice(at, 0, ...copy.slice(at, at + length));
    else if (kind === 5) copy.splice(below(copy.length), 0, ...copy.splice(at, length));
    else copy = copy.slice(0, at);
  }
  return Uint8Array.from(copy);
}
