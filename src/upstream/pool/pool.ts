import { Counter } from "../../core/counter.ts";
import { closeQuietly, type Connection } from "../../net/connection.ts";
import { ReadAheadConnection } from "../../net/read_ahead.ts";
import { PoolBusyError, PoolClosedError } from "./errors.ts";
import type { IdleConnection } from "./idle_connection.ts";
import { IdleConnections } from "./idle_connections.ts";
import type { ConnectionKeeper } from "./keeper.ts";
import { Lease, type LeaseEnd } from "./lease.ts";
import type { PoolOptions } from "./options.ts";
import { type ConnectionPoolOptions, withPoolDefaults } from "./options.ts";
import { eventLoopTurn } from "../../core/event_loop.ts";
import { WaitQueue } from "./wait_queue.ts";

/** The statistics of a pool. */
export interface PoolStats {
  /** Idle connections. */
  readonly idle: number;
  /** Connections in use, or being dialled for a caller. */
  readonly active: number;
  /** Callers of `acquire` that wait at the limit now. */
  readonly waiting: number;
  /** Callers that have had to wait since the start. */
  readonly waits: number;
}

/**
 * Connections to one backend: limited, optionally dialled ahead, and given to waiting callers in order.
 *
 * Idle connections are read from: one that its peer has ended or broken leaves the pool at once, and bytes that the
 * backend sends first (a greeting) are kept for the caller that gets the connection ({@linkcode Lease.ahead}).
 *
 * @example
 * ```ts
 * import { ConnectionPool } from "@culvert/culvert";
 *
 * const backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const pool = new ConnectionPool({
 *   dial: (signal) => Deno.connect({ port: backend.addr.port, signal }),
 *   maxOpen: 10,
 * });
 * const lease = await pool.acquire({ signal: AbortSignal.timeout(5_000) });
 * await lease.connection.write(new TextEncoder().encode("PING\r\n"));
 * lease.discard(); // or lease.release(), to use the connection again
 *
 * await pool.close();
 * backend.close();
 * ```
 */
export class ConnectionPool {
  /** Keeps connections between requests; absent: nothing does. */
  keeper: ConnectionKeeper | undefined;
  /** All connections of the pool, of which there are `maxOpen` at most: over all threads, if it is shared. */
  readonly open = new Counter();
  /** Callers that wait at the bound: over all threads, if it is shared. */
  readonly wanted = new Counter();
  readonly #dial: (signal: AbortSignal) => Promise<Connection>;
  readonly #name: string;
  readonly #idle: IdleConnections;
  readonly #waiters = new WaitQueue();
  readonly #onWait: () => void;
  #maxOpen: number;
  #active = 0;
  /** Incremented when connections are made in another way. */
  #epoch = 0;
  #closed = false;

