import { type Balancer, EmptySetError, type PickOptions } from "../../upstream/balance/balancer.ts";
import type { PoolBackend } from "./pool_backend.ts";

/**
 * Smooth weighted round-robin as `SmoothWeightedRoundRobin` has it, of which a pool shows the state: each backend has
 * its current weight, and ties go to the one whose turn it is, and on from there.
 */
export class PoolRoundRobin implements Balancer<PoolBackend> {
  #backends: readonly PoolBackend[] = [];
  #turn = 0;

  /** The index by which ties are decided. */
  get turn(): number {
    return this.#turn;
  }

  /** With it, all backends begin at the same weight. */
  set turn(turn: number) {
    this.#turn = turn;
    for (const backend of this.#backends) backend.currentWeight = 0;
  }

  update(backends: readonly PoolBackend[]): void {
    this.#backends = backends;
    if (this.#turn >= backends.length) this.#turn = 0;
    const round = backends.reduce((sum, { weight }) => sum + weight, 0);
    // A weight that an earlier set has left would give its backend everything, or nothing, for many rounds.
    for (const backend of backends) {
      backend.currentWeight = Math.min(round, Math.max(-round, backend.currentWeight));
    }
  }

  pick({ exclude }: PickOptions<PoolBackend> = {}): PoolBackend | undefined {
    const all = this.#backends;
    if (all.length === 0) throw new EmptySetError();
    let total = 0;
    let best = -1;
    for (let i = 0; i < all.length; i++) {
      const index = (this.#turn + i) % all.length;
      const backend = all[index]!;
      if (!backend.available || exclude?.includes(backend) === true) continue;
      backend.currentWeight += backend.weight;
      total += backend.weight;
      if (best === -1 || backend.currentWeight > all[best]!.currentWeight) best = index;
    }
    if (best === -1) return undefined;
    const backend = all[best]!;
    backend.currentWeight -= total;
    this.#turn = (best + 1) % all.length;
    return backend;
  }
}
