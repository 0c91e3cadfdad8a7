/**
 * A 32-bit hash of a text, the same on every machine and in every run: MurmurHash3 (x86, 32 bits; Austin
 * Appleby, public domain), with each UTF-16 unit taken as one block. Not for secrets: it has no key, so a client that
 * can choose texts can make them collide.
 *
 * @param seed Texts that collide under one seed most likely do not under another.
 */
export function hashText(text: string, seed: number): number {
  let hash = seed | 0;
  for (let i = 0; i < text.length; i++) {
    let block = Math.imul(text.charCodeAt(i), 0xcc9e2d51);
    block = (block << 15) | (block >>> 17);
    hash ^= Math.imul(block, 0x1b873593);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  hash ^= text.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
