import { describeError } from "../core/errors.ts";
import { type Log, silentLog } from "../core/log.ts";
import { TimerWheel } from "../core/timer_wheel.ts";
import { AcceptLoop, type Acceptor } from "../net/accept_loop.ts";
import { BufferPool } from "../net/buffers.ts";
import { clientAddress } from "../net/client_address.ts";
import { dial, prepareSocket } from "../net/dial.ts";
import { DEFAULT_OUTLIER, DEFAULT_QUEUE, DEFAULT_RETRIES } from "../upstream/options.ts";
import { DEFAULT_POOL } from "../upstream/pool/options.ts";
import { DEFAULT_HEALTH } from "../upstream/check/options.ts";
import { Discovery } from "../upstream/discover/discovery.ts";
import type { ReportingSource } from "../upstream/discover/source.ts";
import { Upstream } from "../upstream/upstream.ts";
import { DEFAULT_MAX_CONNECTIONS, DEFAULT_TIMEOUTS } from "../service/options.ts";
import {
  type BackendInput,
  backendSpec,
  type ProxiedConnection,
  type TcpProxyOptions,
  type TcpProxyStats,
} from "./proxy_options.ts";
import { TcpService } from "./service.ts";

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
