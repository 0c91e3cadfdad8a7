import type { Snapshot } from "../dataplane/snapshot.ts";
import type { BackendSets } from "../dataplane/upstreams.ts";
import { formatAddress } from "../net/address.ts";
import type { BackendSpec } from "../upstream/options.ts";
import type { Slots } from "./messages.ts";
import { createLimiterMemory } from "./shared_rate_limiter.ts";

/** The counts of a service or a backend, from the first index of its block. */
export const BLOCK = 5;
/** Services and backends that can be counted together; what comes beyond counts in each thread alone. */
const MAX_BLOCKS = 200_000;
/** A thread may use a block for a moment longer than the main thread. */
const QUARANTINE_MS = 60_000;

/**
 * Where the main thread counts what all threads share. It gives each service and backend a block of counters, and takes
 * off what a failed thread has counted.
 */
export class SharedCounts {
  /** The sums over all threads. The system gives it memory as it is used. */
  readonly totals = new SharedArrayBuffer(MAX_BLOCKS * BLOCK * 4);
  readonly #sums = new Int32Array(this.totals);
  readonly #blocks = new Map<string, number>();
  readonly #limiters = new Map<string, SharedArrayBuffer>();
  /** Blocks that are not named any more, and since when. */
  readonly #left: { index: number; atMs: number }[] = [];
  readonly #now: () => number;
  #next = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** What one thread adds to the sums. */
  createOwn(): SharedArrayBuffer {
    return new SharedArrayBuffer(this.totals.byteLength);
  }

  /** The blocks of a snapshot. Those of others stay as long as {@linkcode keep} is not called. */
  slotsOf({ services, upstreams }: Snapshot, sets?: BackendSets): Slots {
    const limiters = services.flatMap(({ name, admission: { rate } }) => {
      if (rate === undefined) return [];
      const key = limiterKey(name, rate);
      const memory = this.#limiters.getOrInsertComputed(key, createLimiterMemory);
      return [[key, memory] as const];
    });
    return {
      services: new Map(services.flatMap(({ name }) => this.#entry(name, serviceKey(name)))),
      backends: new Map(
        upstreams.map(({ name, backends }) => [name, this.backendSlots(name, sets?.get(name) ?? backends)]),
      ),
      limiters: new Map(limiters),
    };
  }

  /** The blocks of these backends. */
  backendSlots(upstream: string, backends: readonly BackendSpec[]): ReadonlyMap<string, number> {
    return new Map(backends.flatMap(({ address }) => {
      const key = formatAddress(address);
      return this.#entry(key, backendKey(upstream, key));
    }));
  }

  /** The connections of a service over all threads. */
  connectionsOf(service: string): number {
    const index = this.#blocks.get(serviceKey(service));
    return index === undefined ? 0 : Atomics.load(this.#sums, index);
  }

  /** What a thread counts of the connections of a service. */
  ownConnectionsOf(service: string, own: SharedArrayBuffer): number {
    const index = this.#blocks.get(serviceKey(service));
    return index === undefined ? 0 : Atomics.load(new Int32Array(own), index);
  }

  /** Gives the blocks back that are in none of these. */
  keep({ services, backends, limiters }: Slots): void {
    const named = new Set([
      ...services.values(),
      ...[...backends.values()].flatMap((each) => [...each.values()]),
    ]);
    const atMs = this.#now();
    for (const [key, index] of this.#blocks) {
      if (named.has(index)) continue;
      this.#blocks.delete(key);
      this.#left.push({ index, atMs });
    }
    for (const key of this.#limiters.keys()) if (!limiters.has(key)) this.#limiters.delete(key);
  }

  /** Backends have no failures in a row any more. */
  resetFailures(upstream: string, backend: string): void {
    const index = this.#blocks.get(backendKey(upstream, backend));
    if (index === undefined) return;
    Atomics.store(this.#sums, index + 3, 0);
    Atomics.store(this.#sums, index + 4, 0);
  }

  /** Takes off what a thread has counted that has ended. */
  takeOff(own: SharedArrayBuffer): void {
    const counts = new Int32Array(own);
    for (let index = 0; index < this.#next * BLOCK; index++) {
      if (counts[index] !== 0) Atomics.sub(this.#sums, index, counts[index]!);
    }
    counts.fill(0, 0, this.#next * BLOCK);
  }

  #entry(name: string, key: string): [name: string, index: number][] {
    const index = this.#blocks.get(key) ?? this.#allocate();
    if (index === undefined) return [];
    this.#blocks.set(key, index);
    return [[name, index]];
  }

  #allocate(): number | undefined {
    const [oldest] = this.#left;
    if (oldest !== undefined && oldest.atMs + QUARANTINE_MS < this.#now()) {
      this.#left.shift();
      if (this.#sums[oldest.index] === 0 && this.#sums[oldest.index + 1] === 0) {
        this.#sums.fill(0, oldest.index, oldest.index + BLOCK);
        return oldest.index;
      }
      this.#left.push({ index: oldest.index, atMs: this.#now() }); // Connections of it are still open.
    }
    return this.#next < MAX_BLOCKS ? this.#next++ * BLOCK : undefined;
  }
}

/** The key of the limiter of a service. */
export function limiterKey(service: string, rate: object): string {
  return `${service} ${JSON.stringify(rate)}`;
}

function serviceKey(name: string): string {
  return `service ${name}`;
}

function backendKey(upstream: string, key: string): string {
  return `upstream ${upstream} ${key}`;
}
