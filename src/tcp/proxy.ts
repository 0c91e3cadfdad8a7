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

/** A backend: its address, or more options. */
export type BackendInput = string | {
  /** `host:port`, `[ipv6]:port` or `unix:/path`; or the result of {@linkcode parseAddress}. */
  readonly address: string | Address;
  /** Its share of new connections. @default {1} */
  readonly weight?: number;
  /** The most connections at once; 0: no limit. @default {0} */
  readonly maxConnections?: number;
  /** Used only if no other backend is available. @default {false} */
  readonly backup?: boolean;
};

/** A connection that a listener accepts, with addresses if it has any. */
export type ProxiedConnection = Connection & {
  readonly remoteAddr?: Deno.Addr;
  readonly localAddr?: Deno.Addr;
};

/** Options of {@linkcode TcpProxy}. */
export interface TcpProxyOptions {
  /**
   * The set of backends; or a provider that yields complete sets, each of which replaces the previous one. When the
   * provider ends or fails, the last set is kept. A source, such as {@linkcode dnsSource}, is called again after a
   * failure.
   */
  readonly backends: readonly BackendInput[] | AsyncIterable<readonly BackendInput[]> | ReportingSource;
  /** The balancer. @default {"round-robin"} */
  readonly balance?: BalanceName;
  /** Whether connections of a backend that is removed end at once or drain. @default {"close"} */
  readonly onRemove?: "close" | "drain";
  /** Whether connections of a backend that checks mark as down end at once or go on. @default {"keep"} */
  readonly onDown?: "keep" | "close";
  /** How backends are checked; `tls` needs `connectTls`. @default no checks */
  readonly health?: Partial<HealthOptions> & { readonly type: HealthOptions["type"] };
  /** When live traffic ejects a backend. @default {DEFAULT_OUTLIER} */
  readonly outlier?: Partial<OutlierOptions>;
  /** Slow start: how long a new or recovered backend takes to reach its weight, in milliseconds; 0: none. @default {0} */
  readonly slowStartMs?: number;
  /** The limits of the connection pools. @default {DEFAULT_POOL} */
  readonly pool?: Partial<PoolOptions>;
  /**
   * The PROXY header that backends are sent, first on a connection of `dial`. @default {"none"}
   */
  readonly proxyProtocol?: ProxyProtocolOption;
  /** Further backends that are tried if a connection can't be made. @default {2} */
  readonly retries?: number;
  /** How connections wait while every backend is at `maxConnections`. @default they are refused */
  readonly queue?: Partial<QueueOptions>;
  /** The timeouts. @default {DEFAULT_TIMEOUTS} */
  readonly timeouts?: Partial<Timeouts>;
  /** Which connections are admitted. @default all, up to 10,000 at once */
  readonly admission?: Partial<AdmissionOptions>;
  /** Opens connections to backends. @default {dial} */
  readonly dial?: Dial;
  /**
   * Speaks TLS with the backends, such as {@linkcode tlsConnector}: with `proxyProtocol` over a connection of `dial`, behind
   * the header, otherwise over a connection of its own. @default no TLS
   */
  readonly connectTls?: TlsConnect;
  /** Its name in log and errors. @default {"proxy"} */
  readonly name?: string;
  /** Logs failures, and each connection when it ends. @default {silentLog} */
  readonly log?: Log;
}

/** The statistics of a {@linkcode TcpProxy}. */
export interface TcpProxyStats extends ServiceCounters {
  /** The current set of backends. */
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
 * A TCP load balancer over any listener and any dialler. The set of backends may change at any time.
 *
 * The proxy owns the listener: {@linkcode TcpProxy.close} and `destroy` close it and every connection.
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
 * proxy.updateBackends([]); // ends the connections of removed backends
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
   * Starts accepting.
   *
   * @throws {CulvertError} `bad_address` if the address of a backend is not valid.
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

  /** The current statistics. */
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
   * Takes a new set of backends. Those with the same address keep their state and connections.
   *
   * @throws {CulvertError} `bad_address`; nothing has changed then.
   */
  updateBackends(backends: readonly BackendInput[]): void {
    this.#upstream.updateBackends(backends.map(backendSpec));
  }

  /**
   * Asks the source of backends again at once, unless a request is under way; for a program that knows of a change, or of
   * the end of an outage. Does nothing without a source.
   */
  refreshBackends(): void {
    this.#discovery?.refresh();
  }

  /**
   * Stops accepting, lets open connections finish within `timeouts.drainMs`, and then cuts them. Resolves when everything
   * has ended, to the number that were cut.
   */
  async close(): Promise<number> {
    this.#stop();
    const cut = await this.#service.drain();
    await this.#end();
    return cut;
  }

  /** Stops accepting and ends all connections now. */
  async destroy(): Promise<void> {
    this.#stop();
    await this.#service.destroy();
    await this.#end();
  }

  #serve(connection: ProxiedConnection): void {
    try {
      prepareSocket(connection);
    } catch {
      // It was reset already, which the service notices.
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
    // Not awaited, as a provider may take long to end.
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
