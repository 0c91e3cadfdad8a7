import type { ServerCredentials } from "../dataplane/credentials.ts";
import type { Snapshot } from "../dataplane/snapshot.ts";
import type { BackendSets } from "../dataplane/upstreams.ts";
import type { AddressesByKey, BoundAddresses } from "../dataplane/listeners.ts";
import { type Address, formatAddress } from "../net/address.ts";
import type { HealthState } from "../upstream/check/health.ts";
import type { BackendSpec } from "../upstream/options.ts";
import type { Notice } from "./messages.ts";

/** As many as are looked at in each thread. */
const MAX_LOCAL_IPS = 1000;

/** The last snapshot with everything that has changed since: what a worker that is started later must be told. */
export class CarriedState {
  /** The last snapshot, with the current backends and credentials. */
  snapshot: Snapshot | undefined;
  /** Where it is listened, by the keys of the listeners. */
  addresses: AddressesByKey = new Map();
  /** The same by service. */
  bound: BoundAddresses = new Map();
  adminAddress: Address | undefined;
  /** Addresses of this machine at which clients have connected. */
  readonly localIps = new Set<string>();
  readonly #health = new Map<string, Map<string, HealthState>>();
  readonly #disabled = new Map<string, Set<string>>();

  /** Takes another address of this machine. */
  addLocalIp(ip: string): void {
    if (this.localIps.size < MAX_LOCAL_IPS) this.localIps.add(ip);
  }

  /** Takes a snapshot that is carried from now on. */
  take(snapshot: Snapshot, sets: BackendSets | undefined): void {
    const upstreams = snapshot.upstreams.map((upstream) => {
      const backends = sets?.get(upstream.name) ?? upstream.backends;
      return backends === upstream.backends ? upstream : { ...upstream, backends };
    });
    this.snapshot = { ...snapshot, upstreams };
    const checked = new Set(upstreams.flatMap(({ name, externalHealth }) => externalHealth ? [name] : []));
    const names = new Set(upstreams.map(({ name }) => name));
    for (const name of this.#health.keys()) if (!checked.has(name)) this.#health.delete(name);
    for (const name of this.#disabled.keys()) if (!names.has(name)) this.#disabled.delete(name);
    for (const { name, backends } of upstreams) this.#prune(name, backends);
  }

  /** Takes the set of an upstream. */
  setBackends(upstream: string, backends: readonly BackendSpec[]): void {
    if (this.snapshot === undefined) return;
    const upstreams = this.snapshot.upstreams.map((each) =>
      each.name === upstream ? { ...each, backends } : each
    );
    this.snapshot = { ...this.snapshot, upstreams };
    this.#prune(upstream, backends);
  }

  /** Takes what checks have found. */
  setHealth(upstream: string, states: ReadonlyMap<string, HealthState>): void {
    const known = this.#health.getOrInsertComputed(upstream, () => new Map());
    for (const [key, state] of states) known.set(key, state);
  }

  /** Takes whether a backend is disabled. Returns whether there is such a backend. */
  setDisabled(upstream: string, { backend, disabled }: { backend: string; disabled: boolean }): boolean {
    const found = this.snapshot?.upstreams.find(({ name }) => name === upstream);
    if (found?.backends.some(({ address }) => formatAddress(address) === backend) !== true) return false;
    const keys = this.#disabled.getOrInsertComputed(upstream, () => new Set());
    if (disabled) keys.add(backend);
    else keys.delete(backend);
    return true;
  }

  /** Takes other credentials of services. */
  setCredentials(credentials: ReadonlyMap<string, ServerCredentials>): void {
    if (this.snapshot === undefined) return;
    const services = this.snapshot.services.map((service) => {
      const tls = credentials.get(service.name);
      return tls === undefined ? service : { ...service, tls };
    });
    this.snapshot = { ...this.snapshot, services };
  }

  /** What a worker must be told that has just taken the snapshot. */
  *notices(): Iterable<Notice> {
    yield { type: "admin-address", address: this.adminAddress };
    for (const ip of this.localIps) yield { type: "local-ip", ip };
    for (const [upstream, states] of this.#health) yield { type: "health", upstream, states };
    for (const [upstream, keys] of this.#disabled) {
      for (const backend of keys) yield { type: "disabled", upstream, backend, disabled: true };
    }
  }

  #prune(upstream: string, backends: readonly BackendSpec[]): void {
    const [health, disabled] = [this.#health.get(upstream), this.#disabled.get(upstream)];
    if (health === undefined && disabled === undefined) return;
    const keys = new Set(backends.map(({ address }) => formatAddress(address)));
    for (const key of health?.keys() ?? []) if (!keys.has(key)) health!.delete(key);
    for (const key of disabled ?? []) if (!keys.has(key)) disabled!.delete(key);
  }
}
