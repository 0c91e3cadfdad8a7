import { type Log, silentLog } from "../core/log.ts";
import { TimerWheel } from "../core/timer_wheel.ts";
import { type Address, formatAddress } from "../net/address.ts";
import { BufferPool } from "../net/buffers.ts";
import { dial } from "../net/dial.ts";
import { Backend, type BackendSpec } from "./backend.ts";
import { BackendQueue, DEFAULT_QUEUE, type QueueStats } from "./backend_queue.ts";
import type { Balancer } from "./balance/balancer.ts";
import { createBalancer } from "./balance/create_balancer.ts";
import type { Check } from "./check/check.ts";
import { type CheckWays, createCheck } from "./check/create_check.ts";
import type { HealthOptions } from "./check/options.ts";
import { CheckScheduler } from "./check/scheduler.ts";
import { BackendsDownError, NoBackendError } from "./errors.ts";
import { HealthMonitor } from "./health_monitor.ts";
import type { UpstreamOptions } from "./options.ts";
import { DEFAULT_OUTLIER, OutlierDetector } from "./outlier.ts";
import { ConnectionPool } from "./pool/pool.ts";
import { proxySending } from "./proxy_sending.ts";
import { BackendSearch, type SearchContext, type SearchOptions } from "./search.ts";
import { SlowStart } from "./slow_start.ts";
import type { TlsConnect } from "../tls/dial.ts";
import { type Reach, Way } from "./connector.ts";

/** What an upstream works with. Everything has a default that suits a program of its own. */
export interface UpstreamParts extends Partial<Reach> {
  readonly wheel?: TimerWheel;
  readonly buffers?: BufferPool;
  /** @default {silentLog} */
  readonly log?: Log;
  /** Why an address can't be dialled; `undefined`: it can. Asked before each dial and each check. */
  readonly refusal?: (address: Address) => Error | undefined;
  /** Told that a dial failed for want of something of our own, such as descriptors. */
  readonly onShortage?: (() => void) | undefined;
  /** How long a dial ahead may take, in milliseconds. @default {10_000} */
  readonly connectMs?: number;
  /** Runs the checks. @default one of its own */
  readonly scheduler?: CheckScheduler;
  /** Makes the check that `health` asks for. The upstream owns what it makes. @default {createCheck} */
  readonly makeCheck?: (health: HealthOptions, ways: CheckWays) => Check;
}

/**
 * A named set of backends: picks one for each connection, keeps the pools, has the backends checked, and follows
 * changes of the set. A backend keeps what it has shown of itself (counts, current weight, health while it is
 * checked) as long as its address stays, and its idle connections as long as they are made in the same way.
 */
export class Upstream {
  readonly name: string;
  #way: Way;
  readonly #wheel: TimerWheel;
  readonly #buffers: BufferPool;
  readonly #log: Log;
  readonly #connectMs: number;
  readonly #makeCheck: NonNullable<UpstreamParts["makeCheck"]>;
  readonly #refusal: UpstreamParts["refusal"];
  readonly #context: SearchContext;
  readonly #monitor: HealthMonitor;
  readonly #outlier: OutlierDetector;
  readonly #slowStart: SlowStart;
  readonly #queue: BackendQueue;
  #options: UpstreamOptions;
  /** Its backends and balancers are being changed, and can't be picked from. */
  #updating = false;
  #backends = new Map<string, Backend>();
  #primary: Balancer<Backend>;
  #backup: Balancer<Backend>;
  #hasPrimary = false;
  #hasBackup = false;