  /** Dials `minIdle` connections ahead. */
  constructor(options: ConnectionPoolOptions) {
    const complete = withPoolDefaults(options);
    this.#dial = complete.dial;
    this.#name = complete.name;
    this.#maxOpen = complete.maxOpen;
    this.#onWait = complete.onWait;
    this.#idle = new IdleConnections({
      ...complete,
      room: () => this.#room,
      reserve: () => this.#reserve(),
      onConnection: (connection) => {
        this.#active++;
        this.#giveBack(connection, "released");
      },
      onFreed: () => this.#freed(),
    });
    this.#idle.fill();
  }

  /** The current statistics. */
  get stats(): PoolStats {
    const { size: waiting, waits } = this.#waiters;
    const kept = this.keeper?.size ?? 0;
    return { idle: this.#idle.size + kept, active: this.#active - kept, waiting, waits };
  }

  /** The bounds that hold now. */
  get bounds(): PoolOptions {
    return this.#idle.bounds;
  }

  /** Whether no connection is to be kept idle: see {@linkcode rest}. */
  get resting(): boolean {
    return this.#closed || this.#idle.resting;
  }

  /** Whether callers of `acquire` wait at the bound. */
  get contended(): boolean {
    return this.#waiters.size > 0;
  }

  /**
   * Returns an idle connection, or dials one, or, at the limit, waits for one to become free. Waiting callers are served in
   * order.
   *
   * @throws {PoolClosedError} if the pool is or gets closed.
   * @throws {PoolBusyError} if the signal aborts while it waits at the limit.
   * @throws the signal's reason if that aborts otherwise, and the error of a failed dial.
   */
  acquire(options: { signal: AbortSignal }): Promise<Lease> {
    const { signal } = options;
    // The common case without an async function: nothing idle, no waiting callers, room for another connection.
    const straight = this.#idle.size === 0 && this.#waiters.size === 0 && !this.#closed && this.#reserve();
    if (!straight) return this.#acquireInTurn(signal);
    this.#active++;
    return this.#dialNow(signal);
  }

  /** Whether connections are still made in the way in which that of the lease was. */
  isCurrent({ epoch }: Lease): boolean {
    return epoch === this.#epoch;
  }

  /** Takes new limits. Connections that exceed them are closed when they are idle or returned. */
  configure(bounds: PoolOptions): void {
    this.#maxOpen = bounds.maxOpen;
    this.#idle.configure(bounds);
  }

  /**
   * Connections are made in another way now: idle ones are closed, dials under way are repeated, and connections in use are
   * not reused.
   */
  renew(): void {
    this.#epoch++;
    this.#idle.renew();
    this.keeper?.drop();
  }

  /**
   * While resting, no connection is kept idle or dialled ahead, as none will be used soon. `acquire` still works.
   */
  rest(resting: boolean): void {
    this.#idle.rest(resting);
    if (resting) this.keeper?.drop();
  }

  /** Closes the idle connections; `minIdle` new ones are dialled. */
  dropIdle(): void {
    this.#idle.drop();
    this.keeper?.drop();
  }

  /**
   * Closes the idle connections, aborts dialling ahead, and rejects waiting callers with {@linkcode PoolClosedError}.
   * Connections in use are closed when they are returned. Resolves when the pool has nothing under way.
   */
  async close(): Promise<void> {
    this.#closed = true;
    const error = new PoolClosedError(this.#name);
    this.#waiters.dismiss(error);
    this.keeper?.drop();
    await this.#idle.close(error);
    this.#count();
  }

  async #acquireInTurn(signal: AbortSignal): Promise<Lease> {
    signal.throwIfAborted();
    if (this.#closed) throw new PoolClosedError(this.#name);
    const idle = this.#waiters.size === 0 ? this.#idle.take() : undefined;
    if (idle !== undefined) return await this.#reuse(idle, signal);
    if (this.#room <= 0) this.keeper?.dropOldest();
    if (this.#reserve()) {
      this.#active++;
      return await this.#dialNow(signal);
    }
    // What is granted is counted as active.
    const granted = await this.#wait(signal);
    if (granted === undefined) return await this.#dialNow(signal);
    if (!signal.aborted) return granted;
    granted.release();
    throw signal.reason;
  }

  /** How many more connections there may be; negative after the limit was lowered. */
  get #room(): number {
    if (this.#maxOpen === 0) return Infinity;
    this.#count();
    return this.#maxOpen - this.open.value;
  }

  /** Reserves a place for a connection, which the caller adds in this turn. */
  #reserve(): boolean {
    if (this.#maxOpen === 0) return true;
    this.#count();
    return this.open.tryAdd(this.#maxOpen);
  }

  #count(): void {
    if (this.#maxOpen === 0 && !this.open.shared) return;
    this.open.set(this.#active + this.#idle.size + this.#idle.dialling);
  }

  async #wait(signal: AbortSignal): Promise<Lease | undefined> {
    this.wanted.add();
    this.#onWait();
    try {
      return await this.#waiters.wait(signal, (reason) => new PoolBusyError(this.#name, reason));
    } finally {
      this.wanted.remove();
    }
  }

  /** Connections that other threads had may have ended: serves those that wait. */
  retry(): void {
    if (this.#waiters.size > 0) this.#freed();
  }

  /** Other threads wait for a connection at the bound: closes one that is idle. */
  yieldIdle(): void {
    const idle = this.#idle.take();
    if (idle !== undefined) this.#idle.lost(idle);
    else this.keeper?.dropOldest();
    this.#freed();
  }

  /**
   * Leases an idle connection if it has not ended: its end may be among the events of the current turn of the event loop,
   * so the rest of that turn is awaited. If it has ended, takes the next one or dials one, without queueing again.
   */
  async #reuse(youngest: IdleConnection, signal: AbortSignal): Promise<Lease> {
    this.#active++;
    for (let idle: IdleConnection | undefined = youngest; idle !== undefined; idle = this.#idle.take()) {
      const epoch = this.#epoch;
      this.#freed();
      await eventLoopTurn();
      if (this.#isUsable(idle) && !this.#closed && epoch === this.#epoch) {
        this.#idle.succeeded();
        const { ahead } = idle;
        const connection = new ReadAheadConnection(ahead);
        const lease = new Lease({ connection, ahead, epoch, onEnd: this.#onLeaseEnd });
        if (!signal.aborted) return lease;
        lease.discard();
        throw signal.reason;
      }
      this.#idle.lost(idle);
      if (this.#closed) {
        this.#active--;
        this.#count();
        throw new PoolClosedError(this.#name);
      }
    }
    return await this.#dialNow(signal);
  }

  /** Where requests follow one another, what a backend has sent unasked would be taken for the answer to the next one. */
  #isUsable({ ahead }: IdleConnection): boolean {
    return !ahead.ended && (ahead.filled === 0 || this.keeper === undefined);
  }

  /** Dials for a caller that is counted as active. */
  async #dialNow(signal: AbortSignal): Promise<Lease> {
    try {
      for (;;) {
        signal.throwIfAborted();
        const epoch = this.#epoch;
        const connection = await this.#dial(signal);
        if (epoch === this.#epoch) return this.#lease(connection);
        closeQuietly(connection);
      }
    } catch (error) {
      this.#active--;
      this.#freed();
      throw error;
    }
  }

  #lease(connection: Connection): Lease {
    return new Lease({ connection, epoch: this.#epoch, onEnd: this.#onLeaseEnd });
  }

  readonly #onLeaseEnd = ({ connection, ahead, epoch, covered }: Lease, end: LeaseEnd): void => {
    const how = end === "released" && epoch !== this.#epoch ? "discarded" : end;
    if (!(connection instanceof ReadAheadConnection)) return this.#giveBack(connection, how);
    // With unread bytes it can't be reused.
    const reusable = how === "released" && connection.passedOn;
    this.#giveBack(connection.bare, reusable || how === "closed" ? how : "discarded");
    if (how !== "closed" || covered) this.#idle.recycle(ahead!); // Else the tunnel has returned the buffer.
  };

  #giveBack(connection: Connection, how: LeaseEnd): void {
    const reusable = how === "released" && !this.#closed && this.#room >= 0;
    if (reusable && this.#waiters.size > 0) return void this.#waiters.serve(this.#lease(connection));
    this.#active--;
    const othersWait = this.wanted.value > this.wanted.own;
    if (reusable && !othersWait && this.#idle.keep(connection)) return;
    if (how !== "closed") closeQuietly(connection);
    this.#freed();
  }

  /** A place has become free: for waiting callers first, then for dialling ahead. */
  #freed(): void {
    while (this.#waiters.size > 0 && this.#reserve()) {
      this.#active++;
      if (!this.#waiters.serve(undefined)) this.#active--;
    }
    this.#count();
    this.#idle.fill();
  }
}
