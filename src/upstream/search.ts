import { Deadline } from "../core/deadline.ts";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import { isShortage } from "../net/shortage.ts";
import type { TlsConnect } from "../tls/dial.ts";
import type { MysqlPacket } from "../tls/starttls/mysql.ts";
import type { StartTlsName } from "../tls/starttls/protocol.ts";
import { AcquiredBackend } from "./acquired_backend.ts";
import type { Backend } from "./backend.ts";
import type { BackendQueue, QueuedSearch } from "./backend_queue.ts";
import { clientHeader, type ProxyHeaderInfo } from "./client_header.ts";
import { setUpConnection } from "./connection_setup.ts";
import { ConnectFailedError } from "./errors.ts";
import type { OutlierDetector } from "./outlier.ts";
import type { Lease } from "./pool/lease.ts";
import { ConnectTimeoutError, PoolBusyError } from "./pool/errors.ts";
import { type ProxyProtocolOption, proxySending } from "./proxy_sending.ts";
import type { RefusalDelay } from "./refusal.ts";

/** What one client's connection asks of its upstream. */
export interface SearchOptions {
  /** The client's address without the port, for `source-hash`. */
  readonly source?: string;
  /** How long each try may take, in milliseconds, including a wait for the pool. */
  readonly connectMs: number;
  /** For an upstream that sends a PROXY header. */
  readonly client?: ProxyHeaderInfo;
  /** The protocol in which the client has been greeted: the backend's greeting is read, and not passed on. */
  readonly greeted?: StartTlsName | undefined;
  /** The backend of the first try, which is acquired already. @default the search picks it */
  readonly first?: Backend | undefined;
  /** An open connection to a backend that is used as it is. @default one is acquired from the pool */
  readonly reuse?: (backend: Backend) => Lease | undefined;
  /** Further backends tried if a connection can't be made. @default the upstream's */
  readonly retries?: number;
  /** The caller joins the client and a MySQL server: its greeting is kept, and must offer TLS if `tls` is set. */
  readonly joins?: { readonly tls: boolean } | undefined;
}

/** Observes a search. */
export interface SearchObserver {
  /** A try takes longer than usual. */
  onSlowSearch(): void;
}

/** What a search needs of its upstream. */
export interface SearchContext {
  readonly name: string;
  readonly retries: number;
  readonly proxyProtocol: ProxyProtocolOption;
  /** Speaks TLS behind a PROXY header; absent: none is spoken, or by the pool's connections already. */
  readonly connectTls: TlsConnect | undefined;
  readonly wheel: TimerWheel;
  readonly log: Log;
  readonly outlier: OutlierDetector;
  pick(options: { source?: string; exclude?: readonly Backend[] }): Backend | undefined;
  /** Where searches wait for a backend that is full. */
  readonly queue: BackendQueue;
  /** For searches that would fail because every backend is full. */
  readonly refusalDelay: RefusalDelay;
  /** Whether a backend other than these is full, and would take a connection otherwise. */
  canWait(tried: readonly Backend[]): boolean;
  /** A dial failed for lack of a local resource. */
  readonly onShortage: (() => void) | undefined;
  /** Why no backend is available. */
  unavailable(): Error;
}

/**
 * The search of one client for a backend: picks one, connects it, and tries others if that fails, none of them twice.
 * Made by `Upstream.search`; runs once.
 */
export class BackendSearch implements QueuedSearch {
  /** The backends tried so far, in order; the last is the one that was connected, if any. */
  readonly tried: Backend[] = [];
  /** The id of the connection in the PROXY header; absent: backends are sent none. */
  readonly uniqueId: string | undefined;
  /** Called if the search is slow. */
  observer: SearchObserver | undefined;
  readonly #context: SearchContext;
  readonly #options: SearchOptions;
  /** Fixed when the search begins, as the client is described then. */
  readonly #header: Uint8Array | undefined;
  #attempt: Deadline | undefined;
  #aborted: Error | undefined;
  #first: Backend | undefined;
  #abortTimer: WheelTimer | undefined;
  #over = false;

  /** @throws {CulvertError} `bad_proxy_header` if the header would be too large. */
  constructor(context: SearchContext, options: SearchOptions) {
    const sending = proxySending(context.proxyProtocol);
    const header = sending && clientHeader(sending, options.client ?? {});
    this.#context = context;
    this.#options = options;
    this.#first = options.first;
    this.#header = header?.bytes;
    this.uniqueId = header?.uniqueId;
  }

  /** Whether the caller joins the client and the backend. */
  get joins(): boolean {
    return this.#options.joins !== undefined;
  }

  /** Ends the search: `run` rejects with `reason`, and a dial under way is aborted. */
  abort(reason: Error): void {
    this.#aborted ??= reason;
    this.#attempt?.abort(reason);
    this.#context.queue.cancel(this, reason);
  }

