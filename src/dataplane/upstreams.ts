import type { Log } from "../core/log.ts";
import type { Plan } from "../core/plan.ts";
import { runInSlices, type Steps } from "../core/slices.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import { type Address, formatAddress } from "../net/address.ts";
import type { BufferPool } from "../net/buffers.ts";
import type { Dial } from "../net/dial.ts";
import type { TlsConnect } from "../tls/dial.ts";
import { equalSpecs } from "../upstream/discover/backend_set.ts";
import type { BackendSpec } from "../upstream/options.ts";
import { Upstream } from "../upstream/upstream.ts";
import { buildConnector } from "./credentials.ts";
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
  /** Called when a dial failed for want of descriptors or local ports. */
  readonly onShortage: () => void;
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

/** What speaks TLS with the backends of an upstream. */
interface Connector {
  /** The same text stands for the same TLS: what has been connected by it can be used. */
  readonly fingerprint: string;
  readonly connectTls: TlsConnect;
}

/** The upstreams of the data plane, by name. */
export class Upstreams {
  readonly #parts: UpstreamsParts;
  readonly #byName = new Map<string, { upstream: Upstream; connector: Connector | undefined }>();
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
    const connectors = await runInSlices(this.#connectors(snapshots));
    const reused = await runInSlices(this.#reuseSpecs(snapshots));
    const commit = (sets?: BackendSets) => this.#commit(reused, { connectors, sets });
    return { commit, [Symbol.dispose]: () => {} };
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

  *#connectors(snapshots: readonly UpstreamSnapshot[]): Steps<ReadonlyMap<string, Connector>> {
    const connectors = new Map<string, Connector>();
    const { buildConnector: build = buildConnector } = this.#parts;
    for (const { name, tls } of snapshots) {
      if (tls === undefined) continue;
      const fingerprint = JSON.stringify(tls);
      const running = this.#byName.get(name)?.connector;
      const isSame = running?.fingerprint === fingerprint;
      connectors.set(
        name,
        isSame ? running : { fingerprint, connectTls: build(tls, this.#parts) },
      );
      yield;
    }
    return connectors;
  }

  /** The same, with the specs that running backends have: what is the same object need not be looked at again. */
  *#reuseSpecs(snapshots: readonly UpstreamSnapshot[]): Steps<readonly UpstreamSnapshot[]> {
    const reused: UpstreamSnapshot[] = [];
    for (const snapshot of snapshots) {
      const running = this.get(snapshot.name);
      const backends = running === undefined
        ? snapshot.backends
        : yield* reuseSpecs(snapshot.backends, running);
      reused.push({ ...snapshot, backends });
      yield;
    }
    return reused;
  }

  #commit(
    snapshots: readonly UpstreamSnapshot[],
    { connectors, sets }: { connectors: ReadonlyMap<string, Connector>; sets: BackendSets | undefined },
  ): readonly Upstream[] {
    const before = new Map(this.#byName);
    this.#byName.clear();
    for (const snapshot of snapshots) {
      const { tls: _, ...options } = { ...snapshot, backends: sets?.get(snapshot.name) ?? snapshot.backends };
      const { name } = options;
      const connector = connectors.get(name);
      const running = before.get(name)?.upstream;
      before.delete(name);
      const how = { dial: this.#parts.dial, connectTls: connector?.connectTls };
      running?.update(options, how);
      const refusal = (address: Address) => this.#parts.refusal(name, address);
      const upstream = running ?? new Upstream(options, { ...this.#parts, ...how, refusal });
      this.#byName.set(name, { upstream, connector });
    }
    const left = [...before.values()].map(({ upstream }) => upstream);
    for (const upstream of left) this.#left.add(upstream);
    return left;
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
