import type { Balancer, Candidate, PickOptions } from "../../../src/upstream/balance/balancer.ts";

/** A backend that a test sets as it likes. */
export class TestBackend implements Candidate {
  /** How often the weights of all test backends have been read. */
  static reads = 0;
  readonly key: string;
  #weight: number;
  active = 0;
  up = true;
  /** The most connections at once; 0: no bound. */
  maxConnections = 0;

  constructor(key: string, weight = 1) {
    this.key = key;
    this.#weight = weight;
  }

  get weight(): number {
    TestBackend.reads++;
    return this.#weight;
  }

  set weight(weight: number) {
    this.#weight = weight;
  }

  get available(): boolean {
    return this.up && this.weight > 0 && (this.maxConnections === 0 || this.active < this.maxConnections);
  }
}

/** Backends named `a`, `b`, `c` and so on, of these weights. */
export function backendsOf(...weights: number[]): TestBackend[] {
  return weights.map((weight, i) => new TestBackend(String.fromCharCode(97 + i), weight));
}

/** The keys of so many picks, as `a b a`; `-` where there was none. */
export function picks(
  balancer: Balancer<TestBackend>,
  count: number,
  options?: PickOptions<TestBackend>,
): string {
  return Array.from({ length: count }, () => balancer.pick(options)?.key ?? "-").join(" ");
}
