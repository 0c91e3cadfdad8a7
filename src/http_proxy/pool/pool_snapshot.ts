import type { HttpPoolSnapshot, PoolBackendSnapshot } from "./options.ts";
import type { PoolBackend } from "./pool_backend.ts";

/** Backends as they are now. Frozen. */
export function snapshotOf(all: readonly PoolBackend[]): HttpPoolSnapshot {
  const backends = Object.freeze(all.map(backendSnapshot));
  return Object.freeze({ backends, byUrl: new FrozenMap(backends.map((each) => [each.url, each])) });
}

function backendSnapshot(backend: PoolBackend): PoolBackendSnapshot {
  const { url, weight, currentWeight, maxConnections, active, state, available, succeeded, failed } = backend;
  return Object.freeze({
    ...{ url, weight, currentWeight, maxConnections, active, state, available, succeeded, failed },
  });
}

/** A map that can't be changed. */
class FrozenMap<K, V> extends Map<K, V> {
  readonly #isBuilt: boolean;

  constructor(entries: Iterable<readonly [K, V]>) {
    super(entries);
    this.#isBuilt = true;
    Object.freeze(this);
  }

  override set(key: K, value: V): this {
    if (#isBuilt in this) throw new TypeError("Cannot change a snapshot");
    return super.set(key, value);
  }

  override delete(): boolean {
    throw new TypeError("Cannot change a snapshot");
  }

  override clear(): void {
    throw new TypeError("Cannot change a snapshot");
  }
}
