import type { ListEntry } from "../core/unordered_list.ts";
import type { Backend, LiveConnection } from "../upstream/backend.ts";
import { ConnectFailedError } from "../upstream/errors.ts";
import type { BackendSearch } from "../upstream/search.ts";
import { BackendConnection, KeptConnections } from "./connections.ts";
import type { ExchangeState } from "./exchange_state.ts";
import { clientLeft, refusal, unconnected } from "./proxy_error.ts";
import type { RequestBackends } from "./request_backends.ts";
import type { Retries } from "./retry.ts";

/** What a {@linkcode BackendChoice} works with. */
export interface BackendChoiceParts {
  readonly exchange: ExchangeState;
  readonly backends: RequestBackends;
  readonly retries: Retries;
  /** Called when its backend is removed, or goes down. */
  readonly owner: LiveConnection;
}

/**
 * The backend of a request, which counts the request as under way, and the connection to it: an idle one, or a new one.
 * Each further try takes another backend while there is one.
 */
export class BackendChoice {
  /** The backend that counts the request as under way. */
  current: Backend | undefined;
  /** An idle connection has failed: the next one is a new one. */
  wantsFresh = false;
  readonly #parts: BackendChoiceParts;
  #place: ListEntry<LiveConnection> | undefined;
  #tried: Backend[] | undefined;
  #search: BackendSearch | undefined;

  constructor(parts: BackendChoiceParts) {
    this.#parts = parts;
  }

  /** A connection that is open and idle, had without waiting; `undefined`: there is none, or a new one is wanted. */
  takeKept(): BackendConnection | undefined {
    const { exchange, backends } = this.#parts;
    const { session } = exchange;
    const tried = this.#tried;
    const pick = tried === undefined
      ? session.view.pickOptions
      : { ...session.view.pickOptions, exclude: tried };
    let backend = backends.take(pick);
    if (backend === undefined && tried !== undefined) backend = backends.take(session.view.pickOptions);
    if (backend === undefined) return undefined;
    this.#use(backend);
    if (this.wantsFresh || backends.sendsProxyHeader) return undefined;
    const connection = KeptConnections.of(backend, session.wheel).take();
    if (connection === undefined) return undefined;
    backend.connected();
    exchange.connectMs ??= 0;
    return connection;
  }

  /** Makes a connection; waits for a backend before that where all are full. */
  async connect(): Promise<BackendConnection> {
    const { exchange, backends } = this.#parts;
    const { session, plan, messages } = exchange;
    messages.hold();
    for (;;) {
      const first = this.current;
      let kept: BackendConnection | undefined;
      // The search counts it from here on.
      this.#leave();
      const { sendsProxyHeader } = backends;
      const search = this.#search = backends.search({
        ...session.view.pickOptions,
        connectMs: plan.timeouts.connectMs,
        first,
        retries: 0,
        reuse: (backend) => {
          if (first !== undefined || sendsProxyHeader) return undefined;
          kept = KeptConnections.of(backend, session.wheel).take();
          return kept?.lease;
        },
        ...(sendsProxyHeader ? { client: session.tellBackend() } : {}),
      });
      try {
        const { backend, lease } = await search.run();
        const connection = kept ?? new BackendConnection(lease, session.buffers);
        this.#use(backend, connection);
        exchange.connectMs = exchange.elapsedMs();
        return connection;
      } catch (error) {
        this.#connectFailed(search, error);
      } finally {
        this.#search = undefined;
      }
    }
  }

  /** Gives up a search under way. */
  abort(): void {
    this.#search?.abort(clientLeft());
  }

  /** The backend has failed: another one is taken next, while there is one. */
  exclude(): void {
    (this.#tried ??= []).push(this.current!);
  }

  /** The backend no longer counts the request. */
  release(): void {
    this.#leave()?.release();
  }

  /** Decides whether a failure to connect is the end. If not, another backend is in use. */
  #connectFailed(search: BackendSearch, error: unknown): void {
    const { exchange, backends, retries } = this.#parts;
    exchange.throwStop();
    if (!(error instanceof ConnectFailedError)) throw unconnected(error as Error);
    exchange.attempt++;
    exchange.backend = search.tried.at(-1);
    (this.#tried ??= []).push(...search.tried);
    if (!retries.spend("connect")) throw unconnected(error as Error);
    const { pickOptions } = exchange.session.view;
    const other = backends.take({ ...pickOptions, exclude: this.#tried }) ?? backends.take(pickOptions);
    if (other !== undefined) this.#use(other);
  }

  #use(backend: Backend, connection?: BackendConnection): void {
    const { exchange, backends, owner } = this.#parts;
    this.current = exchange.backend = backend;
    this.#place = backend.live.add(owner);
    if (backends.traits === undefined) return;
    try {
      exchange.target = this.#targetFor(backend);
    } catch (error) {
      connection?.discard();
      throw error;
    }
  }

  #targetFor(backend: Backend): string {
    const { exchange: { clientUrl, path, query, target }, backends } = this.#parts;
    const rewriter = backends.traits!.rewriter(backend);
    if (rewriter === undefined || path === "*") return target;
    const url = rewriter.toBackend(clientUrl);
    if (url === undefined) throw refusal("no-route", 404, "the backend has no such path");
    // The query goes on byte for byte, unless it has been changed on purpose.
    return url.pathname + (url.search === new URL(clientUrl).search ? query : url.search);
  }

  /** Returns what was left. */
  #leave(): Backend | undefined {
    const backend = this.current;
    if (this.#place !== undefined) backend!.live.remove(this.#place);
    this.current = this.#place = undefined;
    return backend;
  }
}
