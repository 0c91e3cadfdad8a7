import { type Balancer, type Candidate, EmptySetError, type PickOptions } from "./balancer.ts";
import { CurrentWeights } from "./current_weights.ts";

/**
 * Picks the backend with the fewest connections for its weight. Ties are resolved by smooth weighted round-robin, so that
 * an idle set is not filled from its front.
 *
 * This is nginx's `least_conn` (`src/http/modules/ngx_http_upstream_least_conn_module.c`). Loads are compared
 * by cross multiplication, which is exact where a division would round.
 *
 * A pick takes O(size), twice when several tie.
 *
 * @example
 * ```ts
 * import { LeastConnections } from "@culvert/culvert";
 *
 * const selector = new LeastConnections();
 * const backend = (key: string, active: number) => ({ key, weight: 1, active, available: true });
 * selector.update([backend("a", 2), backend("b", 1)]);
 * console.log(selector.pick()?.key); // b
 * ```
 */
export class LeastConnections<B extends Candidate> implements Balancer<B> {
  readonly #set = new CurrentWeights<B>();

  update(backends: readonly B[]): void {
    this.#set.update(backends);
  }

  pick(options?: PickOptions<B>): B | undefined {
    const { backends, weights } = this.#set;
    if (backends.length === 0) throw new EmptySetError();
    const exclude = options?.exclude;
    let best = -1;
    let bestActive = 0;
    let bestWeight = 0;
    let tied = false;
    for (let i = 0; i < backends.length; i++) {
      const backend = backends[i]!;
      const weight = weights[i]!;
      if (weight === 0 || !backend.available || exclude?.includes(backend)) continue;
      const active = backend.active;
      const difference = active * bestWeight - bestActive * weight;
      if (best === -1 || difference < 0) {
        best = i;
        bestActive = active;
        bestWeight = weight;
        tied = false;
      } else if (difference === 0) {
        tied = true;
      }
    }
    if (best === -1) return undefined;
    return backends[tied ? this.#takeTurns(best, exclude) : best];
  }

  /** A step of round-robin among the backends with the same load as `first`, which is the first of them. */
  #takeTurns(first: number, exclude: readonly B[] | undefined): number {
    const { backends, weights, currents } = this.#set;
    const firstActive = backends[first]!.active;
    const firstWeight = weights[first]!;
    let best = first;
    let bestCurrent = -Infinity;
    let gained = 0;
    for (let i = first; i < backends.length; i++) {
      const backend = backends[i]!;
      const weight = weights[i]!;
      if (backend.active * firstWeight !== firstActive * weight) continue;
      if (weight === 0 || !backend.available || exclude?.includes(backend)) continue;
      const current = currents[i]! + weight;
      currents[i] = current;
      gained += weight;
      if (current > bestCurrent) {
        best = i;
        bestCurrent = current;
      }
    }
    currents[best] = bestCurrent - gained;
    return best;
  }
}