  /** Aborts with `reason` unless a backend is connected within `timeoutMs` from now. */
  abortAfter(timeoutMs: number, reason: Error): void {
    if (this.#over) return;
    this.#abortTimer ??= new WheelTimer(() => {
      this.abort(reason);
      return 0;
    });
    this.#context.wheel.start(this.#abortTimer, timeoutMs);
  }

  /**
   * Resolves to a connected backend, which the caller owns.
   *
   * @throws {NoBackendError} or {@linkcode BackendsDownError} if none was available from the start.
   * @throws {QueueFullError} or {@linkcode QueueTimeoutError} if all were full.
   * @throws {ConnectFailedError} if all that were tried failed.
   * @throws the reason of {@linkcode abort}.
   */
  async run(): Promise<AcquiredBackend> {
    const context = this.#context;
    let failure: unknown;
    const retries = this.#options.retries ?? context.retries;
    while (this.#aborted === undefined && this.tried.length <= retries) {
      let backend: Backend | undefined;
      try {
        backend = this.#takeAtOnce() ?? await this.#awaitBackend();
      } catch (error) {
        failure ??= error;
      }
      if (backend === undefined) break;
      this.tried.push(backend);
      const { signal } = this.#attempt = this.#startAttempt(backend);
      let isOutdated = false;
      try {
        const open = this.#options.reuse?.(backend);
        if (open !== undefined) return this.#reused(backend, open);
        let lease = await backend.pool.acquire({ signal });
        let greeting: MysqlPacket | undefined;
        const setup = this.#setup(backend, signal);
        if (setup !== undefined) ({ lease, greeting } = await setUpConnection(lease, setup));
        const acquired = new AcquiredBackend(backend, lease, context.outlier);
        acquired.greeting = greeting;
        if (this.#accepts(acquired)) return acquired;
        isOutdated = true;
      } catch (error) {
        backend.release();
        if (this.#aborted === undefined && !backend.removed) this.#failed(backend, failure = error);
      } finally {
        this.#attempt[Symbol.dispose]();
      }
      // A reload or a health check ended this try, not the backend.
      if (isOutdated || (backend.removed && this.#aborted === undefined)) this.tried.pop();
    }
    this.#finish();
    throw this.#aborted ?? this.#failure(failure);
  }

  /** As of {@linkcode QueuedSearch}. */
  take(): Backend | undefined {
    const exclude = this.tried;
    const options = exclude.length === 0 ? this.#options : { ...this.#options, exclude };
    return acquireFrom(() => this.#context.pick(options));
  }

  /** A backend at once; searches that wait already come first. */
  #takeAtOnce(): Backend | undefined {
    const first = this.#first;
    this.#first = undefined;
    return first ?? (this.#context.queue.size === 0 ? this.take() : undefined);
  }

  /** Waits for a backend if all that could be used are full; `undefined`: there is none to wait for. */
  async #awaitBackend(): Promise<Backend | undefined> {
    const { queue, refusalDelay } = this.#context;
    if (!this.#context.canWait(this.tried)) return undefined;
    if (queue.enabled) {
      this.observer?.onSlowSearch();
      const backend = await queue.wait(this);
      if (this.#aborted === undefined) return backend;
      backend.release();
      return undefined;
    }
    let backend: Backend | undefined;
    await refusalDelay.wait(() => this.#aborted !== undefined || (backend = this.take()) !== undefined);
    return backend;
  }

  #startAttempt(backend: Backend): Deadline {
    const timeoutMs = this.#options.connectMs;
    return new Deadline(this.#context.wheel, {
      timeoutMs,
      reason: () => new ConnectTimeoutError(backend.key, timeoutMs),
      onSlow: () => this.observer?.onSlowSearch(),
    });
  }

  /** What a connection needs before the client can use it; `undefined`: nothing. */
  #setup(backend: Backend, signal: AbortSignal): Parameters<typeof setUpConnection>[1] | undefined {
    const header = this.#header;
    const { connectTls } = this.#context;
    const { greeted, joins } = this.#options;
    if (header === undefined && connectTls === undefined && greeted === undefined && joins === undefined) {
      return;
    }
    return { backend, signal, header, connectTls, greeted, joins };
  }

  /**
   * Whether the connection can be used. While it was made, the search may have been aborted, and the backend may have
   * been removed, gone down, or got another configuration.
   */
  #accepts(acquired: AcquiredBackend): boolean {
    const { backend, lease } = acquired;
    const isCurrent = !backend.removed && !backend.down && backend.pool.isCurrent(lease);
    if (this.#aborted !== undefined || !isCurrent) {
      acquired.discard();
      return false;
    }
    backend.connected();
    this.#context.outlier.connected(backend);
    this.#finish();
    return true;
  }

  #reused(backend: Backend, lease: Lease): AcquiredBackend {
    backend.connected();
    this.#finish();
    return new AcquiredBackend(backend, lease, this.#context.outlier);
  }

  #failed(backend: Backend, error: unknown): void {
    const { log, name, outlier, onShortage } = this.#context;
    const message = describeError(error);
    backend.failed(message);
    log.debug("cannot connect to backend", { upstream: name, backend: backend.key, error: message });
    // A lack of local resources, or a pool at its limit, is not the backend's failure.
    if (isShortage(error)) onShortage?.();
    else if (!(error instanceof PoolBusyError)) outlier.connectFailed(backend);
  }

  #failure(error: unknown): unknown {
    if (error === undefined) return this.#context.unavailable();
    const { length: tries } = this.tried;
    if (tries === 0) return error; // Of the queue.
    return new ConnectFailedError(this.#context.name, { tries, cause: error });
  }

  #finish(): void {
    this.#over = true;
    this.#first?.release(); // Aborted before the first try.
    this.#first = undefined;
    if (this.#abortTimer !== undefined) this.#context.wheel.stop(this.#abortTimer);
  }
}

/** The backend that `pick` returns, which counts as in use then; picks again if another thread was faster. */
export function acquireFrom(pick: () => Backend | undefined): Backend | undefined {
  for (;;) {
    const backend = pick();
    if (backend === undefined || backend.acquire()) return backend;
  }
}
