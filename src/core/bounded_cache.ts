/** How much a {@linkcode BoundedCache} may hold. */
export interface CacheBounds<V> {
  /** How many entries. */
  readonly entries: number;
  /** How much all of them may weigh together. */
  readonly weight: number;
  /** What one weighs: always the same for the same value. */
  weigh(value: V): number;
}

/** A map that never holds more than its bounds allow: the least recently used entries make room for a new one. */
export class BoundedCache<V> {
  readonly #bounds: CacheBounds<V>;
  readonly #entries = new Map<string, V>();
  #weight = 0;

  constructor(bounds: CacheBounds<V>) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What all of it weighs. */
  get weight(): number {
    return this.#weight;
  }

  get(key: string): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    // Maps keep the order in which entries were put in: this one is now the newest.
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  /** What is heavier than all may be is not kept at all. */
  set(key: string, value: V): void {
    this.#delete(key);
    const { entries, weight, weigh } = this.#bounds;
    const added = weigh(value);
    if (added > weight) return;
    while (this.#entries.size >= entries || this.#weight + added > weight) {
      const [oldest] = this.#entries.keys();
      this.#delete(oldest!);
    }
    this.#entries.set(key, value);
    this.#weight += added;
  }

  #delete(key: string): void {
    const value = this.#entries.get(key);
    if (value === undefined) return;
    this.#entries.delete(key);
    this.#weight -= this.#bounds.weigh(value);
  }
}
