/**
 * Draws numbers from 0 up, each as often as its weight says: a table of running sums and a binary search. It
 * allocates only when it is made, so that it can be filled anew at each use.
 */
export class Lottery {
  readonly #sums: Float64Array;
  #size = 0;

  /** @param capacity How many entries it can take. */
  constructor(capacity: number) {
    this.#sums = new Float64Array(capacity);
  }

  /** How many entries it has. */
  get size(): number {
    return this.#size;
  }

  /** The sum of all weights. */
  get total(): number {
    return this.#size === 0 ? 0 : this.#sums[this.#size - 1]!;
  }

  /** Takes all entries out. */
  clear(): void {
    this.#size = 0;
  }

  /** Puts in the next number, with a weight of 0 or more. One of weight 0 is not drawn. */
  add(weight: number): void {
    this.#sums[this.#size] = this.total + weight;
    this.#size++;
  }

  /**
   * Draws one number.
   *
   * @param luck A random number from 0 to below 1.
   * @returns The number, or -1 when no entry has any weight.
   */
  draw(luck: number): number {
    return this.total > 0 ? this.#find(luck * this.total) : -1;
  }

  /**
   * Draws one number that is not `first`, as if that was not in the table.
   *
   * @param luck A random number from 0 to below 1.
   * @returns The number, or `first` when no other entry has any weight.
   */
  drawOther(luck: number, first: number): number {
    const start = first === 0 ? 0 : this.#sums[first - 1]!;
    const weight = this.#sums[first]! - start;
    const rest = this.total - weight;
    if (rest <= 0) return first;
    const at = luck * rest;
    return this.#find(at < start ? at : at + weight);
  }

  /** The first number whose running sum is above `at`. */
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
