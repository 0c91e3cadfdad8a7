import { LOWER, UNDERSCORE } from "./octets.ts";

const HYPHEN = 0x2d;
/** As {@linkcode LOWER}, and an underscore as a hyphen. */
const FOLDED = LOWER.slice();
FOLDED[UNDERSCORE] = HYPHEN;

const AS_IT_IS = Uint8Array.from({ length: 256 }, (_, octet) => octet);

/** The bytes from `start` to before `end`. */
export interface ByteRange {
  /** The first byte. */
  readonly start: number;
  /** Behind the last byte. */
  readonly end: number;
}

interface Entry {
  readonly id: number;
  readonly name: Uint8Array;
}

/**
 * Finds names among the bytes of a message without making strings of them: by length first, then byte by byte,
 * without regard to case. Built once, for names that are known ahead.
 */
export class NameTable {
  readonly #byLength: (Entry[] | undefined)[] = [];

  readonly #octets: Uint8Array;

  /** The name at index `i` gets the number `i`. An empty name is never found. */
  constructor(names: readonly string[], { caseSensitive = false }: { caseSensitive?: boolean } = {}) {
    this.#octets = caseSensitive ? AS_IT_IS : LOWER;
    names.forEach((name, id) => {
      if (name === "") return;
      while (this.#byLength.length <= name.length) this.#byLength.push(undefined);
      const bucket = this.#byLength[name.length] ??= [];
      bucket.push({ id, name: Uint8Array.from(name, (char) => this.#octets[char.charCodeAt(0)]!) });
    });
  }

  /** The number of the name that these bytes are; 0 where it is not known. */
  find(bytes: Uint8Array, range: ByteRange): number {
    return this.#search(bytes, range, this.#octets);
  }

  /** As {@linkcode NameTable.find}, without regard to case, where an underscore may stand for each hyphen. */
  findFolded(bytes: Uint8Array, range: ByteRange): number {
    return this.#search(bytes, range, FOLDED);
  }

  #search(bytes: Uint8Array, { start, end }: ByteRange, table: Uint8Array): number {
    const bucket = this.#byLength[end - start];
    if (bucket === undefined) return 0;
    for (let i = 0; i < bucket.length; i++) {
      const { id, name } = bucket[i]!;
      let at = 0;
      while (at < name.length && table[bytes[start + at]!] === name[at]) at++;
      if (at === name.length) return id;
    }
    return 0;
  }
}
