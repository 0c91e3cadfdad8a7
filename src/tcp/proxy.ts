import { describeError } from "../core/errors.ts";
import { type Log, silentLog } from "../core/log.ts";
import { TimerWheel } from "../core/timer_wheel.ts";
import { AcceptLoop, type Acceptor } from "../net/accept_loop.ts";
import { type Address, parseAddress } from "../net/address.ts";
import { BufferPool } from "../net/buffers.ts";
import { clientAddress } from "../net/client_address.ts";
import type { Connection } from "../net/connection.ts";
import { type Dial, dial, prepareSocket } from "../net/dial.ts";
import type { TlsConnect } from "../tls/dial.ts";
import type { BackendState } from "../upstream/backend.ts";
import {
  type BackendSpec,
  DEFAULT_OUTLIER,
  DEFAULT_QUEUE,
  DEFAULT_RETRIES,
  type OutlierOptions,
  type QueueOptions,
} from "../upstream/options.ts";
import type { BalanceName } from "../upstream/balance/balancer.ts";
import { DEFAULT_POOL, type PoolOptions } from "../upstream/pool/options.ts";
import { DEFAULT_HEALTH, type HealthOptions } from "../upstream/check/options.ts";
import { Discovery } from "../upstream/discover/discovery.ts";
import type { ReportingSource } from "../upstream/discover/source.ts";
import type { ProxyProtocolOption } from "../upstream/proxy_sending.ts";
import { Upstream } from "../upstream/upstream.ts";
import type { ServiceCounters } from "../service/service_stats.ts";
import {
  type AdmissionOptions,
  DEFAULT_MAX_CONNECTIONS,
  DEFAULT_TIMEOUTS,
  type Timeouts,
} from "../service/options.ts";
import { TcpService } from "./service.ts";

/** A backend, as a program writes it: its address, or more. */
export type BackendInput = string | {
  /** `host:port`, `[ipv6]:port` or `unix:/path`; or the same as {@linkcode parseAddress} reads it. */
  readonly address: string | Address;
  /** Its share of new connections. @default {1} */
  readonly weight?: number;
  /** The most connections at once; 0: no bound. @default {0} */
  readonly maxConnections?: number;
  /** Used only when no other backend is available. @default {false} */
  readonly backup?: boolean;
};

/** What a listener accepts: any connection, with the peer's address where there is one. */
export type ProxiedConnection = Connection & {
  readonly remoteAddr?: Deno.Addr;
  readonly localAddr?: Deno.Addr;
};

/** Options of {@linkcode TcpProxy}. */
export interface TcpProxyOptions {
  /**
   * The set of backends; or a provider of it: complete sets, one after the other, each in the place of the one
   * before. Until the first there is none. When the provider ends or fails, the last set goes on. A source, such as
   * {@linkcode dnsSource} makes one, is asked anew after a failure.
   */
  readonly backends: readonly BackendInput[] | AsyncIterable<readonly BackendInput[]> | ReportingSource;
  /** How a backend is chosen. @default {"round-robin"} */
  readonly balance?: BalanceName;
  /** Live connections of a backend that has left the set end at once, or may finish. @default {"close"} */
  readonly onRemove?: "close" | "drain";
  /** Live connections of a backend whose checks say that it is down go on, or end. @default {"keep"} */
  readonly onDown?: "keep" | "close";
  /** How backends are checked; `tls` needs `connectTls`. @default they are not */
  readonly health?: Partial<HealthOptions> & { readonly type: HealthOptions["type"] };
  /** What live traffic may show of a backend before it is left alone for a while. @default {DEFAULT_OUTLIER} */
  readonly outlier?: Partial<OutlierOptions>;
  /** How long a backend that has come (back) takes to its full weight, in milliseconds; 0: none. @default {0} */
  readonly slowStartMs?: number;
  /** How connections to each backend are kept. @default {DEFAULT_POOL} */
  readonly pool?: Partial<PoolOptions>;
  /**
   * The PROXY header that tells the backends who the client is: the first that is said over what `dial` opens.
   * @default {"none"}
   */
  readonly proxyProtocol?: ProxyProtocolOption;
  /** Further backends tried when a connection can't be made. @default {2} */
  readonly retries?: number;
  /** How connections wait where every backend is at `maxConnections`. @default they are refused */
  readonly queue?: Partial<QueueOptions>;
  /** How long each wait may take. @default {DEFAULT_TIMEOUTS} */
  readonly timeouts?: Partial<Timeouts>;
  /** Who may come in. @default everybody, 10,000 at once */
  readonly admission?: Partial<AdmissionOptions>;
  /** Opens connections to backends. @default {dial} */
  readonly dial?: Dial;
  /**
   * Speaks TLS with the backends, such as what {@linkcode tlsConnector} makes. With `proxyProtocol` it does so over a
   * connection of `dial`, behind the header, and else over one of its own. @default none is spoken
   */
  readonly connectTls?: TlsConnect;
  /** What the log and errors call it. @default {"proxy"} */
  readonly name?: string;
  /** Told of failures, and of each connection that has ended. @default {silentLog} */
  readonly log?: Log;
}

