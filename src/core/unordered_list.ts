/** An element of an {@linkcode UnorderedList} and its position: returned by `add`, passed to `remove`. */
export interface ListEntry<T> {
  readonly value: T;
  /** Its position in the list, or -1. Set by the list alone. */
  index: number;
}

/**
 * A collection without an order, for things that come and go thousands of times a second: adding and removing are
 * O(1) and leave nothing behind. (A `Set` does: each time its table is rebuilt, the old one keeps what it held
 * alive until the next full collection, and the pauses of the garbage collector grow tenfold.)
 */
export class UnorderedList<T> implements Iterable<T> {
  readonly #entries: ListEntry<T>[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** Puts `value` in, as often as this is called for it. */
  add(value: T): ListEntry<T> {
    const entry = { value, index: this.#entries.length };
    this.#entries.push(entry);
    return entry;
  }

  /** Takes out what `add` gave this entry for. Does nothing the second time. */
  remove(entry: ListEntry<T>): void {
    const { index } = entry;
    if (index < 0) return;
    entry.index = -1;
    const last = this.#entries.pop()!;
    if (last === entry) return;
    last.index = index;
    this.#entries[index] = last;
  }

  /** What is in now; what is added or removed meanwhile makes no difference. */
  [Symbol.iterator](): IterableIterator<T> {
    return this.#entries.map(({ value }) => value)[Symbol.iterator]();
  }
}
