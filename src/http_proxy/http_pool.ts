import { CulvertError } from "../core/errors.ts";
import type { BalanceName, Balancer } from "../upstream/balance/balancer.ts";
import { createBalancer } from "../upstream/balance/create_balancer.ts";
import { backendUrl, checkCount, PoolBackend, type PoolBackendOptions } from "./pool_backend.ts";

/** How an {@linkcode HttpPool} picks. */
export interface HttpPoolConfig {
  /** A name, or a balancer of the program's own. @default {"round-robin"} */
  readonly balance: BalanceName | Balancer<PoolBackend>;
  /** The most requests at once at each backend that has no bound of its own; 0: no bound. @default {0} */
  readonly maxConnections: number;
}

/** A backend for {@linkcode HttpPool.replace}: its URL, or more. */
export type PoolBackendInput = string | URL | (PoolBackendOptions & { readonly url: string | URL });

/** A backend of an {@linkcode HttpPool}, as of one moment. */
export interface PoolBackendSnapshot {
  /** Scheme, host and port. */
  readonly url: string;
  /** Its share of requests. */
  readonly weight: number;
  /** Where the smooth weighted round-robin stands with it. */
  readonly currentWeight: number;
  /** The most requests at once; 0: no bound. */
  readonly maxConnections: number;
  /** Requests under way. */
  readonly active: number;
  /** Whether it would take one more request. */
  readonly available: boolean;
  /** Requests that were answered. */
  readonly succeeded: number;
  /** Requests that were not answered. */
  readonly failed: number;
}

/** The backends of an {@linkcode HttpPool}, as of one moment. It does not change any more. */
export interface HttpPoolSnapshot {
  /** In the order in which they were added. */
  readonly backends: readonly PoolBackendSnapshot[];
  /** The same by URL. */
  readonly byUrl: ReadonlyMap<string, PoolBackendSnapshot>;
}

/** A backend that counts a request until it is disposed of. */
export interface PoolLease extends Disposable {
  /** The backend. */
  readonly backend: PoolBackend;
}

/** What is known of a request that needs a backend. */
export interface PoolRequest {
  /** The client's address without the port, for `source-hash`. */
  readonly source?: string;
}

const BALANCES: readonly string[] = [
  "round-robin",
  "least-connections",
  "random-two-choices",
  "source-hash",
  "first",
] satisfies BalanceName[];

/**
 * A set of HTTP servers from which one is picked for each request. It makes no connections: it counts requests, keeps
 * to bounds, and leaves out what is down or full. {@linkcode HttpProxy} carries requests.
 *
 * @example
 * ```ts
 * import { HttpPool } from "@culvert/culvert";
 *
 * const pool = new HttpPool({ maxConnections: 100 });
 * pool.add("http://10.0.0.1:8080", { weight: 2 });
 * pool.add("http://10.0.0.2:8080");
 * {
 *   using lease = pool.lease();
 *   console.log(lease?.backend.url, lease?.backend.active); // http://10.0.0.1:8080 1
 * }
 * pool.mark("http://10.0.0.1:8080", "down");
 * console.log(pool.next()?.url); // http://10.0.0.2:8080
 * ```
 */
export class HttpPool {
  #config: HttpPoolConfig;
  #balancer: Balancer<PoolBackend> | undefined;
  #backends = new Map<string, PoolBackend>();
  #turn = 0;

  /** Has no backend yet. Throws `bad_config` for options that can't be used. */
  constructor(options: Partial<HttpPoolConfig> = {}) {
    this.#config = checked({ balance: "round-robin", maxConnections: 0, ...options });
    this.#balancer = balancerOf(this.#config);
  }

  /** What holds now. Frozen. */
  get config(): HttpPoolConfig {
    return this.#config;
  }

