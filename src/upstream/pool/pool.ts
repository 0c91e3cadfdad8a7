import { closeQuietly, type Connection } from "../../net/connection.ts";
import { ReadAheadConnection } from "../../net/read_ahead.ts";
import { PoolBusyError, PoolClosedError } from "./errors.ts";
import type { IdleConnection } from "./idle_connection.ts";
import { IdleConnections } from "./idle_connections.ts";
import { Lease, type LeaseEnd } from "./lease.ts";
import type { PoolOptions } from "./options.ts";
import { type ConnectionPoolOptions, withPoolDefaults } from "./options.ts";
import { eventLoopTurn } from "../../core/event_loop.ts";
import { WaitQueue } from "./wait_queue.ts";

/** What a pool is doing. */
export interface PoolStats {
  /** Connections that wait to be used. */
  readonly idle: number;
  /** Connections in use, or being dialled for somebody. */
  readonly active: number;
  /** Callers of `acquire` that wait at the bound now. */
  readonly waiting: number;
  /** How many have had to wait, since the start. */
  readonly waits: number;
}

/**
 * Connections to one backend: bounded, dialled ahead where asked for, and given out first come, first served.
 *
 * An idle connection is read from all the while: one that its peer has ended or broken leaves the pool at once,
 * and what a backend says first (a greeting) is kept for whoever gets the connection ({@linkcode Lease.ahead}).
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
  readonly #dial: (signal: AbortSignal) => Promise<Connection>;
  readonly #name: string;
  readonly #idle: IdleConnections;
  readonly #line = new WaitQueue();
  #maxOpen: number;
  #active = 0;
  /** How often the way in which connections are made has changed. */
  #epoch = 0;
  #closed = false;

  /** Begins to dial ahead, where `minIdle` asks for it. */
  constructor(options: ConnectionPoolOptions) {
    const complete = withPoolDefaults(options);
    this.#dial = complete.dial;
    this.#name = complete.name;
    this.#maxOpen = complete.maxOpen;
    this.#idle = new IdleConnections({
      ...complete,
      room: () => this.#room,
      onConnection: (connection) => {
        this.#active++;
        this.#giveBack(connection, "released");
      },
      onFreed: () => this.#freed(),
    });
    this.#idle.fill();
  }

  /** A picture of this moment. */
  get stats(): PoolStats {
    const { size: waiting, waits } = this.#line;
    return { idle: this.#idle.size, active: this.#active, waiting, waits };
  }

  /**
   * A connection: an idle one, or one dialled now, or, at the bound, the next that becomes free. Those who wait
   * are served in the order in which they came.
   *
   * @throws {PoolClosedError} when the pool is closed, or closes meanwhile.
   * @throws {PoolBusyError} when the signal fires while it waits at the bound.
   * @throws the signal's reason when that fires first otherwise, and the dialler's error when dialling fails.
   */
  acquire(options: { signal: AbortSignal }): Promise<Lease> {
    const { signal } = options;
    // The common case, without a detour: nothing idle, nobody waiting, room for one more.
    const straight = this.#idle.size === 0 && this.#line.size === 0 && this.#room > 0 && !this.#closed;
    if (!straight) return this.#acquireInTurn(signal);
    this.#active++;
    return this.#dialNow(signal);
  }

  /** Whether connections are still made as the one of this lease was. */
  isCurrent({ epoch }: Lease): boolean {
    return epoch === this.#epoch;
  }

  /** Takes new bounds. What is open beyond them ends as it becomes idle or is given back. */
  configure(bounds: PoolOptions): void {
    this.#maxOpen = bounds.maxOpen;
    this.#idle.configure(bounds);
  }

  /**
   * How connections are made has changed: the idle ones end, what is being dialled is dialled anew, and those in use
   * go on, but are not used again.
   */
  renew(): void {
    this.#epoch++;
    this.#idle.renew();
  }

  /**
   * At rest nothing is dialled ahead, and no connection is kept idle, as nobody is to use any. Those who ask for one
   * nevertheless get it.
   */
  rest(resting: boolean): void {
    this.#idle.rest(resting);
  }

  /** Ends the idle connections, for new ones to be dialled in their place. */
  dropIdle(): void {
    this.#idle.drop();
  }

  /**
   * Ends the idle connections, gives up what is being dialled ahead, and answers all who wait with
   * {@linkcode PoolClosedError}. Connections in use go on; they are closed as they come back. Resolves when
   * nothing of the pool's own is under way.
   */
  async close(): Promise<void> {
    this.#closed = true;
    const error = new PoolClosedError(this.#name);
    this.#line.dismiss(error);
    await this.#idle.close(error);
  }

  async #acquireInTurn(signal: AbortSignal): Promise<Lease> {
    signal.throwIfAborted();
    if (this.#closed) throw new PoolClosedError(this.#name);
    const idle = this.#line.size === 0 ? this.#idle.take() : undefined;
    if (idle !== undefined) return await this.#reuse(idle, signal);
    if (this.#room > 0) this.#active++;
    else {
      const handedOver = await this.#wait(signal);
      if (handedOver !== undefined) return handedOver;
    }
    return await this.#dialNow(signal);
  }

  /** How many more connections there may be; less than 0, after the bound has become less: so many are too many. */
  get #room(): number {
    if (this.#maxOpen === 0) return Infinity;
    return this.#maxOpen - this.#active - this.#idle.size - this.#idle.dialling;
  }

  /**
   * Leases an idle connection, if it is still good: its end may be among the news of this very turn of the event
   * loop, so the rest of the turn is awaited. If it is not, the next one, or one dialled in its place: whoever
   * asked is not sent to the end of the line.
   */
  async #reuse(youngest: IdleConnection, signal: AbortSignal): Promise<Lease> {
    this.#active++;
    for (let idle: IdleConnection | undefined = youngest; idle !== undefined; idle = this.#idle.take()) {
      const epoch = this.#epoch;
      this.#freed();
      await eventLoopTurn();
      if (!idle.ahead.ended && !this.#closed && epoch === this.#epoch) {
        this.#idle.succeeded();
        return this.#leaseIdle(idle, signal);
      }
      this.#idle.lost(idle);
      if (this.#closed) {
        this.#active--;
        throw new PoolClosedError(this.#name);
      }
    }
    return await this.#dialNow(signal);
  }

  /** Dials for a caller that counts as active already. */
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

  #leaseIdle({ ahead }: IdleConnection, signal: AbortSignal): Lease {
    const connection = new ReadAheadConnection(ahead);
    const lease = new Lease({ connection, ahead, epoch: this.#epoch, onEnd: this.#onLeaseEnd });
    if (!signal.aborted) return lease;
    lease.discard();
    throw signal.reason;
  }

  readonly #onLeaseEnd = ({ connection, ahead, epoch, covered }: Lease, end: LeaseEnd): void => {
    const how = end === "released" && epoch !== this.#epoch ? "discarded" : end;
    if (!(connection instanceof ReadAheadConnection)) return this.#giveBack(connection, how);
    // One that has not been read to the end of what was read ahead can't be handed on.
    const reusable = how === "released" && connection.passedOn;
    this.#giveBack(connection.bare, reusable || how === "closed" ? how : "discarded");
    if (how !== "closed" || covered) this.#idle.recycle(ahead!); // A tunnel has done so.
  };

  #giveBack(connection: Connection, how: LeaseEnd): void {
    const reusable = how === "released" && !this.#closed && this.#room >= 0;
    if (reusable && this.#line.size > 0) return void this.#line.serve(this.#lease(connection));
    this.#active--;
    if (reusable && this.#idle.keep(connection)) return;
    if (how !== "closed") closeQuietly(connection);
    this.#freed();
  }

  /** A place has become free: for those who wait first, then for connections dialled ahead. */
  #freed(): void {
    while (this.#room > 0 && this.#line.serve(undefined)) this.#active++;
    this.#idle.fill();
  }

  /** Waits its turn. What it is given counts as active already. */
  async #wait(signal: AbortSignal): Promise<Lease | undefined> {
    const handedOver = await this.#line.wait(signal, (reason) => new PoolBusyError(this.#name, reason));
    if (handedOver === undefined || !signal.aborted) return handedOver;
    handedOver.release();
    throw signal.reason;
  }
}
