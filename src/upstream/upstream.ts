import { type Log, silentLog } from "../core/log.ts";
import type { Steps } from "../core/slices.ts";
import { TimerWheel } from "../core/timer_wheel.ts";
import { type Address, formatAddress } from "../net/address.ts";
import { BufferPool } from "../net/buffers.ts";
import { dial } from "../net/dial.ts";
import type { TlsConnect } from "../tls/dial.ts";
import { Backend, type BackendParts } from "./backend.ts";
import { type BackendChanges, BackendGroup } from "./backend_group.ts";
import { BackendStates } from "./backend_states.ts";
import { BackendQueue, type QueueStats } from "./backend_queue.ts";
import type { Check } from "./check/check.ts";
import { type CheckParts, createCheck } from "./check/create_check.ts";
import type { HealthState } from "./check/health.ts";
import type { HealthOptions } from "./check/options.ts";
import { checkParts, sameChecks } from "./check_parts.ts";
import type { CheckScheduler } from "./check/scheduler.ts";
import { BackendConnector, type ConnectorOptions } from "./connector.ts";
import { type BackendSpec, DEFAULT_QUEUE, type UpstreamOptions } from "./options.ts";
import type { OutlierDetector } from "./outlier.ts";
import type { PoolOptions } from "./pool/options.ts";
import { ConnectionPool } from "./pool/pool.ts";
import { proxySending } from "./proxy_sending.ts";
import { RefusalDelay } from "./refusal.ts";
import { acquireFrom, BackendSearch, type SearchContext, type SearchOptions } from "./search.ts";

/** What an upstream works with. Everything has a default that suits a program of its own. */
export interface UpstreamParts extends Partial<ConnectorOptions> {
  readonly wheel?: TimerWheel;
  readonly buffers?: BufferPool;
  /** @default {silentLog} */
  readonly log?: Log;
  /** Why an address must not be dialled; `undefined`: it may. Asked before each dial and each check. */
  readonly refusal?: (address: Address) => Error | undefined;
  /** Called when a dial has failed for lack of a local resource, such as file descriptors. */
  readonly onShortage?: (() => void) | undefined;
  /** Where in a round the balancer begins, from 0 to below 1. @default {0} */
  readonly phase?: number;
  /** Called when a connection waits: for a backend below its `maxConnections`, or (`backend`) for its pool. */
  readonly onWait?: ((backend: string | undefined) => void) | undefined;
  /** How long a connection that is dialled ahead may take, in milliseconds. @default {10_000} */
  readonly connectMs?: number;
  /** Runs the health checks. @default one of its own */
  readonly scheduler?: CheckScheduler;
  /** Makes the check that `health` configures. The upstream owns what it makes. @default {createCheck} */
  readonly makeCheck?: (health: HealthOptions, parts: CheckParts) => Check;
}

/** Backends that have been created for a set before it is taken, by their object in the set. */
export interface CreatedBackends {
  readonly created?: ReadonlyMap<BackendSpec, Backend> | undefined;
}

/**
 * A named set of backends: picks one for each connection, keeps their pools, checks their health, and follows changes of
 * the set. A backend keeps its state (statistics, current weight, health while it is checked) as long as its address
 * stays, and its idle connections as long as connections are made in the same way.
 */