  /** Changes what is named, from the next pick on. Throws `bad_config`; nothing has changed then. */
  update(options: Partial<HttpPoolConfig>): void {
    const config = checked({ ...this.#config, ...options });
    if (config.balance !== this.#config.balance) this.#balancer = balancerOf(config);
    this.#config = config;
    this.#balancer?.update([...this.#backends.values()]);
  }

  /** How a backend is picked. */
  get balance(): HttpPoolConfig["balance"] {
    return this.#config.balance;
  }

  set balance(balance: HttpPoolConfig["balance"]) {
    this.update({ balance });
  }

  /** The bound of backends without one of their own. Requests over a lower one go on. */
  get maxConnections(): number {
    return this.#config.maxConnections;
  }

  set maxConnections(maxConnections: number) {
    this.update({ maxConnections });
  }

  /** Whose turn it is with `round-robin`: an index of the backends, by which ties are decided. */
  get turn(): number {
    return this.#turn;
  }

  set turn(turn: number) {
    checkCount("turn", turn, Math.max(0, this.#backends.size - 1));
    this.#turn = turn;
    for (const backend of this.#backends.values()) backend.currentWeight = 0;
  }

  /** Adds a backend. Throws `bad_backend` for a bad URL, weight or bound, and for one that is there already. */
  add(url: string | URL, options: PoolBackendOptions = {}): PoolBackend {
    const backend = this.#create(url, options);
    if (this.#backends.has(backend.url)) throw doubled(backend.url);
    this.#set([...this.#backends.values(), backend]);
    return backend;
  }

  /** Removes a backend. Requests at it finish. Throws `bad_backend` if it is not there. */
  remove(url: string | URL): void {
    const key = this.#known(url).url;
    this.#set([...this.#backends.values()].filter((backend) => backend.url !== key));
  }

  /**
   * Makes these the backends, all or none. Those that stay as they are keep their counts. Throws `bad_backend` for a bad
   * one, or for two with the same URL; nothing has changed then.
   */
  replace(backends: readonly PoolBackendInput[]): void {
    const next = new Map<string, PoolBackend>();
    for (const input of backends) {
      const { url, ...options } = typeof input === "string" || input instanceof URL ? { url: input } : input;
      const backend = this.#create(url, options);
      if (next.has(backend.url)) throw doubled(backend.url);
      const before = this.#backends.get(backend.url);
      const stays = before?.weight === backend.weight && before.maxConnections === backend.maxConnections;
      next.set(backend.url, stays ? before : backend);
    }
    this.#set([...next.values()]);
  }

  /** The backend of a URL in any spelling; `undefined`: there is none. */
  get(url: string | URL): PoolBackend | undefined {
    return URL.canParse(url) ? this.#backends.get(new URL(url).origin) : undefined;
  }

  /** The backends as they are now. Frozen. */
  snapshot(): HttpPoolSnapshot {
    const backends = Object.freeze([...this.#backends.values()].map(snapshotOf));
    return Object.freeze({ backends, byUrl: new Map(backends.map((backend) => [backend.url, backend])) });
  }

  /** Takes a backend out, or back in, until the next mark. Throws `bad_backend` if it is not there. */
  mark(url: string | URL, state: "up" | "down"): void {
    this.#known(url).isDown = state === "down";
  }

  /** A backend for a request, without counting it; `undefined`: each one is down, full or at weight 0. */
  next(request: PoolRequest = {}): PoolBackend | undefined {
    if (this.#backends.size === 0) return undefined;
    return this.#balancer === undefined ? this.#roundRobin() : this.#balancer.pick(request);
  }

  /** The same, counted until it is disposed of. */
  lease(request: PoolRequest = {}): PoolLease | undefined {
    const backend = this.next(request);
    if (backend?.tryAcquire() !== true) return undefined;
    let held = true;
    return {
      backend,
      [Symbol.dispose]: () => {
        if (held) backend.release();
        held = false;
      },
    };
  }

  /** Smooth weighted round-robin, as nginx has it. Ties go to the one whose turn it is, and on from there. */
  #roundRobin(): PoolBackend | undefined {
    const all = [...this.#backends.values()];
    let total = 0;
    let best = -1;
    for (let i = 0; i < all.length; i++) {
      const index = (this.#turn + i) % all.length;
      const backend = all[index]!;
      if (!backend.available) continue;
      backend.currentWeight += backend.weight;
      total += backend.weight;
      if (best === -1 || backend.currentWeight > all[best]!.currentWeight) best = index;
    }
    if (best === -1) return undefined;
    const backend = all[best]!;
    backend.currentWeight -= total;
    this.#turn = (best + 1) % all.length;
    return backend;
  }

  #create(url: string | URL, options: PoolBackendOptions): PoolBackend {
    return new PoolBackend(url, options, () => this.#config.maxConnections);
  }

  #known(url: string | URL): PoolBackend {
    const backend = this.#backends.get(backendUrl(url));
    if (backend !== undefined) return backend;
    throw new CulvertError("bad_backend", `Cannot find the backend "${url}"`);
  }

  #set(backends: readonly PoolBackend[]): void {
    this.#backends = new Map(backends.map((backend) => [backend.url, backend]));
    if (this.#turn >= backends.length) this.#turn = 0;
    this.#balancer?.update(backends);
  }
}

function checked(config: HttpPoolConfig): HttpPoolConfig {
  const { balance, maxConnections } = config;
  if (typeof balance === "string" && !BALANCES.includes(balance)) {
    throw new CulvertError(
      "bad_config",
      `Cannot use the balancer "${balance}": expected one of ${BALANCES.join(", ")}`,
    );
  }
  checkCount("maxConnections", maxConnections);
  return Object.freeze({ balance, maxConnections });
}

/** Absent for `round-robin`, of which the pool tells more than a balancer does. */
function balancerOf({ balance }: HttpPoolConfig): Balancer<PoolBackend> | undefined {
  if (balance === "round-robin") return undefined;
  return typeof balance === "string" ? createBalancer(balance) : balance;
}

function snapshotOf(backend: PoolBackend): PoolBackendSnapshot {
  const { url, weight, currentWeight, maxConnections, active, available, succeeded, failed } = backend;
  return Object.freeze({ url, weight, currentWeight, maxConnections, active, available, succeeded, failed });
}

function doubled(url: string): CulvertError {
  return new CulvertError("bad_backend", `Cannot use the backend "${url}" twice`);
}
