import { type Log, silentLog } from "../core/log.ts";
import { TimerWheel } from "../core/timer_wheel.ts";
import { AcceptLoop, type Acceptor } from "../net/accept_loop.ts";
import { BufferPool } from "../net/buffers.ts";
import { clientAddress } from "../net/client_address.ts";
import { dial, prepareSocket } from "../net/dial.ts";
import { DEFAULT_MAX_CONNECTIONS, DEFAULT_TIMEOUTS } from "../service/options.ts";
import { type BackendInput, backendSpec, type ProxiedConnection } from "../tcp/proxy_options.ts";
import { DEFAULT_HEALTH } from "../upstream/check/options.ts";
import { DEFAULT_OUTLIER, DEFAULT_QUEUE, DEFAULT_RETRIES } from "../upstream/options.ts";
import { DEFAULT_POOL } from "../upstream/pool/options.ts";
import { Upstream } from "../upstream/upstream.ts";
import {
  httpOptions,
  type HttpProxyBackend,
  type HttpProxyOptions,
  type HttpProxyStats,
  type HttpUpstreamOptions,
} from "./http_proxy_options.ts";
import { HttpService } from "./http_service.ts";

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
        hooks: options,
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
   * Stops accepting and lets requests under way finish within `timeouts.drainMs`; then cuts them. Clients learn it from
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
      // A listener of the runtime that speaks TLS.
      encrypted: "handshake" in connection,
    });
  }

  async #end(): Promise<void> {
    await Promise.all([...this.#upstreams.values()].map((upstream) => upstream.close()));
    await this.#loop.done;
  }
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
