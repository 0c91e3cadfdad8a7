import { type Log, silentLog } from "../core/log.ts";
import { TimerWheel } from "../core/timer_wheel.ts";
import { formatAddress } from "../net/address.ts";
import { BufferPool } from "../net/buffers.ts";
import { type Dial, dial } from "../net/dial.ts";
import { Backend, type BackendSpec } from "./backend.ts";
import type { Balancer } from "./balance/balancer.ts";
import { createBalancer } from "./balance/create_balancer.ts";
import type { UpstreamOptions } from "./options.ts";
import { ConnectionPool } from "./pool.ts";
import { BackendSearch, type SearchContext, type SearchOptions } from "./search.ts";

/** What an upstream works with. Everything has a default that suits a program of its own. */
export interface UpstreamParts {
  /** Opens connections to backends. @default {dial} */
  readonly dial?: Dial;
  readonly wheel?: TimerWheel;
  readonly buffers?: BufferPool;
  /** @default {silentLog} */
  readonly log?: Log;
  /** How long a dial ahead may take, in milliseconds. @default {10_000} */
  readonly connectMs?: number;
}

/**
 * A named set of backends: picks one for each connection, keeps the pools, and follows changes of the set. A
 * backend keeps what it has shown of itself (counts, current weight, idle connections) as long as its address
 * stays.
 */
export class Upstream {
  readonly name: string;
  #dial: Dial;
  readonly #wheel: TimerWheel;
  readonly #buffers: BufferPool;
  readonly #log: Log;
  readonly #connectMs: number;
  readonly #context: SearchContext;
  #options: UpstreamOptions;
  #backends = new Map<string, Backend>();
  #primary: Balancer<Backend>;
  #backup: Balancer<Backend>;
  #hasPrimary = false;
  #hasBackup = false;

  constructor(options: UpstreamOptions, parts: UpstreamParts = {}) {
    this.name = options.name;
    this.#dial = parts.dial ?? dial;
    this.#wheel = parts.wheel ?? new TimerWheel();
    this.#buffers = parts.buffers ?? new BufferPool();
    this.#log = parts.log ?? silentLog;
    this.#connectMs = parts.connectMs ?? 10_000;
    this.#options = options;
    this.#primary = createBalancer(options.balance);
    this.#backup = createBalancer(options.balance);
    this.#context = this.#makeContext();
    this.update(options);
  }

  /** The set as it is now, in its order. */
  get backends(): readonly Backend[] {
    return [...this.#backends.values()];
  }

  /** Whether a connection that came now would find a backend to try. */
  get available(): boolean {
    for (const backend of this.#backends.values()) if (backend.available) return true;
    return false;
  }

  /** Whether its backends are told who the client is: then a search wants to know. */
  get tellsClient(): boolean {
    return this.#options.proxyProtocol !== "none";
  }

  /** A search for a backend, for one connection. */
  search(options: SearchOptions): BackendSearch {
    return new BackendSearch(this.#context, options);
  }

  /**
   * Takes a new configuration and a new set. Backends that stay keep all they have; the live connections of those
   * that have left end or drain, as `onRemove` says.
   */
  update(options: UpstreamOptions): void {
    const previous = this.#options;
    this.#options = options;
    if (previous.balance !== options.balance) {
      this.#primary = createBalancer(options.balance);
      this.#backup = createBalancer(options.balance);
    }
    const left = this.#backends;
    this.#backends = new Map();
    for (const spec of options.backends) {
      const key = formatAddress(spec.address);
      // An address that is named twice is one backend, as it was named last.
      const backend = this.#backends.get(key) ?? left.get(key) ?? this.#create(key, spec);
      left.delete(key);
      backend.configure(spec);
      if (previous.pool !== options.pool) backend.pool.configure(options.pool);
      this.#backends.set(key, backend);
    }
    this.#updateBalancers();
    for (const backend of left.values()) this.#remove(backend);
  }

  /** As {@linkcode update}, with another set and everything else as it is. */
  updateBackends(backends: readonly BackendSpec[]): void {
    this.update({ ...this.#options, backends });
  }

  /** Reaches backends in another way from now on. Idle connections end; those in use go on. */
  redial(dial: Dial): void {
    this.#dial = dial;
    for (const backend of this.#backends.values()) backend.pool.dropIdle();
  }

  /** Removes all backends: live connections end or drain, as `onRemove` says; pools close. */
  async close(): Promise<void> {
    const pools = this.backends.map((backend) => backend.pool);
    this.updateBackends([]);
    await Promise.all(pools.map((pool) => pool.close()));
  }

  #makeContext(): SearchContext {
    const current = () => this.#options;
    return {
      name: this.name,
      wheel: this.#wheel,
      log: this.#log,
      get retries() {
        return current().retries;
      },
      get proxyProtocol() {
        return current().proxyProtocol;
      },
      pick: (options) =>
        (this.#hasPrimary ? this.#primary.pick(options) : undefined) ??
          (this.#hasBackup ? this.#backup.pick(options) : undefined),
    };
  }

  #create(key: string, spec: BackendSpec): Backend {
    const pool = new ConnectionPool({
      ...this.#options.pool,
      name: key,
      dial: (signal) => this.#dial(spec.address, signal),
      connectMs: this.#connectMs,
      wheel: this.#wheel,
      buffers: this.#buffers,
      log: this.#log,
    });
    return new Backend(spec, pool);
  }

  #updateBalancers(): void {
    const backends = this.backends;
    const primary = backends.filter((backend) => !backend.backup);
    const backup = backends.filter((backend) => backend.backup);
    this.#primary.update(primary);
    this.#backup.update(backup);
    this.#hasPrimary = primary.length > 0;
    this.#hasBackup = backup.length > 0;
  }

  #remove(backend: Backend): void {
    backend.removed = true;
    void backend.pool.close();
    for (const connection of backend.live) {
      if (this.#options.onRemove === "close") connection.onBackendRemoved();
      else connection.drain();
    }
  }
}
