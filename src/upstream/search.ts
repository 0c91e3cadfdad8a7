import { onAbort } from "../core/wait.ts";
import { Deadline } from "../core/deadline.ts";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import { type Connection, writeAll } from "../net/connection.ts";
import { isShortage } from "../net/shortage.ts";
import type { MysqlPacket } from "../tls/starttls/mysql.ts";
import { readMysqlGreeting } from "../tls/starttls/mysql_login.ts";
import { skipGreeting } from "../tls/starttls/start_tls.ts";
import type { StartTlsName } from "../tls/starttls/protocol.ts";
import type { TlsConnect } from "../tls/dial.ts";
import type { Backend } from "./backend.ts";
import type { BackendQueue, QueuedSearch } from "./backend_queue.ts";
import { clientHeader, type ProxyHeaderInfo } from "./client_header.ts";
import { ConnectFailedError } from "./errors.ts";
import { ConnectTimeoutError, PoolBusyError } from "./pool/errors.ts";
import type { Lease } from "./pool/lease.ts";
import type { OutlierDetector } from "./outlier.ts";
import { eventLoopPoll } from "../core/event_loop.ts";
import { MAX_REFUSALS_PENDING, REFUSAL_POLLS } from "./refusal.ts";
import { type ProxyProtocolOption, proxySending } from "./proxy_sending.ts";

/** What one client's connection asks of its upstream. */
export interface SearchOptions {
  /** The client's address without the port, for the balancers that look at it. */
  readonly source?: string;
  /** How long each try may take, waiting for a place in the pool included, in milliseconds. */
  readonly connectMs: number;
  /** For an upstream that tells its backends. */
  readonly client?: ProxyHeaderInfo;
  /** The protocol in which the client has had a greeting already: that of the backend is read, and not passed on. */
  readonly greeted?: StartTlsName | undefined;
  /**
   * The caller joins the client and a MySQL server: the server's greeting is read for it, which must offer TLS where
   * `tls` says so.
   */
  readonly joins?: { readonly tls: boolean } | undefined;
}

/** Somebody who is told how a search goes. */
export interface SearchObserver {
  /** A try takes long: this is no longer the usual case, in which nothing happens before there is a backend. */
  onSlowSearch(): void;
}

/** What a search needs of its upstream. */
export interface SearchContext {
  readonly name: string;
  readonly retries: number;
  readonly proxyProtocol: ProxyProtocolOption;
  /** What is spoken behind the header; absent: nothing, or a connection of the pool's speaks it already. */
  readonly connectTls: TlsConnect | undefined;
  readonly wheel: TimerWheel;
  readonly log: Log;
  /** What live traffic shows of backends. */
  readonly outlier: OutlierDetector;
  pick(options: { source?: string; exclude?: readonly Backend[] }): Backend | undefined;
  /** Where connections wait for a backend that is full. */
  readonly queue: BackendQueue;
  /** Searches that are about to fail, as every backend is full. */
  readonly pending: { count: number };
  /** Whether a backend that is none of these would take one more connection if it had not as many as it may. */
  mayWait(tried: readonly Backend[]): boolean;
  /** Told that a dial failed for want of something of our own. */
  readonly onShortage: (() => void) | undefined;
  /** Why there was no backend to try. */
  whyNone(): Error;
}

/** A backend that has been reached. Whoever holds it ends it once, with {@linkcode closed} or `discard`. */
export class AcquiredBackend {
  readonly backend: Backend;
  readonly lease: Lease;
  /** The greeting of a MySQL server, where that was asked for ({@linkcode SearchOptions.joins}). */
  greeting: MysqlPacket | undefined;
  readonly #outlier: OutlierDetector;

  constructor(backend: Backend, lease: Lease, outlier: OutlierDetector) {
    this.backend = backend;
    this.lease = lease;
    this.#outlier = outlier;
  }