/** What a {@linkcode TcpProxy} has done and is doing. */
export interface TcpProxyStats extends ServiceCounters {
  /** The set as it is now, with what each has done. */
  readonly backends: readonly {
    readonly address: string;
    readonly weight: number;
    readonly state: BackendState;
    readonly active: number;
    readonly total: number;
    readonly failures: number;
  }[];
}

/**
 * A balancer over any listener: what it accepts is carried to the backends, of which any dialler makes connections,
 * and whose set may change at any time. Connections to a backend that leaves the set end at once, unless
 * `onRemove` is `drain`.
 *
 * The proxy owns the listener: {@linkcode TcpProxy.close} and `destroy` close it, and every connection.
 *
 * @example
 * ```ts
 * import { TcpProxy } from "@culvert/culvert";
 *
 * const backend = Deno.serve({ port: 0, onListen() {} }, () => new Response("hello"));
 * const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 *
 * const proxy = new TcpProxy(listener, { backends: [`127.0.0.1:${backend.addr.port}`] });
 * const response = await fetch(`http://127.0.0.1:${listener.addr.port}/`, { headers: { connection: "close" } });
 * console.log(await response.text(), proxy.stats.total); // hello 1
 *
 * proxy.updateBackends([]); // ends the connections of those that have left
 * await proxy.close();
 * await backend.shutdown();
 * ```
 */
export class TcpProxy {
  readonly #upstream: Upstream;
  readonly #service: TcpService;
  readonly #loop: AcceptLoop<ProxiedConnection>;
  readonly #log: Log;
  #provider: AsyncIterator<readonly BackendInput[]> | undefined;
  #discovery: Discovery | undefined;

