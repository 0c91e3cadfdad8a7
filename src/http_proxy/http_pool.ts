import { CulvertError } from "../core/errors.ts";
import { silentLog } from "../core/log.ts";
import { TimerWheel } from "../core/timer_wheel.ts";
import { BufferPool } from "../net/buffers.ts";
import { FetchService } from "./fetch/fetch_service.ts";
import { httpOptions } from "./http_proxy_options.ts";
import type { HttpRoute } from "./options.ts";
import { checkCount } from "./pool/backend_url.ts";
import type {
  HandleOptions,
  HttpPoolConfig,
  HttpPoolOptions,
  HttpPoolSnapshot,
  PoolBackendInput,
  PoolBackendOptions,
  PoolLease,
  PoolRequest,
} from "./pool/options.ts";
import type { PoolBackend } from "./pool/pool_backend.ts";
import { PoolSet } from "./pool/pool_set.ts";
import { snapshotOf } from "./pool/pool_snapshot.ts";

/**
 * A set of HTTP servers from which one is picked for each request: by weight, within bounds, never one that is down,
 * full or drained. It may change at any time.
 *
 * {@linkcode HttpPool.handle} carries a request to one of them, as a handler of `Deno.serve`. {@linkcode HttpProxy} does
 * that over a listener of its own, with all that a `Response` can't carry: interim responses, trailers and upgrades.
 * A program that carries requests by itself picks with {@linkcode HttpPool.next} or {@linkcode HttpPool.lease}.
 *
 * The pool owns its connections and checks: {@linkcode HttpPool.close} and `destroy` end them.
 *
 * @example As a handler of `Deno.serve`
 * ```ts
 * import { HttpPool } from "@culvert/culvert";
 *
 * const backend = Deno.serve({ port: 0, onListen() {} }, (request) => new Response(new URL(request.url).pathname));
 *
 * const pool = new HttpPool({ balance: "least-connections" });
 * pool.add(`http://127.0.0.1:${backend.addr.port}`, { route: { path: "/api", rewrite: "/v2" }, maxConnections: 100 });
 * const server = Deno.serve(
 *   { port: 0, onListen() {} },
 *   (request, { remoteAddr }) => pool.handle(request, { client: remoteAddr }),
 * );
 * const response = await fetch(`http://127.0.0.1:${server.addr.port}/api/users`);
 * console.log(response.status, await response.text()); // 200 /v2/users
 *
 * await server.shutdown();
 * await pool.close();
 * await backend.shutdown();
 * ```
 *
 * @example Picking backends only
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
  readonly #options: HttpPoolOptions;
  readonly #set: PoolSet;
  readonly #service: FetchService;
  /** The version of the set that the service has taken. */
  #version = 0;
  #closed = false;

  /** Has no backend yet. Throws `bad_config`, `bad_template` or `bad_address_set` for options that can't be used. */
  constructor(options: HttpPoolOptions = {}) {
    const { name = "pool", log = silentLog } = options;
    const parts = { name, log, wheel: new TimerWheel(), buffers: new BufferPool() };
    this.#options = options;
    this.#set = new PoolSet(options, parts);
    this.#service = new FetchService(options, { parts, routing: this.#routing() });
  }

  /** What holds now. Frozen. */
  get config(): HttpPoolConfig {
    return this.#set.config;
  }

  /** Changes what is named, from the next pick on. Throws `bad_config`; nothing has changed then. */
  update(options: Partial<HttpPoolConfig>): void {
    this.#set.update(options);
  }

  /** How a backend is picked. */
  get balance(): HttpPoolConfig["balance"] {
    return this.config.balance;
  }

  set balance(balance: HttpPoolConfig["balance"]) {
    this.update({ balance });
  }

  /** The bound of backends without one of their own. Requests over a lower one go on. */
  get maxConnections(): number {
    return this.config.maxConnections;
  }

  set maxConnections(maxConnections: number) {
    this.update({ maxConnections });
  }

  /** Whose turn it is with `round-robin`: an index of the backends, by which ties are decided. */
  get turn(): number {
    return this.#set.turn;
  }

  set turn(turn: number) {
    checkCount("turn", turn, Math.max(0, this.#set.members.length - 1));
    this.#set.turn = turn;
  }

  /** Adds a backend. Throws `bad_backend` for options that can't be used, and for a URL that is there already. */
  add(url: string | URL, options: PoolBackendOptions = {}): PoolBackend {
    this.#throwClosed();
    return this.#set.add(url, options).view;
  }

  /** Removes a backend. By `onRemove`, requests at it finish or end. Throws `bad_backend` if it is not there. */
  remove(url: string | URL): void {
    this.#set.remove(url);
  }

  /**
   * Makes these the backends, all or none. Those that stay, by URL, keep their counts, health and connections. Throws
   * `bad_backend` for a bad one, or for two with the same URL; nothing has changed then.
   */
  replace(backends: readonly PoolBackendInput[]): void {
    this.#throwClosed();
    this.#set.replace(backends);
  }

  /** The backend of a URL in any spelling; `undefined`: there is none. */
  get(url: string | URL): PoolBackend | undefined {
    return this.#set.find(url)?.view;
  }

  /** The backends as they are now. Frozen. */
  snapshot(): HttpPoolSnapshot {
    return snapshotOf(this.#set.members.map(({ view }) => view));
  }

  /**
   * Takes a backend out, or back in, until a check or the next mark says otherwise. Throws `bad_backend` if it is not
   * there.
   */
  mark(url: string | URL, state: "up" | "down"): void {
    this.#set.known(url).mark(state);
  }

  /** A backend for a request, without counting it; `undefined`: each one is down, full or drained. */
  next({ source, url }: PoolRequest = {}): PoolBackend | undefined {
    const options = source === undefined ? {} : { source };
    if (url === undefined) return this.#set.pick(options);
    this.#refresh();
    return this.#service.backendsFor(url)?.next(options);
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

  /**
   * Carries a request to a backend, by the rules of {@linkcode HttpProxy}: what is strict there is strict here. Bodies are
   * streamed both ways. It resolves to the response of the backend when its head is there; or to a generated one, with the
   * status of a {@linkcode ProxyError}, which `onError` gets.
   *
   * The request to the backend is aborted within a second if the signal of the request fires, or the body of the
   * response is cancelled. What a `Request` or a `Response` can't carry is left out: bodies of GET and HEAD, interim
   * responses, trailers, upgrades.
   *
   * `Deno.serve` logs what its handler throws, so let `onError` return a response for clients that have left, which get
   * none: `(error) => error.status === 0 ? new Response(null, { status: 499 }) : undefined`.
   *
   * @throws {ProxyError} if the request is aborted before there is a response; what `onError` throws;
   * `pool_closed` of a pool that is closed; `bad_address` for a client that is none.
   */
  async handle(request: Request, options: HandleOptions = {}): Promise<Response> {
    this.#throwClosed();
    this.#refresh();
    return await this.#service.handle(request, options);
  }

  /**
   * Takes no more requests, and lets those under way finish within `timeouts.drainMs`; then cuts them. Resolves when
   * everything has ended, to how many were cut.
   */
  async close(): Promise<number> {
    this.#closed = true;
    const cut = await this.#service.drain();
    await this.#set.close();
    return cut;
  }

  /** Ends everything now. */
  async destroy(): Promise<void> {
    this.#closed = true;
    await this.#service.destroy();
    await this.#set.close();
  }

  /** Before a request: routes are compiled once for any number of changes of the set. */
  #refresh(): void {
    const { version } = this.#set;
    if (version === this.#version) return;
    this.#version = version;
    this.#service.route(this.#routing());
  }

  #routing(): Parameters<FetchService["route"]>[0] {
    const options = this.#options;
    const { paths } = this.#set;
    const routes: HttpRoute[] = [...paths.keys()].map((path) => ({
      match: { path },
      upstream: path,
      ...(options.hostHeader === undefined ? {} : { hostHeader: options.hostHeader }),
      ...(options.retries === undefined ? {} : { retries: options.retries }),
    }));
    return { http: httpOptions({ ...options, upstreams: {}, routes }), backends: paths };
  }

  #throwClosed(): void {
    if (this.#closed) throw new CulvertError("pool_closed", "Cannot use the pool: it is closed");
  }
}
