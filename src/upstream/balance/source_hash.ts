import { type Balancer, type Candidate, EmptySetError, type PickOptions } from "./balancer.ts";
import { hashText } from "./hash.ts";

const SOURCE_SEED = 0x51ed270b;
const KEY_SEED_1 = 0x2545f491;
const KEY_SEED_2 = 0x9e3779b9;

/**
 * Picks the same backend for the same client, in every process and for any order of the set. Connections without a source
 * count as one client.
 *
 * This is rendezvous hashing: each backend draws a number for the client by hashing the two together, and the
 * best number wins (D. Thaler and C. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM
 * Transactions on Networking 6, 1998), weighted by `-weight / ln(number)` (C. Schindelhauer and G. Schomaker,
 * "Weighted Distributed Hash Tables", SPAA 2005). Unlike with a
 * ring or Maglev's table, shares are exact and changes move no more clients than necessary: an n-th backend takes 1/n of
 * the clients; of a backend that is removed or not available only its own clients move, each to its second best.
 *
 * A pick takes O(size), with two multiplications for each backend.
 *
 * @example
 * ```ts
 * import { SourceHash } from "@culvert/culvert";
 *
 * const selector = new SourceHash();
 * const backend = (key: string) => ({ key, weight: 1, active: 0, available: true });
 * selector.update([backend("a"), backend("b"), backend("c")]);
 * const first = selector.pick({ source: "192.0.2.7" });
 * console.log(first === selector.pick({ source: "192.0.2.7" })); // true
 * ```
 */
export class SourceHash<B extends Candidate> implements Balancer<B> {
  #backends: readonly B[] = [];
  /** Two hashes of each key: with one, two of 10,000 backends share theirs in one set of a hundred. */
  #hashes1 = new Int32Array(0);
  #hashes2 = new Int32Array(0);
  /** One over the weight: infinite for weight 0, which so never wins. */
  #shares = new Float64Array(0);

  update(backends: readonly B[]): void {
    this.#backends = backends.slice();
    this.#hashes1 = Int32Array.from(backends, (backend) => hashText(backend.key, KEY_SEED_1));
    this.#hashes2 = Int32Array.from(backends, (backend) => hashText(backend.key, KEY_SEED_2));
    this.#shares = Float64Array.from(backends, (backend) => 1 / Math.max(0, backend.weight));
  }

  pick(options?: PickOptions<B>): B | undefined {
    const backends = this.#backends;
    if (backends.length === 0) throw new EmptySetError();
    const exclude = options?.exclude;
    const source = hashText(options?.source ?? "", SOURCE_SEED);
    const hashes1 = this.#hashes1;
    const hashes2 = this.#hashes2;
    const shares = this.#shares;
    let best: B | undefined;
    let bestDistance = Infinity;
    for (let i = 0; i < backends.length; i++) {
      const number = draw(source ^ hashes1[i]!, hashes2[i]!);
      const share = shares[i]!;
      // `number` never exceeds `-ln(1 - number)`, so most are out before a logarithm is taken or the backend
      // itself is looked at. Only about ln(size) of them get further.
      if (number * share > bestDistance || share === Infinity) continue;
      const backend = backends[i]!;
      if (!backend.available || exclude?.includes(backend)) continue;
      const distance = -Math.log1p(-number) * share;
      // The key decides between equals, since the order of the set must not.
      if (
        distance < bestDistance || (distance === bestDistance && best !== undefined && backend.key < best.key)
      ) {
        best = backend;
        bestDistance = distance;
      }
    }
    return best;
  }
}

/** Mixes two hashes into a number between 0 and 1, both exclusive. After Chris Wellons' `lowbias32`. */
function draw(a: number, b: number): number {
  let mixed = Math.imul(a ^ (a >>> 16), 0x7feb352d);
  mixed = mixed ^ (mixed >>> 15) ^ b;
  mixed = Math.imul(mixed, 0x846ca68b);
  mixed ^= mixed >>> 16;
  return ((mixed >>> 0) + 0.5) / 0x1_0000_0000;
}
