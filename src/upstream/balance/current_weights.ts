import type { Candidate } from "./balancer.ts";

/**
 * A set of backends with the current weights of smooth weighted round-robin, in parallel arrays so that a pick reads
 * memory in order.
 */
export class CurrentWeights<B extends Candidate> {
  /** The set, in order. */
  backends: readonly B[] = [];
  /** The weight of each backend as of the last update. */
  weights = new Float64Array(0);
  /** The sum of the weights. */
  round = 0;
  /** The current weight of each backend. Written by the balancer. */
  currents = new Float64Array(0);

  /**
   * Takes a new set. Backends with the same key keep their current weight, new ones start at 0.
   *
   * While the set does not change, a current weight never exceeds the sum of the weights. A larger one, left by an earlier
   * update, would starve its backend or give it everything for many rounds, so it is limited to one round.
   */
  update(backends: readonly B[]): void {
    const weights = new Float64Array(backends.length);
    let round = 0;
    for (let i = 0; i < backends.length; i++) round += weights[i] = Math.max(0, backends[i]!.weight);

    const currents = new Float64Array(backends.length);
    let earlier: Map<string, number> | undefined;
    // In a first set, all start at 0.
    for (let i = 0; i < backends.length && this.backends.length > 0; i++) {
      const key = backends[i]!.key;
      let current: number;
      // Most updates keep the order, which saves the lookup.
      if (this.backends[i]?.key === key) {
        current = this.currents[i]!;
      } else {
        earlier ??= this.#currentByKey();
        current = earlier.get(key) ?? 0;
      }
      currents[i] = Math.min(round, Math.max(-round, current));
    }
    this.backends = backends.slice();
    this.weights = weights;
    this.round = round;
    this.currents = currents;
  }

  /** The current weights that are not 0. */
  #currentByKey(): Map<string, number> {
    const currents = new Map<string, number>();
    for (let i = 0; i < this.backends.length; i++) {
      if (this.currents[i] !== 0) currents.set(this.backends[i]!.key, this.currents[i]!);
    }
    return currents;
  }
}