  /** The same over `connection`, which is spoken over the lease's. It takes the place of this one. */
  over(connection: Connection): AcquiredBackend {
    return new AcquiredBackend(this.backend, this.lease.over(connection), this.#outlier);
  }

  /** Closes the connection, which the backend has broken before it could be used. */
  broke(): void {
    this.discard();
    this.backend.failures++;
    this.#outlier.broke(this.backend);
  }

  /** The holder has closed the connection; `broken` by the backend, which had sent `bytes`. */
  closed(broken: boolean, bytes: number): void {
    this.lease.closed();
    this.backend.release();
    if (bytes > 0) this.#outlier.answered(this.backend);
    else if (broken) this.#outlier.broke(this.backend);
  }

  /** Closes the connection. */
  discard(): void {
    this.lease.discard();
    this.backend.release();
  }
}

/**
 * One client's search for a backend that answers: picks, dials, and goes on to others when that fails, never to
 * the same one twice. Made by `Upstream.search`; runs once.
 */
export class BackendSearch implements QueuedSearch {
  /** Those tried so far, in order; the last one is the one that was found, if any was. */
  readonly tried: Backend[] = [];
  /** What backends are told that the connection is called; absent: they are not. Version 1 has no room for it. */
  readonly uniqueId: string | undefined;
  /** Told when the search takes long. */
  observer: SearchObserver | undefined;
  readonly #context: SearchContext;
  readonly #options: SearchOptions;
  /** What each backend is told first. As it was when the search began: who the client is was asked then. */
  readonly #header: Uint8Array | undefined;
  #attempt: Deadline | undefined;
  #aborted: Error | undefined;
  #leaving: WheelTimer | undefined;
  #over = false;

  /** @throws {CulvertError} `bad_proxy_header` if there is more to tell of the client than a header can hold. */
  constructor(context: SearchContext, options: SearchOptions) {
    const sending = proxySending(context.proxyProtocol);
    const header = sending && clientHeader(sending, options.client ?? {});
    this.#context = context;
    this.#options = options;
    this.#header = header?.bytes;
    this.uniqueId = header?.uniqueId;
  }

  /** Whether the caller joins the client and the backend. */
  get joins(): boolean {
    return this.#options.joins !== undefined;
  }

  /** Gives up: `run` rejects with `reason`, and what was being dialled is freed. */
  abort(reason: Error): void {
    this.#aborted ??= reason;
    this.#attempt?.abort(reason);
    this.#context.queue.cancel(this, reason);
  }

  /** Gives up with `reason` unless there is a connection within `timeoutMs` from now. */
  leave(timeoutMs: number, reason: Error): void {
    if (this.#over) return;
    this.#leaving ??= new WheelTimer(() => {
      this.abort(reason);
      return 0;
    });
    this.#context.wheel.start(this.#leaving, timeoutMs);
  }

