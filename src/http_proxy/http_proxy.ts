import { type Log, silentLog } from "../core/log.ts";
import { TimerWheel } from "../core/timer_wheel.ts";
import { AcceptLoop, type Acceptor } from "../net/accept_loop.ts";
import { BufferPool } from "../net/buffers.ts";
import { clientAddress } from "../net/client_address.ts";
import { type Dial, dial, prepareSocket } from "../net/dial.ts";
import {
  type AdmissionOptions,
  DEFAULT_MAX_CONNECTIONS,
  DEFAULT_TIMEOUTS,
  type Timeouts,
} from "../service/options.ts";
import type { ServiceCounters } from "../service/service_stats.ts";
import { type BackendInput, backendSpec, type ProxiedConnection } from "../tcp/proxy_options.ts";
import type { TlsConnect } from "../tls/dial.ts";
import type { BackendState } from "../upstream/backend.ts";
import type { BalanceName } from "../upstream/balance/balancer.ts";
import { DEFAULT_HEALTH, type HealthOptions } from "../upstream/check/options.ts";
import {
  DEFAULT_OUTLIER,
  DEFAULT_QUEUE,
  DEFAULT_RETRIES,
  type OutlierOptions,
  type QueueOptions,
} from "../upstream/options.ts";
import { DEFAULT_POOL, type PoolOptions } from "../upstream/pool/options.ts";
import type { ProxyProtocolOption } from "../upstream/proxy_sending.ts";
import { Upstream } from "../upstream/upstream.ts";
import type { AccessRecord } from "./access_log.ts";
import { HttpService } from "./http_service.ts";
import type { RequestCounters } from "./http_stats.ts";
import {
  DEFAULT_HTTP_LIMITS,
  DEFAULT_HTTP_TIMEOUTS,
  DEFAULT_IDENTITY_HEADER,
  type HttpLimits,
  type HttpRoute,
  type HttpServiceOptions,
  type HttpTimeouts,
} from "./options.ts";

/** A set of backends that requests are spread over. */
export interface HttpUpstreamOptions {
  /** Their addresses, or more. */
  readonly backends: readonly BackendInput[];
  /** How a backend is chosen for each request. @default {"round-robin"} */
  readonly balance?: BalanceName;
  /** Tunnels to a backend that has left the set end at once, or may finish; requests always finish. @default {"close"} */
  readonly onRemove?: "close" | "drain";
  /** Requests at a backend whose checks say that it is down go on, or end. @default {"keep"} */
  readonly onDown?: "keep" | "close";
  /** How backends are checked; `tls` needs `connectTls`. @default they are not */
  readonly health?: Partial<HealthOptions> & { readonly type: HealthOptions["type"] };
  /** What live traffic may show of a backend before it is left alone for a while. @default {DEFAULT_OUTLIER} */
  readonly outlier?: Partial<OutlierOptions>;
  /** How long a backend that has come (back) takes to its full weight, in milliseconds; 0: none. @default {0} */
  readonly slowStartMs?: number;
  /** How connections to each backend are kept for further requests. @default {DEFAULT_POOL} */
  readonly pool?: Partial<PoolOptions>;
  /** The PROXY header that tells the backends who the client is; each request has a connection then. @default {"none"} */
  readonly proxyProtocol?: ProxyProtocolOption;
  /** How requests wait where every backend is at `maxConnections`. @default they are refused */
  readonly queue?: Partial<QueueOptions>;
  /** Opens connections to backends. @default {dial} */
  readonly dial?: Dial;
  /** Speaks TLS with the backends, such as what {@linkcode tlsConnector} makes. @default none is spoken */
  readonly connectTls?: TlsConnect;
}

