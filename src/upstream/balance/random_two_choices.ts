import { type Balancer, type Candidate, EmptySetError, type PickOptions } from "./balancer.ts";
import { Lottery } from "./lottery.ts";

/** Options of {@linkcode RandomTwoChoices}. */
export interface RandomTwoChoicesOptions {
  /** Random numbers from 0 to below 1. @default {Math.random} */
  readonly random?: () => number;
}

/**
 * Draws two different backends at random, in proportion to their weights, and picks the one with fewer connections for its
 * weight (the first drawn in a tie). Nearly as even as least connections, at a cost that hardly grows with the set; and
 * several proxies with the same backends, each knowing only its own connections, do not all pick the same one.
 *
 * Source: M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE Transactions on
 * Parallel and Distributed Systems 12 (2001); weights as in nginx's `random two least_conn`
 * (`src/http/modules/ngx_http_upstream_random_module.c`).
 *
 * A pick takes O(log size) and two random numbers. If one of the two is not available, both are drawn from the available
 * ones instead, which takes O(size).
 *
 * @example
 * ```ts
 * import { RandomTwoChoices } from "@culvert/culvert";
 *
 * const selector = new RandomTwoChoices();
 * const backend = (key: string, active: number) => ({ key, weight: 1, active, available: true });
 * selector.update([backend("a", 2), backend("b", 1)]);
 * console.log(selector.pick()?.key); // b: the set has only two
 * ```
 */
export class RandomTwoChoices<B extends Candidate> implements Balancer<B> {
  readonly #random: () => number;
  #backends: readonly B[] = [];
  #all = new Lottery(0);
  /** Scratch space of a pick that looks at all backends: the available ones, and their index in the set. */
  #eligible = new Lottery(0);
  #places = new Uint32Array(0);

  /** The set is empty until the first `update`. */
  constructor(options: RandomTwoChoicesOptions = {}) {
    this.#random = options.random ?? Math.random;
  }

  update(backends: readonly B[]): void {
    this.#backends = backends.slice();
    this.#all = new Lottery(backends.length);
    for (const backend of backends) this.#all.add(Math.max(0, backend.weight));
    this.#eligible = new Lottery(backends.length);
    this.#places = new Uint32Array(backends.length);
  }

  pick(options?: PickOptions<B>): B | undefined {
    const backends = this.#backends;
    if (backends.length === 0) throw new EmptySetError();
    const exclude = options?.exclude;
    const first = this.#all.draw(this.#random());
    if (first === -1) return undefined;
    const second = this.#all.drawOther(this.#random(), first);
    const a = backends[first]!;
    const b = backends[second]!;
    if (!isEligible(a, exclude) || !isEligible(b, exclude)) return this.#pickAmongEligible(exclude);
    return lessLoaded(a, b);
  }

  #pickAmongEligible(exclude: readonly B[] | undefined): B | undefined {
    const backends = this.#backends;
    const eligible = this.#eligible;
    eligible.clear();
    for (let i = 0; i < backends.length; i++) {
      const backend = backends[i]!;
      if (!isEligible(backend, exclude)) continue;
      this.#places[eligible.size] = i;
      eligible.add(backend.weight);
    }
    if (eligible.size === 0) return undefined;
    const first = eligible.draw(this.#random());
    const second = eligible.drawOther(this.#random(), first);
    return lessLoaded(backends[this.#places[first]!]!, backends[this.#places[second]!]!);
  }
}

function isEligible<B extends Candidate>(backend: B, exclude: readonly B[] | undefined): boolean {
  return backend.weight > 0 && backend.available && !exclude?.includes(backend);
}

/** Compares by cross multiplication, which is exact where a division would round. */
function lessLoaded<B extends Candidate>(a: B, b: B): B {
  return b.active * a.weight < a.active * b.weight ? b : a;
}
