import type { BackendSpec } from "../src/upstream/options.ts";
import { checkSet, equalSets, joinSets } from "../src/upstream/discover/backend_set.ts";
import { Upstream } from "../src/upstream/upstream.ts";

const SIZE = 10_000;
const group = `a set of ${SIZE} backends, changed by one`;
const options = {
  name: "db",
  balance: "round-robin",
  pool: { maxIdle: 8, minIdle: 0, maxOpen: 0, idleTimeoutMs: 0 },
  retries: 2,
  onRemove: "close",
  proxyProtocol: "none",
} as const;
const sets = [makeSet(), makeSet().with(SIZE / 2, backend("10.1.0.1"))] as const;

let turn = 0;
Deno.bench("check", { group }, () => checkSet(sets[turn++ & 1]!));
Deno.bench("compare with the last set", { group }, () => {
  equalSets(sets[0], sets[1]);
});
Deno.bench("join", { group }, () => {
  joinSets([sets[turn++ & 1]!]);
});

const upstream = new Upstream({ ...options, backends: sets[0] });
Deno.bench("apply to the upstream", { group }, () => upstream.updateBackends(sets[turn++ & 1]!));
Deno.bench("apply to an empty upstream", { group }, () => {
  new Upstream({ ...options, backends: sets[0] });
});

function makeSet(): BackendSpec[] {
  return Array.from({ length: SIZE }, (_, i) => backend(`10.0.${i >> 8}.${i & 255}`));
}

function backend(host: string): BackendSpec {
  return { address: { kind: "tcp", host, port: 5432 }, weight: 1, maxConnections: 0, backup: false };
}