/** Options of {@linkcode HttpProxy}. */
export interface HttpProxyOptions
  extends Partial<Omit<HttpServiceOptions, "routes" | "limits" | "timeouts">> {
  /** By the names that routes have for them. */
  readonly upstreams: Readonly<Record<string, HttpUpstreamOptions>>;
  /** Where requests go. @default all go to the first upstream */
  readonly routes?: readonly HttpRoute[];
  /** Bounds of requests. @default {DEFAULT_HTTP_LIMITS} */
  readonly limits?: Partial<HttpLimits>;
  /** How long each wait may take. @default {DEFAULT_TIMEOUTS} */
  readonly timeouts?: Partial<Timeouts & HttpTimeouts>;
  /** The clients that may connect. @default all, 10,000 connections at once */
  readonly admission?: Partial<AdmissionOptions>;
  /** Is told of each request that has ended. @default nothing is done */
  readonly onAccess?: (record: AccessRecord) => void;
  /** What the log and errors call it. @default {"proxy"} */
  readonly name?: string;
  /** Told of failures. @default {silentLog} */
  readonly log?: Log;
}

/** A backend of an {@linkcode HttpProxy}, with what it has done. */
export interface HttpProxyBackend {
  /** As text. */
  readonly address: string;
  /** Its share of requests. */
  readonly weight: number;
  /** Whether it takes requests. */
  readonly state: BackendState;
  /** Requests that are under way. */
  readonly active: number;
  /** Requests that it was sent. */
  readonly total: number;
  /** Connections that could not be made. */
  readonly failures: number;
}

/** What an {@linkcode HttpProxy} has done and is doing. */
export interface HttpProxyStats extends ServiceCounters {
  /** Its requests. */
  readonly requests: RequestCounters;
}

/**
 * An HTTP/1.1 reverse proxy over any listener: routes, rewriting, retries, upgrades, in front of sets of backends that
 * may change at any time. Stricter than the specification asks for: a message that two readers might understand in two
 * ways is refused.
 *
 * The proxy owns the listener: {@linkcode HttpProxy.close} and `destroy` close it, and every connection.
 *
 * @example
 * ```ts
 * import { HttpProxy } from "@culvert/culvert";
 *
 * const backend = Deno.serve({ port: 0, onListen() {} }, (request) => new Response(new URL(request.url).pathname));
 * const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 *
 * const proxy = new HttpProxy(listener, {
 *   upstreams: { app: { backends: [`127.0.0.1:${backend.addr.port}`] } },
 *   routes: [
 *     { match: { path: "/api" }, upstream: "app", rewrite: "/v2" },
 *     { match: { path: "/old" }, redirect: { to: "https://{host}/new", status: 301 } },
 *   ],
 * });
 * const response = await fetch(`http://127.0.0.1:${listener.addr.port}/api/users`);
 * console.log(response.status, await response.text()); // 200 /v2/users
 *
 * await proxy.destroy();
 * await backend.shutdown();
 * ```
 */
export class HttpProxy {
  readonly #upstreams = new Map<string, Upstream>();
  readonly #service: HttpService;
  readonly #loop: AcceptLoop<ProxiedConnection>;