  constructor(options: UpstreamOptions, parts: UpstreamParts = {}) {
    this.name = options.name;
    const { connectTls } = parts;
    this.#way = new Way({ dial: parts.dial ?? dial, connectTls, proxyProtocol: options.proxyProtocol });
    this.#wheel = parts.wheel ?? new TimerWheel();
    this.#buffers = parts.buffers ?? new BufferPool();
    this.#log = parts.log ?? silentLog;
    this.#connectMs = parts.connectMs ?? 10_000;
    this.#makeCheck = parts.makeCheck ?? createCheck;
    this.#refusal = parts.refusal;
    this.#options = options;
    this.#queue = new BackendQueue({ name: options.name, wheel: this.#wheel });
    this.#primary = createBalancer(options.balance);
    this.#backup = createBalancer(options.balance);
    const own = { upstream: this.name, wheel: this.#wheel, log: this.#log };
    this.#monitor = new HealthMonitor({
      ...own,
      scheduler: parts.scheduler ?? new CheckScheduler(own),
      onDown: (backend) => this.#onDown(backend),
      onUp: (backend) => this.#onUp(backend),
    });
    this.#outlier = new OutlierDetector(options.outlier ?? DEFAULT_OUTLIER, {
      ...own,
      onReturn: (backend) => this.#startSlowly(backend),
    });
    this.#slowStart = new SlowStart(options.slowStartMs ?? 0, {
      ...own,
      onChange: () => this.#updateBalancers(),
    });
    this.#context = this.#makeContext(parts.onShortage);
    this.#monitor.configure(options.health, this.#checkOf(options, this.#way).made);
    this.update(options);
  }

  /** The set as it is now, in its order. */
  get backends(): readonly Backend[] {
    return [...this.#backends.values()];
  }

  /** What it does now. */
  get options(): UpstreamOptions {
    return this.#options;
  }

  /** Whether a connection that came now would find a backend to try. */
  get available(): boolean {
    for (const backend of this.#backends.values()) if (backend.available) return true;
    return false;
  }

  /** The TLS with its backends that begins in the middle of a client's login; absent: there is none of that kind. */
  get joins(): TlsConnect | undefined {
    return this.#way.joins;
  }

  /** Whether its backends are told who the client is: then a search wants to know. */
  get sendsProxyHeader(): boolean {
    return proxySending(this.#options.proxyProtocol) !== undefined;
  }

  /** The connections that wait for a backend, as all are full. */
  get queue(): QueueStats {
    return this.#queue.stats;
  }

  /** A search for a backend, for one connection. */
  search(options: SearchOptions): BackendSearch {
    return new BackendSearch(this.#context, options);
  }

  /** The backend of this address, as text. */
  find(key: string): Backend | undefined {
    return this.#backends.get(key);
  }

  /** Until when a backend is ejected, in milliseconds from now; absent: it is not. */
  ejectedForMs(backend: Backend): number | undefined {
    const untilMs = this.#outlier.ejectedUntilMs(backend);
    return untilMs && untilMs - this.#wheel.now();
  }

  /**
   * Takes a new configuration and a new set; with `reach`, another way to reach backends too. Backends that stay
   * keep all they have, except, in another way, their idle connections; the live connections of those that have
   * left end or drain, as `onRemove` says.
   */
  update(options: UpstreamOptions, { dial, connectTls }: Reach = this.#way): void {
    const previous = this.#options;
    const way = new Way({ dial, connectTls, proxyProtocol: options.proxyProtocol });
    // What may fail comes first.
    const check = sameChecks(previous, options) ? undefined : this.#checkOf(options, way);
    this.#updating = true;
    this.#queue.configure(options.queue ?? DEFAULT_QUEUE);
    this.#options = options;
    this.#take(way); // Before backends come that would be dialled as before.
    if (previous.balance !== options.balance) {
      this.#primary = createBalancer(options.balance);
      this.#backup = createBalancer(options.balance);
    }
    const isFirst = this.#backends.size === 0;
    const { arrived, left } = this.#takeSet(options, previous);
    this.#updateBalancers();
    for (const backend of left) this.#remove(backend);
    this.#outlier.configure(options.outlier ?? DEFAULT_OUTLIER, this.#backends.size);
    this.#slowStart.configure(options.slowStartMs ?? 0);
    if (check !== undefined) this.#monitor.configure(options.health, check.made);
    for (const backend of arrived) this.#monitor.watch(backend);
    if (!isFirst) { // Else there is nobody that could take more meanwhile.
      for (const backend of arrived) this.#slowStart.begin(backend);
      this.#updateBalancers();
    }
    this.#updating = false;
    this.#onRoom(false);
  }

  /** As {@linkcode update}, with another set and everything else as it is. */
  updateBackends(backends: readonly BackendSpec[]): void {
    this.update({ ...this.#options, backends });
  }

  /** Removes all backends: live connections end or drain, as `onRemove` says; pools close. */
  async close(): Promise<void> {
    const pools = this.backends.map((backend) => backend.pool);
    this.updateBackends([]);
    this.#monitor.configure(undefined, undefined);
    await Promise.all(pools.map((pool) => pool.close()));
  }

  #makeContext(onShortage: (() => void) | undefined): SearchContext {
    const current = () => this.#options;
    const way = () => this.#way;
    return {
      name: this.name,
      wheel: this.#wheel,
      log: this.#log,
      outlier: this.#outlier,
      get retries() {
        return current().retries;
      },
      get proxyProtocol() {
        return current().proxyProtocol;
      },
      get connectTls() {
        return way().secure;
      },
      queue: this.#queue,
      pending: { count: 0 },
      onShortage,
      mayWait: (tried) => this.#mayWait(tried),
      pick: (options) =>
        (this.#hasPrimary ? this.#primary.pick(options) : undefined) ??
          (this.#hasBackup ? this.#backup.pick(options) : undefined),
      whyNone: () => this.#whyNone(),
    };
  }

  #create(key: string, spec: BackendSpec): Backend {
    const pool = new ConnectionPool({
      ...this.#options.pool,
      name: key,
      dial: (signal) => this.#open(spec.address, () => this.#way.open(spec.address, signal)),
      connectMs: this.#connectMs,
      wheel: this.#wheel,
      buffers: this.#buffers,
      log: this.#log,
      resting: spec.weight === 0,
    });
    return new Backend(spec, pool, (freed) => this.#onRoom(freed));
  }

  /** A backend may take more or less than before: those that wait may get it, or have nothing to wait for. */
  #onRoom(freed: boolean): void {
    if (this.#updating || this.#queue.size === 0) return;
    this.#queue.serve();
    if (!freed && this.#queue.size > 0 && !this.#mayWait([])) this.#queue.dismiss(this.#whyNone());
  }

  #mayWait(tried: readonly Backend[]): boolean {
    for (const backend of this.#backends.values()) if (backend.full && !tried.includes(backend)) return true;
    return false;
  }

  /** The check that `options` ask for; none for those that ask for none. */
  #checkOf({ health }: UpstreamOptions, { connectTls }: Way): { made: Check | undefined } {
    // The way of the moment: a reload may bring another.
    const http = health?.type === "http";
    const ways: CheckWays = {
      dial: (address, signal) => this.#open(address, () => this.#way.openOwn(address, signal, { http })),
      connectTls: connectTls &&
        ((to, signal) =>
          this.#open(to.kind === "open" ? to.address : to, () => this.#way.connectOwn(to, signal))),
    };
    return { made: health && this.#makeCheck(health, ways) };
  }

  /** Opens what leads to `address`, unless that can't be dialled. */
  #open<T>(address: Address, open: () => Promise<T>): Promise<T> {
    const refusal = this.#refusal?.(address);
    return refusal === undefined ? open() : Promise.reject(refusal);
  }

  /** Reaches backends this way from now on. */
  #take(way: Way): void {
    const isSame = way.opensAs(this.#way);
    this.#way = way;
    if (isSame) return;
    for (const backend of this.#backends.values()) backend.pool.renew();
  }

  /** Makes `options.backends` the set; tells who is new in it, and who has left. */
  #takeSet(
    options: UpstreamOptions,
    previous: UpstreamOptions,
  ): { arrived: Backend[]; left: Iterable<Backend> } {
    const left = this.#backends;
    this.#backends = new Map();
    const arrived: Backend[] = [];
    for (const spec of options.backends) {
      const key = formatAddress(spec.address);
      // An address that is named twice is one backend, as it was named last.
      let backend = this.#backends.get(key) ?? left.get(key);
      if (backend === undefined) arrived.push(backend = this.#create(key, spec));
      left.delete(key);
      if (backend.spec !== spec) backend.configure(spec);
      if (previous.pool !== options.pool) backend.pool.configure(options.pool);
      this.#backends.set(key, backend);
    }
    return { arrived, left: left.values() };
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

  #onDown(backend: Backend): void {
    this.#slowStart.forget(backend);
    backend.pool.dropIdle();
    backend.cutOff = this.#options.onDown === "close";
    if (!backend.cutOff) return;
    for (const connection of backend.live) connection.onBackendDown();
  }

  #onUp(backend: Backend): void {
    backend.cutOff = false;
    this.#startSlowly(backend);
  }

  #startSlowly(backend: Backend): void {
    this.#slowStart.begin(backend);
    this.#updateBalancers();
  }

  #remove(backend: Backend): void {
    backend.removed = true;
    this.#monitor.forget(backend);
    this.#outlier.forget(backend);
    this.#slowStart.forget(backend);
    void backend.pool.close();
    for (const connection of backend.live) {
      if (this.#options.onRemove === "close") connection.onBackendRemoved();
      else connection.drain();
    }
  }

  #whyNone(): Error {
    const counts = { down: 0, ejected: 0 };
    for (const { state } of this.#backends.values()) {
      if (state === "up" || state === "unknown") return new NoBackendError(this.name); // Full.
      if (state !== "drained") counts[state]++;
    }
    const states = Object.entries(counts).filter(([, count]) => count > 0);
    if (states.length === 0) return new NoBackendError(this.name);
    return new BackendsDownError(this.name, states.map(([state, count]) => `${count} ${state}`).join(", "));
  }
}

/** Whether what is configured asks for the same checks. */
function sameChecks(a: UpstreamOptions, b: UpstreamOptions): boolean {
  if (proxySending(a.proxyProtocol)?.version !== proxySending(b.proxyProtocol)?.version) return false;
  return a.health === b.health || JSON.stringify(a.health) === JSON.stringify(b.health);
}