export class Upstream {
  readonly name: string;
  readonly #wheel: TimerWheel;
  readonly #buffers: BufferPool;
  readonly #log: Log;
  readonly #connectMs: number;
  readonly #makeCheck: NonNullable<UpstreamParts["makeCheck"]>;
  readonly #refusal: UpstreamParts["refusal"];
  readonly #onWait: UpstreamParts["onWait"];
  readonly #group: BackendGroup;
  readonly #queue: BackendQueue;
  readonly #states: BackendStates;
  readonly #context: SearchContext;
  readonly #backendParts: BackendParts = {
    createPool: (backend) => this.#createPool(backend),
    onRoom: (freed) => this.#onRoom(freed),
  };
  #connector: BackendConnector;
  /** The set as it was last taken. */
  #specs: readonly BackendSpec[] = [];
  #options: UpstreamOptions;
  /** The set is being changed, and nothing can be picked from it. */
  #updating = false;

  constructor(options: UpstreamOptions, parts: UpstreamParts = {}) {
    const { connectTls } = parts;
    const { proxyProtocol } = options;
    this.name = options.name;
    this.#connector = new BackendConnector({ dial: parts.dial ?? dial, connectTls, proxyProtocol });
    this.#wheel = parts.wheel ?? new TimerWheel();
    this.#buffers = parts.buffers ?? new BufferPool();
    this.#log = parts.log ?? silentLog;
    this.#connectMs = parts.connectMs ?? 10_000;
    this.#makeCheck = parts.makeCheck ?? createCheck;
    this.#refusal = parts.refusal;
    this.#options = options;
    this.#onWait = parts.onWait;
    this.#group = new BackendGroup(options.name, { balance: options.balance, phase: parts.phase ?? 0 });
    this.#queue = new BackendQueue({
      name: options.name,
      wheel: this.#wheel,
      onWait: () => this.#onWait?.(undefined),
    });
    this.#states = new BackendStates(options, {
      upstream: this.name,
      wheel: this.#wheel,
      log: this.#log,
      scheduler: parts.scheduler,
      group: this.#group,
      check: this.#createCheck(options, this.#connector),
    });
    this.#context = this.#createContext(parts.onShortage);
    this.update(options);
  }

  /** The set as it is now, in its order. */
  get backends(): readonly Backend[] {
    return [...this.#group];
  }

  /** Its configuration. */
  get options(): UpstreamOptions {
    return this.#options;
  }

  /** Whether a connection would find an available backend now. */
  get available(): boolean {
    return this.#group.available;
  }

  /** The TLS with backends that begins in the middle of a client's login; absent: there is none. */
  get joins(): TlsConnect | undefined {
    return this.#connector.joins;
  }

  /** Whether backends are sent a PROXY header: then a search needs {@linkcode SearchOptions.client}. */
  get sendsProxyHeader(): boolean {
    return proxySending(this.#options.proxyProtocol) !== undefined;
  }

  /** The connections that wait for a backend. */
  get queue(): QueueStats {
    return this.#queue.stats;
  }

  /** A search for a backend, for one connection. */
  search(options: SearchOptions): BackendSearch {
    return new BackendSearch(this.#context, options);
  }

  /**
   * A backend for one request, which counts as in use then; `undefined`: there is none at once, or others wait already.
   * Then a search is needed.
   */
  take(options: { source?: string; exclude?: readonly Backend[] }): Backend | undefined {
    if (this.#queue.size > 0) return undefined;
    return acquireFrom(() => this.#context.pick(options));
  }

  /** Whether TLS is spoken with its backends. */
  get speaksTls(): boolean {
    return this.#connector.connectTls !== undefined;
  }

  /** Judges backends by what live traffic shows of them. */
  get outlier(): OutlierDetector {
    return this.#states.outlier;
  }

  /** The backend of this address, as text. */
  find(key: string): Backend | undefined {
    return this.#group.find(key);
  }

  /** How long a backend is still ejected, in milliseconds; absent: it is not. */
  ejectedForMs(backend: Backend): number | undefined {
    return this.#states.ejectedForMs(backend);
  }

  /**
   * Takes a new configuration and set; with `connectorOptions`, also another way to connect. Backends that stay keep
   * their state and, unless connections are made in another way, their idle connections. Connections of backends that
   * are removed end or drain, by `onRemove`.
   */
  update(
    options: UpstreamOptions,
    { dial, connectTls, created }: ConnectorOptions & CreatedBackends = this.#connector,
  ): void {
    const previous = this.#options;
    const connector = new BackendConnector({ dial, connectTls, proxyProtocol: options.proxyProtocol });
    // Before anything changes, as this may fail.
    const check = sameChecks(previous, options)
      ? undefined
      : { created: this.#createCheck(options, connector) };
    this.#updating = true;
    this.#queue.configure(options.queue ?? DEFAULT_QUEUE);
    this.#options = options;
    const connectsLike = connector.connectsLike(this.#connector);
    this.#connector = connector; // Before backends are added, which may dial at once.
    if (!connectsLike) { for (const { usedPool } of this.#group) usedPool?.renew(); }
    const isFirstSet = this.#group.size === 0;
    const { added, removed } = this.#replaceSet(options, { previous, created });
    if (!samePool(previous.pool, options.pool)) {
      const dialsAhead = options.pool.minIdle > 0;
      for (const backend of this.#group) {
        (dialsAhead ? backend.pool : backend.usedPool)?.configure(options.pool);
      }
    }
    for (const backend of removed) {
      this.#states.forget(backend);
      backend.remove(options.onRemove);
    }
    this.#states.configure(options, { check, added, isFirstSet });
    this.#updating = false;
    this.#onRoom(false);
  }

  /**
   * Creates the backends of a set that are not in use, in steps, for an `update` that takes the set. They have no effect
   * before.
   */
  *createBackends(specs: readonly BackendSpec[]): Steps<CreatedBackends["created"]> {
    const created = new Map<BackendSpec, Backend>();
    for (const spec of specs) {
      if (!this.#group.find(formatAddress(spec.address))) {
        created.set(spec, new Backend(spec, this.#backendParts));
      }
      yield;
    }
    return created;
  }

  /**
   * Takes the results of health checks that run elsewhere, by the backends' address as text. Only with
   * `externalHealth`. Other backends keep their state, and addresses that are not in the set are ignored.
   */
  setHealth(states: ReadonlyMap<string, HealthState>): void {
    this.#states.setHealth(states);
  }

  /** As {@linkcode update}, with another set and everything else unchanged. */
  updateBackends(backends: readonly BackendSpec[]): void {
    this.update({ ...this.#options, backends });
  }

  /** Serves connections that wait where other threads have made room. Returns whether any still waits. */
  retryWaiting(): boolean {
    if (this.#queue.size > 0) this.#queue.serve();
    let waits = this.#queue.size > 0;
    for (const { usedPool } of this.#group) {
      usedPool?.retry();
      waits ||= usedPool?.contended === true;
    }
    return waits;
  }

  /** Removes all backends: their connections end or drain, by `onRemove`; their pools close. */
  async close(): Promise<void> {
    const pools = this.backends.map((backend) => backend.usedPool);
    this.updateBackends([]);
    this.#states.close();
    await Promise.all(pools.map((pool) => pool?.close()));
  }

  #createContext(onShortage: (() => void) | undefined): SearchContext {
    const options = () => this.#options;
    const connector = () => this.#connector;
    return {
      name: this.name,
      wheel: this.#wheel,
      log: this.#log,
      outlier: this.#states.outlier,
      queue: this.#queue,
      refusalDelay: new RefusalDelay(),
      onShortage,
      get retries() {
        return options().retries;
      },
      get proxyProtocol() {
        return options().proxyProtocol;
      },
      get connectTls() {
        return connector().tlsBehindHeader;
      },
      canWait: (tried) => this.#group.canWait(tried),
      pick: (options) => this.#group.pick(options),
      unavailable: () => this.#group.unavailable(),
    };
  }

  /** A set of the same objects costs next to nothing, however large it is. */
  #replaceSet(
    options: UpstreamOptions,
    { previous, created }: CreatedBackends & { previous: UpstreamOptions },
  ): BackendChanges {
    const balance = previous.balance === options.balance ? undefined : options.balance;
    const isSame = sameItems(this.#specs, options.backends);
    this.#specs = isSame ? this.#specs : [...options.backends];
    const changes = isSame
      ? { added: [], removed: [] }
      : this.#group.replace(options.backends, (spec) => this.#add(spec, created));
    if (!isSame || balance !== undefined) this.#group.rebalance(balance);
    return changes;
  }

  #add(spec: BackendSpec, created: CreatedBackends["created"]): Backend {
    const backend = created?.get(spec) ?? new Backend(spec, this.#backendParts);
    if (this.#options.pool.minIdle > 0) void backend.pool; // It dials ahead.
    return backend;
  }

  #createPool({ key, address, usable }: Backend): ConnectionPool {
    return new ConnectionPool({
      ...this.#options.pool,
      name: key,
      dial: (signal) => {
        const refusal = this.#refusal?.(address);
        return refusal === undefined ? this.#connector.open(address, signal) : Promise.reject(refusal);
      },
      connectMs: this.#connectMs,
      wheel: this.#wheel,
      buffers: this.#buffers,
      log: this.#log,
      resting: !usable,
      onWait: () => this.#onWait?.(key),
    });
  }

  /** A backend may take more or fewer connections: serves those that wait, or rejects them if none can take them. */
  #onRoom(freed: boolean): void {
    if (this.#updating || this.#queue.size === 0) return;
    this.#queue.serve();
    if (freed || this.#queue.size === 0 || this.#group.canWait([])) return;
    this.#queue.dismiss(this.#group.unavailable());
  }

  #createCheck({ health }: UpstreamOptions, { connectTls }: BackendConnector): Check | undefined {
    if (health === undefined) return undefined;
    const hasTls = connectTls !== undefined;
    const connector = () => this.#connector;
    return this.#makeCheck(health, checkParts(health, { connector, hasTls, refusal: this.#refusal }));
  }
}

function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}

function samePool(a: PoolOptions, b: PoolOptions): boolean {
  return a === b || (a.maxIdle === b.maxIdle && a.minIdle === b.minIdle && a.maxOpen === b.maxOpen &&
    a.idleTimeoutMs === b.idleTimeoutMs);
}
