import type { BalanceName, Candidate } from "../src/upstream/balance/balancer.ts";
import { createBalancer } from "../src/upstream/balance/create_balancer.ts";

/** As much of a backend as balancers look at, with what asking for `available` costs in earnest. */
class BenchBackend implements Candidate {
  readonly maxConnections: number = 1_000;

  constructor(readonly key: string, readonly weight: number, readonly active: number) {}

  get available(): boolean {
    return this.weight > 0 && (this.maxConnections === 0 || this.active < this.maxConnections);
  }
}

const NAMES: readonly BalanceName[] = [
  "round-robin",
  "least-connections",
  "random-two-choices",
  "source-hash",
  "first",
];

for (const size of [10, 100, 1_000]) {
  for (const name of NAMES) {
    const balancer = createBalancer<BenchBackend>(name);
    balancer.update(makeBackends(size));
    const clients = Array.from({ length: 256 }, (_, i) => ({ source: `192.0.2.${i}` }));
    let turn = 0;
    Deno.bench(`${name}: pick`, { group: `pick among ${size}` }, () => {
      balancer.pick(clients[turn++ & 255]!);
    });
  }
}

for (const size of [1_000, 10_000]) {
  for (const name of NAMES) {
    const balancer = createBalancer<BenchBackend>(name);
    const backends = makeBackends(size);
    const sets = [backends, backends.toSpliced(size / 2, 1)] as const;
    let turn = 0;
    Deno.bench(`${name}: update`, { group: `one of ${size} comes and goes` }, () => {
      balancer.update(sets[turn++ & 1]!);
    });
  }
}

/** Backends of mixed weights and loads. */
function makeBackends(count: number): BenchBackend[] {
  return Array.from(
    { length: count },
    (_, i) => new BenchBackend(`10.0.${i >> 8}.${i & 255}:5432`, 1 + i % 5, i % 7),
  );
}
