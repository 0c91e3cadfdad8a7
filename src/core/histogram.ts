/** What a {@linkcode Histogram} has seen until a moment. It does not change any more. */
export interface HistogramSnapshot {
  /** The upper bounds of the buckets, in seconds, ascending. */
  readonly bounds: readonly number[];
  /** How many values were at most as large as each of `bounds`, so that each count has in it those before it. */
  readonly counts: readonly number[];
  /** All values together, in seconds. */
  readonly sum: number;
  /** How many values there were, those above every bound included. */
  readonly count: number;
}

/**
 * Counts how long something took, in buckets with fixed bounds. Observing allocates nothing and takes one walk
 * along the bounds, of which there are few.
 */
export class Histogram {
  readonly #bounds: readonly number[];
  /** By bucket, not added up; the last one is for what is above every bound. */
  readonly #counts: Float64Array;
  #sum = 0;

  /**
   * `bounds` are the upper bounds of the buckets, in seconds.
   *
   * @throws {RangeError} unless they ascend, and are finite.
   */
  constructor(bounds: readonly number[]) {
    if (!bounds.every((bound, i) => Number.isFinite(bound) && bound > (bounds[i - 1] ?? -Infinity))) {
      throw new RangeError(`Cannot use the bounds ${bounds.join(", ")}: they must ascend and be finite`);
    }
    this.#bounds = Object.freeze([...bounds]);
    this.#counts = new Float64Array(bounds.length + 1);
  }

  /** Counts a value. What is no number, or below 0, counts as 0: it must not spoil the sum for good. */
  observe(seconds: number): void {
    const value = seconds > 0 ? seconds : 0;
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.#counts[bucket]! += 1;
    this.#sum += value;
  }

  /** What it has seen until now. */
  snapshot(): HistogramSnapshot {
    let count = 0;
    const sums = Array.from(this.#counts, (inBucket) => count += inBucket);
    return { bounds: this.#bounds, counts: sums.slice(0, -1), sum: this.#sum, count };
  }
}
