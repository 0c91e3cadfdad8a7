import { formatAddress } from "../net/address.ts";
import type { Backend } from "./backend.ts";
import type { BalanceName, Balancer, PickOptions } from "./balance/balancer.ts";
import { createBalancer } from "./balance/create_balancer.ts";
import { BackendsDownError, NoBackendError } from "./errors.ts";
import type { BackendSpec } from "./options.ts";

/** What a change of the set has brought. */
export interface BackendChanges {
  readonly added: readonly Backend[];
  readonly removed: readonly Backend[];
}

/**
 * The set of backends of one upstream, with the balancers that pick from it: one for the backends proper, and one for
 * the `backup` ones, which is asked only if none of the others is available.
 */
export class BackendGroup {
  readonly #upstream: string;
  readonly #phase: number;
  /** By their address as text, in the order of the configuration. */
  #backends = new Map<string, Backend>();
  #primary: Balancer<Backend>;
  #backup: Balancer<Backend>;
  #hasPrimary = false;
  #hasBackup = false;

  /** `phase` is where in a round its balancers begin, from 0 to below 1. */
  constructor(upstream: string, { balance, phase = 0 }: { balance: BalanceName; phase?: number }) {
    this.#upstream = upstream;
    this.#phase = phase;
    this.#primary = createBalancer(balance);
    this.#backup = createBalancer(balance);
  }

  get size(): number {
    return this.#backends.size;
  }

  /** Whether any backend may take a connection now. */
  get available(): boolean {
    for (const backend of this.#backends.values()) if (backend.available) return true;
    return false;
  }

  [Symbol.iterator](): IterableIterator<Backend> {
    return this.#backends.values();
  }

  /** The backend of this address, as text. */
  find(key: string): Backend | undefined {
    return this.#backends.get(key);
  }

  /** The backend for the next connection; `undefined`: none is available. */
  pick(options: PickOptions<Backend>): Backend | undefined {
    return (this.#hasPrimary ? this.#primary.pick(options) : undefined) ??
      (this.#hasBackup ? this.#backup.pick(options) : undefined);
  }

  /** Whether a backend other than `tried` is full, and would take a connection otherwise. */
  canWait(tried: readonly Backend[]): boolean {
    for (const backend of this.#backends.values()) {
      if (backend.full && !tried.includes(backend)) return true;
    }
    return false;
  }

  /** Why no backend is available. */
  unavailable(): Error {
    return unavailableError(this.#upstream, this);
  }

  /**
   * Takes a new set. Backends whose address stays are kept and reconfigured; `create` makes the others. The balancers
   * follow with {@linkcode rebalance}.
   */
  replace(
    specs: readonly BackendSpec[],
    create: (spec: BackendSpec) => Backend,
  ): BackendChanges {
    const left = this.#backends;
    this.#backends = new Map();
    const added: Backend[] = [];
    for (const spec of specs) {
      const key = formatAddress(spec.address);
      // An address that occurs twice is one backend, as configured last.
      let backend = this.#backends.get(key) ?? left.get(key);
      if (backend === undefined) added.push(backend = create(spec));
      left.delete(key);
      if (backend.spec !== spec) backend.configure(spec);
      this.#backends.set(key, backend);
    }
    return { added, removed: [...left.values()] };
  }

  /** Tells the balancers that the set or weights have changed; with `balance`, replaces them. */
  rebalance(balance?: BalanceName): void {
    if (balance !== undefined) {
      this.#primary = createBalancer(balance);
      this.#backup = createBalancer(balance);
    }
    const backends = [...this.#backends.values()];
    const primary = backends.filter((backend) => !backend.backup);
    const backup = backends.filter((backend) => backend.backup);
    this.#primary.update(primary);
    this.#backup.update(backup);
    if (!this.#hasPrimary || balance !== undefined) {
      advance(this.#primary, { size: primary.length, phase: this.#phase });
    }
    if (!this.#hasBackup || balance !== undefined) {
      advance(this.#backup, { size: backup.length, phase: this.#phase });
    }
    this.#hasPrimary = primary.length > 0;
    this.#hasBackup = backup.length > 0;
  }
}

/** Why none of these backends is available. */
export function unavailableError(upstream: string, backends: Iterable<Backend>): Error {
  const counts = { down: 0, ejected: 0 };
  for (const { state } of backends) {
    if (state === "up" || state === "unknown") return new NoBackendError(upstream); // It is full.
    if (state !== "drained") counts[state]++;
  }
  const states = Object.entries(counts).filter(([, count]) => count > 0);
  if (states.length === 0) return new NoBackendError(upstream);
  const text = states.map(([state, count]) => `${count} ${state}`).join(", ");
  return new BackendsDownError(upstream, text);
}

/** Of larger sets, this many backends are far enough apart. */
const MAX_ADVANCE = 64;

/** Lets a balancer pick without use, so that it begins at another backend than that of another thread. */
function advance(balancer: Balancer<Backend>, { size, phase }: { size: number; phase: number }): void {
  const picks = Math.floor(phase * Math.min(size, MAX_ADVANCE));
  for (let each = 0; each < picks; each++) balancer.pick({ source: "" });
}
