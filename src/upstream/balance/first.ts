import { type Balancer, type Candidate, EmptySetError, type PickOptions } from "./balancer.ts";

/**
 * Picks the first available backend in the order of the set: each is filled up to its `maxConnections` before the next
 * gets any, so that the last ones can be switched off at low load. Weights other than 0 are ignored.
 *
 * This is HAProxy's `balance first` (`src/lb_fas.c`).
 *
 * @example
 * ```ts
 * import { First } from "@culvert/culvert";
 *
 * const selector = new First();
 * const backend = (key: string, available: boolean) => ({ key, weight: 1, active: 0, available });
 * selector.update([backend("a", false), backend("b", true), backend("c", true)]);
 * console.log(selector.pick()?.key); // b
 * ```
 */
export class First<B extends Candidate> implements Balancer<B> {
  #backends: readonly B[] = [];

  update(backends: readonly B[]): void {
    this.#backends = backends.slice();
  }

  pick(options?: PickOptions<B>): B | undefined {
    const backends = this.#backends;
    if (backends.length === 0) throw new EmptySetError();
    const exclude = options?.exclude;
    for (let i = 0; i < backends.length; i++) {
      const backend = backends[i]!;
      if (backend.weight > 0 && backend.available && !exclude?.includes(backend)) return backend;
    }
    return undefined;
  }
}
