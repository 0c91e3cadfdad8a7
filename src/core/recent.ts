/** The last items of a sequence, in bounded memory: the oldest one gives way to the next. Adding is O(1). */
export class Recent<T> {
  readonly #max: number;
  readonly #items: T[] = [];
  /** Where the next item goes once the list is full, which is where the oldest one is. */
  #next = 0;

  /** Keeps the last `max` items, at least 1. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Adds an item, in place of the oldest one if there are `max`. */
  add(item: T): void {
    if (this.#items.length < this.#max) {
      this.#items.push(item);
      return;
    }
    this.#items[this.#next] = item;
    this.#next = (this.#next + 1) % this.#max;
  }

  /** The items, the newest first. */
  list(): T[] {
    return [...this.#items.slice(this.#next), ...this.#items.slice(0, this.#next)].reverse();
  }
}
