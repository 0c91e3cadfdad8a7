/**
 * Draws indices with a probability in proportion to their weights: a table of running sums and a binary search. Allocates
 * only in the constructor, so that it can be refilled at each use.
 */
export class Lottery {
  readonly #sums: Float64Array;
  #size = 0;

  /** @param capacity The most entries. */
  constructor(capacity: number) {
    this.#sums = new Float64Array(capacity);
  }

  /** The number of entries. */
  get size(): number {
    return this.#size;
  }

  /** The sum of all weights. */
  get total(): number {
    return this.#size === 0 ? 0 : this.#sums[this.#size - 1]!;
  }

  /** Removes all entries. */
  clear(): void {
    this.#size = 0;
  }

  /** Adds the next index, with a weight of 0 or more. Weight 0 is not drawn. */
  add(weight: number): void {
    this.#sums[this.#size] = this.total + weight;
    this.#size++;
  }

  /**
   * Draws an index.
   *
   * @param luck A random number from 0 to below 1.
   * @returns The index; -1: no entry has a weight.
   */
  draw(luck: number): number {
    return this.total > 0 ? this.#find(luck * this.total) : -1;
  }

  /**
   * Draws an index other than `first`, as if that was not in the table.
   *
   * @param luck A random number from 0 to below 1.
   * @returns The index; `first`: no other entry has a weight.
   */
  drawOther(luck: number, first: number): number {
    const start = first === 0 ? 0 : this.#sums[first - 1]!;
    const weight = this.#sums[first]! - start;
    const rest = this.total - weight;
    if (rest <= 0) return first;
    const at = luck * rest;
    return this.#find(at < start ? at : at + weight);
  }

  /** The first index whose running sum is above `at`. */
  #find(at: number): number {
    let low = 0;
    let high = this.#size - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sums[middle]! > at) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
