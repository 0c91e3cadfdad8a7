import type { Candidate } from "./balancer.ts";

/**
 * A set of backends with what smooth weighted round-robin remembers of each, in parallel arrays so that a pick
 * walks through memory in order. Shared by the balancers that turn in this way; not meant for others.
 */
export class CurrentWeights<B extends Candidate> {
  /** The set, in the order in which it was given. */
  backends: readonly B[] = [];
  /** The weight of each backend as of the last update. */
  weights = new Float64Array(0);
  /** The sum of the weights. */
  round = 0;
  /** The current weight of each backend. Their balancer writes here. */
  currents = new Float64Array(0);

  /**
   * Takes a new set. A backend that stays (the same key) keeps its current weight, a new one starts at 0.
   *
   * In undisturbed turning a current weight never exceeds the sum of the weights. One that does so now was
   * earned under larger weights, and its backend would starve, or get everything, for many rounds: it is cut
   * down to one round.
   */
  update(backends: readonly B[]): void {
    const weights = Float64Array.from(backends, (backend) => Math.max(0, backend.weight));
    let round = 0;
    for (const weight of weights) round += weight;

    const currents = new Float64Array(backends.length);
    let earlier: Map<string, number> | undefined;
    for (let i = 0; i < backends.length; i++) {
      const key = backends[i]!.key;
      let current: number;
      // Most updates change little: where the order is the same, nothing needs to be looked up.
      if (this.backends[i]?.key === key) {
        current = this.currents[i]!;
      } else {
        earlier ??= this.#byKey();
        current = earlier.get(key) ?? 0;
      }
      currents[i] = Math.min(round, Math.max(-round, current));
    }
    this.backends = backends.slice();
    this.weights = weights;
    this.round = round;
    this.currents = currents;
  }

  #byKey(): Map<string, number> {
    return new Map(this.backends.map((backend, i) => [backend.key, this.currents[i]!]));
  }
}
