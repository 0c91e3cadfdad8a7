import { type Balancer, type Candidate, EmptySetError, type PickOptions } from "./balancer.ts";
import { CurrentWeights } from "./current_weights.ts";

/**
 * Picks backends in turn, in proportion to their weights and spread as evenly as possible: weights 5, 1, 1 give
 * `a a b a c a a`, not `a a a a a b c`.
 *
 * This is nginx's smooth weighted round-robin (`ngx_http_upstream_get_peer` in
 * `src/http/ngx_http_upstream_round_robin.c`, commit 52327e0627f4, described there). At each pick every
 * available backend gains its weight; the one that then has the most is picked and loses the sum of all gains.
 * Unavailable backends do not gain, so that they do not return with a burst. Excluded ones do, up to one round: they are
 * skipped for one client alone, mostly because they have just failed for it. Without the gain, failing backends would
 * become neighbours in the rotation, and one client would meet all of them in a row.
 *
 * A pick takes O(size), as availability may change at any time.
 *
 * @example
 * ```ts
 * import { SmoothWeightedRoundRobin } from "@culvert/culvert";
 *
 * const selector = new SmoothWeightedRoundRobin();
 * const backend = (key: string, weight: number) => ({ key, weight, active: 0, available: true });
 * selector.update([backend("a", 5), backend("b", 1), backend("c", 1)]);
 * console.log(Array.from({ length: 7 }, () => selector.pick()?.key).join(" ")); // a a b a c a a
 * ```
 */
export class SmoothWeightedRoundRobin<B extends Candidate> implements Balancer<B> {
  readonly #set = new CurrentWeights<B>();

  update(backends: readonly B[]): void {
    this.#set.update(backends);
  }

  pick(options?: PickOptions<B>): B | undefined {
    const { backends, weights, currents, round } = this.#set;
    if (backends.length === 0) throw new EmptySetError();
    const exclude = options?.exclude;
    let best = -1;
    let bestCurrent = -Infinity;
    let gained = 0;
    for (let i = 0; i < backends.length; i++) {
      const backend = backends[i]!;
      const weight = weights[i]!;
      if (weight === 0 || !backend.available) continue;
      const current = currents[i]! + weight;
      gained += weight;
      if (exclude?.includes(backend)) {
        currents[i] = Math.min(current, round);
        continue;
      }
      currents[i] = current;
      if (current > bestCurrent) {
        best = i;
        bestCurrent = current;
      }
    }
    if (best === -1) return undefined;
    currents[best] = bestCurrent - gained;
    return backends[best];
  }
}
