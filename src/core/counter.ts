/** Where a {@linkcode Counter} is shared with other threads: one element of two arrays over shared memory. */
export interface CounterSlot {
  /** The sums over all threads. */
  readonly totals: Int32Array;
  /** What this thread has added to each sum, which can be taken off when the thread has failed. */
  readonly own: Int32Array;
  readonly index: number;
}

/**
 * Counts what exists now, such as the connections of a service. It is a plain number until {@linkcode Counter.share}
 * joins it with the counters of other threads; then a limit holds for the sum over all of them.
 */
export class Counter {
  #own = 0;
  #slot: CounterSlot | undefined;

  /** The sum over all threads. */
  get value(): number {
    const slot = this.#slot;
    return slot === undefined ? this.#own : Atomics.load(slot.totals, slot.index);
  }

  /** What this thread has counted. */
  get own(): number {
    return this.#own;
  }

  /** Whether other threads count, too. */
  get shared(): boolean {
    return this.#slot !== undefined;
  }

  /** Counts one more. */
  add(): void {
    this.#own++;
    if (this.#slot !== undefined) addTo(this.#slot, 1);
  }

  /** Counts one more unless there are `limit` already, over all threads. 0: no limit. */
  tryAdd(limit: number): boolean {
    const slot = this.#slot;
    if (limit > 0 && slot === undefined && this.#own >= limit) return false;
    if (limit > 0 && slot !== undefined) return this.#tryAddShared(slot, limit);
    this.add();
    return true;
  }

  /** Counts one less. */
  remove(): void {
    this.#own--;
    if (this.#slot !== undefined) addTo(this.#slot, -1);
  }

  /** Makes `count` what this thread has counted. */
  set(count: number): void {
    const change = count - this.#own;
    if (change === 0) return;
    this.#own = count;
    if (this.#slot !== undefined) addTo(this.#slot, change);
  }

  /** Joins the counters of other threads with the same index. What was counted so far is added to their sum. */
  share(slot: CounterSlot): void {
    if (this.#slot !== undefined) return;
    this.#slot = slot;
    if (this.#own !== 0) addTo(slot, this.#own);
  }

  #tryAddShared(slot: CounterSlot, limit: number): boolean {
    // Taken first and given back if it was too much: between a look and a step, another thread may take the last one.
    if (Atomics.add(slot.totals, slot.index, 1) >= limit) {
      Atomics.sub(slot.totals, slot.index, 1);
      return false;
    }
    slot.own[slot.index]!++;
    this.#own++;
    return true;
  }
}

function addTo({ totals, own, index }: CounterSlot, change: number): void {
  Atomics.add(totals, index, change);
  own[index]! += change;
}
