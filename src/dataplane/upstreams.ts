import type { Log } from "../core/log.ts";
import type { Plan } from "../core/plan.ts";
import { runInSlices, type Steps } from "../core/slices.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import { type Address, formatAddress } from "../net/address.ts";
import type { BufferPool } from "../net/buffers.ts";
import type { Dial } from "../net/dial.ts";
import { equalSpecs } from "../upstream/discover/backend_set.ts";
import type { BackendSpec } from "../upstream/options.ts";
import { Upstream } from "../upstream/upstream.ts";
import { type BackendTls, backendTls, type buildConnector } from "./credentials.ts";
import type { UpstreamSnapshot } from "./snapshot.ts";

/** What {@linkcode Upstreams} work with. */
export interface UpstreamsParts {
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
  readonly log: Log;
  /** Opens plain connections to backends. */
  readonly dial: Dial;
  /** Why a backend of an upstream must not be dialled; `undefined`: it may. */
  readonly refusal: (upstream: string, address: Address) => Error | undefined;
  /** Called when a dial failed for lack of descriptors or local ports. */
  readonly onShortage: () => void;
  /** Where in a round the balancers begin: from 0 to below 1. @default {0} */
  readonly phase?: number;
  /** Called when a connection waits: for a backend below its `maxConnections`, or (`backend`) for its pool. */
  readonly onWait?: (upstream: string, backend: string | undefined) => void;
  /** Makes what speaks TLS with backends. @default {buildConnector} */
  readonly buildConnector?: typeof buildConnector;
}

/** Backends by the name of their upstream. */
export type BackendSets = ReadonlyMap<string, readonly BackendSpec[]>;

/** Upstreams that have been prepared. */
export interface UpstreamsPlan extends Plan<readonly Upstream[]> {
  /** Backends in `sets` take the place of those of the snapshot. Returns the upstreams that are no longer named. */
  commit(sets?: BackendSets): readonly Upstream[];
}

/** An upstream that is ready for its change. A new one has no backends yet. */
interface UpstreamChange {
  readonly upstream: Upstream;
  readonly connector: BackendTls | undefined;
  /** Changes it, with the set of `sets` in the place of its own. */
  readonly commit: (sets: BackendSets | undefined) => void;
}

/** The upstreams of the data plane, by name. */
export class Upstreams {
  readonly #parts: UpstreamsParts;
  readonly #byName = new Map<string, { upstream: Upstream; connector: BackendTls | undefined }>();
  /** Those that are no longer named, until they are closed. */
  readonly #left = new Set<Upstream>();

  constructor(parts: UpstreamsParts) {
    this.#parts = parts;
  }

  /** All of them, in the order of the snapshot. */
  get all(): readonly Upstream[] {
    return [...this.#byName.values()].map(({ upstream }) => upstream);
  }

  get(name: string): Upstream | undefined {
    return this.#byName.get(name)?.upstream;
  }

  /**
   * Prepares these upstreams, in slices.
   *
   * @throws {CulvertError} if credentials can't be used.
   */
  async prepare(snapshots: readonly UpstreamSnapshot[]): Promise<UpstreamsPlan> {
    const prepared = await runInSlices(this.#prepare(snapshots));
    return { commit: (sets) => this.#commit(prepared, sets), [Symbol.dispose]: () => {} };
  }

  /** Closes these of those that are no longer named. */
  async closeLeft(left: readonly Upstream[]): Promise<void> {
    await Promise.all(left.filter((each) => this.#left.has(each)).map((each) => each.close()));
    for (const each of left) this.#left.delete(each);
  }

  /** Closes all of them. */
  async close(): Promise<void> {
    await Promise.all([...this.all, ...this.#left].map((upstream) => upstream.close()));
  }

  *#prepare(snapshots: readonly UpstreamSnapshot[]): Steps<readonly UpstreamChange[]> {
    const prepared: UpstreamChange[] = [];
    for (const { tls, ...snapshot } of snapshots) {
      const { name } = snapshot;
      const running = this.#byName.get(name);
      const connector = tls && backendTls(tls, { parts: this.#parts, running: running?.connector });
      const how = { dial: this.#parts.dial, connectTls: connector?.connectTls };
      const refusal = (address: Address) => this.#parts.refusal(name, address);
      const onWait = (backend: string | undefined) => this.#parts.onWait?.(name, backend);
      const upstream = running?.upstream ??
        new Upstream({ ...snapshot, backends: [] }, { ...this.#parts, ...how, refusal, onWait });
      const backends = yield* reuseSpecs(snapshot.backends, upstream);
      const created = yield* upstream.createBackends(backends);
      const options = { ...snapshot, backends };
      prepared.push({
        upstream,
        connector,
        commit: (sets) => {
          upstream.update({ ...options, backends: sets?.get(name) ?? backends }, { ...how, created });
        },
      });
      yield;
    }
    return prepared;
  }

  #commit(prepared: readonly UpstreamChange[], sets: BackendSets | undefined): readonly Upstream[] {
    const left = new Set(this.all);
    this.#byName.clear();
    for (const { upstream, connector, commit } of prepared) {
      commit(sets);
      left.delete(upstream);
      this.#byName.set(upstream.name, { upstream, connector });
    }
    for (const upstream of left) this.#left.add(upstream);
    return [...left];
  }
}

/** These specs, with the objects of `running` where they are the same. */
function* reuseSpecs(specs: readonly BackendSpec[], running: Upstream): Steps<readonly BackendSpec[]> {
  const current = running.options.backends;
  const reused: BackendSpec[] = [];
  for (const [index, spec] of specs.entries()) {
    const before = current[index];
    const known = before !== undefined && equalSpecs(before, spec)
      ? before
      : running.find(formatAddress(spec.address))?.spec;
    reused.push(known !== undefined && equalSpecs(known, spec) ? known : spec);
    yield;
  }
  return reused;
}