  /**
   * Resolves to a connection, which the caller owns.
   *
   * @throws {NoBackendError} or {@linkcode BackendsDownError} if none was available from the first.
   * @throws {ConnectFailedError} if all that were tried failed.
   * @throws the reason of {@linkcode abort}.
   */
  async run(): Promise<AcquiredBackend> {
    const context = this.#context;
    let failure: unknown;
    while (this.#aborted === undefined && this.tried.length <= context.retries) {
      let backend: Backend | undefined;
      try {
        backend = this.#takeAtOnce() ?? await this.#awaitBackend();
      } catch (error) {
        failure ??= error;
      }
      if (backend === undefined) break;
      this.tried.push(backend);
      this.#attempt = this.#deadline(backend);
      let passedBy = false;
      try {
        let lease = await backend.pool.acquire({ signal: this.#attempt.signal });
        if (this.#header !== undefined) await this.#tell(lease, this.#header);
        if (context.connectTls !== undefined) lease = await this.#secure(lease, backend);
        if (this.#options.greeted !== undefined) lease = await this.#skipGreeting(lease, backend);
        const greeting = await this.#readGreeting(lease);
        const found = new AcquiredBackend(backend, lease, context.outlier);
        found.greeting = greeting;
        if (this.#wanted(found)) return found;
        passedBy = true;
      } catch (error) {
        backend.release();
        if (this.#aborted !== undefined) break;
        if (!backend.removed) {
          failure = error;
          this.#failed(backend, error);
        }
      } finally {
        this.#attempt[Symbol.dispose]();
      }
      // The world has changed meanwhile, which is no failure to connect: that was no try.
      if (backend.removed || passedBy) this.tried.pop();
    }
    this.#finish();
    if (this.#aborted !== undefined) throw this.#aborted;
    if (failure === undefined) throw context.whyNone();
    if (this.tried.length === 0) throw failure; // Of the queue.
    throw new ConnectFailedError(context.name, { tries: this.tried.length, cause: failure });
  }

  /** As of {@linkcode QueuedSearch}. */
  take(): Backend | undefined {
    const backend = this.#context.pick(this.#pickOptions());
    if (backend !== undefined) backend.active++;
    return backend;
  }

  /** Those that wait already come first. */
  #takeAtOnce(): Backend | undefined {
    return this.#context.queue.size === 0 ? this.take() : undefined;
  }

  /** Waits for a backend where all that would do are full; `undefined`: there is none to wait for. */
  async #awaitBackend(): Promise<Backend | undefined> {
    const { queue, mayWait } = this.#context;
    if (!mayWait(this.tried)) return undefined;
    if (!queue.enabled) return await this.#awaitEnds();
    this.observer?.onSlowSearch();
    const backend = await queue.wait(this);
    if (this.#aborted === undefined) return backend;
    backend.release();
    return undefined;
  }

  /** Connections whose end the system knows of already end first, before this one is refused. */
  async #awaitEnds(): Promise<Backend | undefined> {
    const { pending } = this.#context;
    if (pending.count >= MAX_REFUSALS_PENDING) return undefined;
    pending.count++;
    let backend: Backend | undefined;
    for (let polls = 0; polls < REFUSAL_POLLS && backend === undefined; polls++) {
      await eventLoopPoll();
      if (this.#aborted !== undefined) break;
      backend = this.take();
    }
    pending.count--;
    return backend;
  }

  #pickOptions(): { source?: string; exclude?: readonly Backend[] } {
    return this.tried.length === 0 ? this.#options : { ...this.#options, exclude: this.tried };
  }

  #deadline(backend: Backend): Deadline {
    const timeoutMs = this.#options.connectMs;
    return new Deadline(this.#context.wheel, {
      timeoutMs,
      reason: () => new ConnectTimeoutError(backend.key, timeoutMs),
      onSlow: () => this.observer?.onSlowSearch(),
    });
  }

  /** Tells the backend who the client is, before anything else. A backend that can't be told has failed. */
  async #tell(lease: Lease, header: Uint8Array): Promise<void> {
    const { signal } = this.#attempt!;
    using _abort = onAbort(signal, () => lease.discard()); // Ends a write that is stuck.
    try {
      await writeAll(lease.connection, header);
    } catch (error) {
      lease.discard();
      throw signal.aborted ? signal.reason : error;
    }
  }

  /** Speaks TLS behind the header. A backend with which that can't be done has failed. */
  async #secure(lease: Lease, backend: Backend): Promise<Lease> {
    if (!backend.pool.isCurrent(lease)) return lease; // It may speak TLS as it is, and is not used anyway.
    const { connection } = lease;
    try {
      const to = { kind: "open", address: backend.address, connection } as const;
      const session = await this.#context.connectTls!(to, this.#attempt!.signal);
      return lease.over(session.connection);
    } catch (error) {
      lease.discard();
      throw error;
    }
  }

  /** Reads the greeting of a MySQL server, where that was asked for. */
  async #readGreeting(lease: Lease): Promise<MysqlPacket | undefined> {
    const { joins } = this.#options;
    if (joins === undefined) return undefined;
    const { signal } = this.#attempt!;
    using _abort = onAbort(signal, () => lease.discard());
    try {
      return await readMysqlGreeting(lease.connection, joins);
    } catch (error) {
      lease.discard();
      throw signal.aborted ? signal.reason : error;
    }
  }

  /** Reads the backend's greeting. A backend that greets with a refusal has failed. */
  async #skipGreeting(lease: Lease, backend: Backend): Promise<Lease> {
    if (!backend.pool.isCurrent(lease)) return lease; // It is not used anyway.
    const { signal } = this.#attempt!;
    try {
      return lease.over(await skipGreeting(lease.connection, { protocol: this.#options.greeted!, signal }));
    } catch (error) {
      lease.discard();
      throw signal.aborted ? signal.reason : error;
    }
  }

  /**
   * Whether what was found is still wanted. While we dialled, the backend may have left the set or gone down, and
   * what holds for connections to it may have become something else.
   */
  #wanted(found: AcquiredBackend): boolean {
    const { backend, lease } = found;
    const isGood = !backend.removed && !backend.down && backend.pool.isCurrent(lease);
    if (this.#aborted !== undefined || !isGood) {
      found.discard();
      return false;
    }
    backend.total++;
    this.#context.outlier.connected(backend);
    this.#finish();
    return true;
  }

  #failed(backend: Backend, error: unknown): void {
    const { log, name, outlier } = this.#context;
    backend.failures++;
    backend.lastFailure = describeError(error);
    log.debug("cannot reach a backend", { upstream: name, backend: backend.key, error: backend.lastFailure });
    // What we have too little of ourselves is not the backend's failure.
    if (isShortage(error)) this.#context.onShortage?.();
    else if (!(error instanceof PoolBusyError)) outlier.connectFailed(backend);
  }

  #finish(): void {
    this.#over = true;
    if (this.#leaving !== undefined) this.#context.wheel.stop(this.#leaving);
  }
}