  /**
   * Accepts from now on.
   *
   * @throws {CulvertError} `bad_address` for a backend's address that is none.
   */
  constructor(listener: Acceptor<ProxiedConnection>, options: TcpProxyOptions) {
    const { backends, name = "proxy", log = silentLog } = options;
    const listed = Array.isArray(backends) ? backends as readonly BackendInput[] : [];
    const parts = { log, wheel: new TimerWheel(), buffers: new BufferPool() };
    this.#log = log;
    this.#upstream = new Upstream({
      name,
      backends: listed.map(backendSpec),
      balance: options.balance ?? "round-robin",
      pool: { ...DEFAULT_POOL, ...options.pool },
      retries: options.retries ?? DEFAULT_RETRIES,
      queue: { ...DEFAULT_QUEUE, ...options.queue },
      onRemove: options.onRemove ?? "close",
      proxyProtocol: options.proxyProtocol ?? "none",
      onDown: options.onDown ?? "keep",
      health: options.health && { ...DEFAULT_HEALTH, ...options.health },
      outlier: { ...DEFAULT_OUTLIER, ...options.outlier },
      slowStartMs: options.slowStartMs ?? 0,
    }, { ...parts, dial: options.dial ?? dial, connectTls: options.connectTls });
    this.#service = new TcpService({
      name,
      admission: { maxConnections: DEFAULT_MAX_CONNECTIONS, ...options.admission },
      timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
    }, { ...parts, route: { upstream: this.#upstream }, access: options.log !== undefined });
    this.#loop = new AcceptLoop(listener, {
      name,
      log,
      onConnection: (connection) => this.#serve(connection),
      onFailure: (failure) => this.#service.acceptFailed(failure),
    });
    if (typeof backends === "function") this.#discovery = this.#discover(backends);
    else if (Symbol.asyncIterator in backends) void this.#follow(backends);
  }

  /** A picture of this moment. */
  get stats(): TcpProxyStats {
    const backends = this.#upstream.backends.map(({ key, spec, state, active, total, failures }) => ({
      address: key,
      weight: spec.weight,
      state,
      active,
      total,
      failures,
    }));
    return { ...this.#service.counters, backends };
  }

  /**
   * Takes a new set of backends. Those that stay, by address, keep what they have.
   *
   * @throws {CulvertError} `bad_address`; nothing has changed then.
   */
  updateBackends(backends: readonly BackendInput[]): void {
    this.#upstream.updateBackends(backends.map(backendSpec));
  }

  /**
   * Asks the source of backends again at once, unless its answer is awaited already; for a program that knows of a
   * change, or that an outage is over. Without a source it does nothing.
   */
  refreshBackends(): void {
    this.#discovery?.refresh();
  }

  /**
   * Stops accepting and lets live connections finish within `timeouts.drainMs`; then cuts them. Resolves when
   * everything has ended, to how many were cut.
   */
  async close(): Promise<number> {
    this.#stop();
    const cut = await this.#service.drain();
    await this.#end();
    return cut;
  }

  /** Stops accepting and ends everything now. */
  async destroy(): Promise<void> {
    this.#stop();
    await this.#service.destroy();
    await this.#end();
  }

  #serve(connection: ProxiedConnection): void {
    try {
      prepareSocket(connection);
    } catch {
      // Reset already, which the service finds out.
    }
    const address = clientAddress(connection.remoteAddr);
    const { localAddr } = connection;
    void this.#service.serve({ connection, address, localAddr, listener: this.#service.name });
  }

  #discover(source: ReportingSource): Discovery {
    const discovery = new Discovery({
      upstream: this.#upstream.name,
      sources: [{ name: "backends", source }],
      onSet: (backends) => this.#upstream.updateBackends(backends),
      log: this.#log,
    });
    discovery.start();
    return discovery;
  }

  async #follow(provider: AsyncIterable<readonly BackendInput[]>): Promise<void> {
    this.#provider = provider[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { done, value } = await this.#provider.next();
        if (done === true) return;
        this.updateBackends(value);
      }
    } catch (error) {
      this.#log.error("backend provider failed, keeping the last set", {
        error: describeError(error),
      });
    }
  }

  #stop(): void {
    this.#loop.close();
    // A provider that waits for news may take its time to end; nobody waits for it.
    this.#provider?.return?.()?.catch(() => {});
    this.#provider = undefined;
  }

  async #end(): Promise<void> {
    await Promise.all([this.#discovery?.close(), this.#upstream.close(), this.#loop.done]);
  }
}

function backendSpec(input: BackendInput): BackendSpec {
  const backend = typeof input === "string" ? { address: input } : input;
  return {
    address: typeof backend.address === "string" ? parseAddress(backend.address) : backend.address,
    weight: backend.weight ?? 1,
    maxConnections: backend.maxConnections ?? 0,
    backup: backend.backup ?? false,
  };
}