  /**
   * Accepts from now on.
   *
   * @throws {CulvertError} for a backend's address that is none, and for routes that can't be used.
   */
  constructor(listener: Acceptor<ProxiedConnection>, options: HttpProxyOptions) {
    const { name = "proxy", log = silentLog } = options;
    const parts = { log, wheel: new TimerWheel(), buffers: new BufferPool() };
    for (const [key, upstream] of Object.entries(options.upstreams)) {
      this.#upstreams.set(key, createUpstream(key, upstream, parts));
    }
    this.#service = new HttpService({
      name,
      admission: { maxConnections: DEFAULT_MAX_CONNECTIONS, ...options.admission },
      timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
    }, {
      ...parts,
      routing: {
        http: httpOptions(options),
        upstream: (key) => this.#upstream(key),
        onAccess: options.onAccess,
      },
    });
    this.#loop = new AcceptLoop(listener, {
      name,
      log,
      onConnection: (connection) => this.#serve(connection),
      onFailure: (failure) => this.#service.acceptFailed(failure),
    });
  }

  /** A picture of this moment. */
  get stats(): HttpProxyStats {
    return { ...this.#service.counters, requests: this.#service.requestCounters };
  }

  /** The backends of an upstream, as they are now. */
  backends(upstream: string): readonly HttpProxyBackend[] {
    return this.#upstream(upstream).backends.map(({ key, spec, state, active, total, failures }) => ({
      address: key,
      weight: spec.weight,
      ...{ state, active, total, failures },
    }));
  }

  /**
   * Takes a new set of backends for an upstream. Those that stay, by address, keep what they have.
   *
   * @throws {CulvertError} `bad_address`; nothing has changed then.
   */
  updateBackends(upstream: string, backends: readonly BackendInput[]): void {
    this.#upstream(upstream).updateBackends(backends.map(backendSpec));
  }

  /**
   * Stops accepting and lets requests under way finish within `timeouts.drainMs`; then cuts them. Clients are told with
   * the next answer. Resolves when everything has ended, to how many connections were cut.
   */
  async close(): Promise<number> {
    this.#loop.close();
    const cut = await this.#service.drain();
    await this.#end();
    return cut;
  }

  /** Stops accepting and ends everything now. */
  async destroy(): Promise<void> {
    this.#loop.close();
    await this.#service.destroy();
    await this.#end();
  }

  #upstream(name: string): Upstream {
    const upstream = this.#upstreams.get(name);
    if (upstream === undefined) throw new RangeError(`Cannot find the upstream "${name}"`);
    return upstream;
  }

  #serve(connection: ProxiedConnection): void {
    try {
      prepareSocket(connection);
    } catch {
      // Reset already, which the service finds out.
    }
    const { remoteAddr, localAddr } = connection;
    void this.#service.serve({
      connection,
      address: clientAddress(remoteAddr),
      localAddr,
      listener: this.#service.name,
    });
  }

  async #end(): Promise<void> {
    await Promise.all([...this.#upstreams.values()].map((upstream) => upstream.close()));
    await this.#loop.done;
  }
}

function httpOptions(options: HttpProxyOptions): HttpServiceOptions {
  const { upstreams, routes, limits, timeouts = {} } = options;
  const [first] = Object.keys(upstreams);
  const { responseMs, requestMs } = { ...DEFAULT_HTTP_TIMEOUTS, ...timeouts };
  return {
    routes: routes ?? [{ match: {}, ...(first === undefined ? {} : { upstream: first }) }],
    limits: { ...DEFAULT_HTTP_LIMITS, ...limits },
    timeouts: { responseMs, requestMs },
    forwarded: options.forwarded ?? "x",
    trusted: options.trusted ?? [],
    underscores: options.underscores ?? "drop",
    encodedSlashes: options.encodedSlashes ?? "reject",
    errors: options.errors ?? {},
    ...(options.via === undefined ? {} : { via: options.via }),
    requestId: options.requestId ?? false,
    clientCert: options.clientCert ?? true,
    identityHeader: options.identityHeader ?? DEFAULT_IDENTITY_HEADER,
  };
}

function createUpstream(
  name: string,
  options: HttpUpstreamOptions,
  parts: { log: Log; wheel: TimerWheel; buffers: BufferPool },
): Upstream {
  return new Upstream({
    name,
    backends: options.backends.map(backendSpec),
    balance: options.balance ?? "round-robin",
    pool: { ...DEFAULT_POOL, ...options.pool },
    retries: DEFAULT_RETRIES,
    queue: { ...DEFAULT_QUEUE, ...options.queue },
    onRemove: options.onRemove ?? "close",
    proxyProtocol: options.proxyProtocol ?? "none",
    onDown: options.onDown ?? "keep",
    health: options.health && { ...DEFAULT_HEALTH, ...options.health },
    outlier: { ...DEFAULT_OUTLIER, ...options.outlier },
    slowStartMs: options.slowStartMs ?? 0,
  }, { ...parts, dial: options.dial ?? dial, connectTls: options.connectTls });
}
