import { type Log, silentLog } from "../core/log.ts";
import { TimerWheel } from "../core/timer_wheel.ts";
import { BufferPool } from "../net/buffers.ts";
import { closeQuietly, type Connection } from "../net/connection.ts";
import { type ReadAhead, ReadAheadConnection } from "../net/read_ahead.ts";
import { DialAhead } from "./dial_ahead.ts";
import { PoolBusyError, PoolClosedError } from "./errors.ts";
import { IdleConnection } from "./idle_connection.ts";
import { Lease, type LeaseEnd } from "./lease.ts";
import type { PoolOptions } from "./options.ts";
import { eventLoopTurn } from "./turn.ts";
import { WaitingLine } from "./waiting_line.ts";

/** Options of {@linkcode ConnectionPool}. Bounds are for this one pool, which is a pool to one backend. */
export interface ConnectionPoolOptions extends Partial<PoolOptions> {
  /** Opens a connection; the signal gives up. The pool closes what it has dialled. */
  readonly dial: (signal: AbortSignal) => Promise<Connection>;
  /** Connections, idle and in use together; 0: no bound. @default {64} */
  readonly maxOpen?: number;
  /** How long a dial ahead may take, in milliseconds. @default {10_000} */
  readonly connectMs?: number;
  /** What log and errors call it. @default {"backend"} */
  readonly name?: string;
  /** Runs its timers. @default one of its own */
  readonly wheel?: TimerWheel;
  /** Lends what idle connections are read into. @default one of its own */
  readonly buffers?: BufferPool;
  /** Told of failures to dial ahead. @default {silentLog} */
  readonly log?: Log;
  /** Whether it begins at rest, see {@linkcode ConnectionPool.rest}. @default {false} */
  readonly resting?: boolean;
}

/** An idle connection that its peer ends sooner than this counts as a failure to dial. */
const SHORT_LIFE_MS = 1000;

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
  readonly #wheel: TimerWheel;
  readonly #buffers: BufferPool;
  #bounds: PoolOptions;
  /** The one that has waited least is last, and is used first: the others may grow old and go. */
  readonly #idle: IdleConnection[] = [];
  readonly #line = new WaitingLine();
  readonly #ahead: DialAhead;
  readonly #ending = new Set<Promise<void>>();
  #active = 0;
  /** How often the way in which connections are made has changed. */
  #epoch = 0;
  #resting: boolean;
  #closed = false;

  /** Begins to dial ahead, where `minIdle` asks for it. */
  constructor(options: ConnectionPoolOptions) {
    this.#dial = options.dial;
    this.#name = options.name ?? "backend";
    this.#wheel = options.wheel ?? new TimerWheel();
    this.#buffers = options.buffers ?? new BufferPool();
    this.#resting = options.resting ?? false;
    this.#bounds = {
      maxIdle: options.maxIdle ?? 8,
      minIdle: options.minIdle ?? 0,
      maxOpen: options.maxOpen ?? 64,
      idleTimeoutMs: options.idleTimeoutMs ?? 90_000,
    };
    this.#ahead = new DialAhead({
      dial: options.dial,
      wheel: this.#wheel,
      log: options.log ?? silentLog,
      name: this.#name,
      connectMs: options.connectMs ?? 10_000,
      wanted: () => this.#wantsMoreIdle(),
      onConnection: (connection) => {
        this.#active++;
        this.#giveBack(connection, "released");
      },
      onFailure: () => this.#serveWaiting(),
    });
    this.#ahead.fill();
  }

  /** A picture of this moment. */
  get stats(): PoolStats {
    return {
      idle: this.#idle.length,
      active: this.#active,
      waiting: this.#line.size,
      waits: this.#line.waits,
    };
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
    const straight = this.#idle.length === 0 && this.#line.size === 0 && this.#hasRoom() && !this.#closed;
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
    this.#bounds = bounds;
    while (this.#idle.length > 0 && (this.#idle.length > bounds.maxIdle || this.#overfull())) {
      this.#end(this.#idle.shift()!);
    }
    this.#freed();
  }

  /**
   * How connections are made has changed: the idle ones end, what is being dialled is dialled anew, and those in use
   * go on, but are not used again.
   */
  renew(): void {
    this.#epoch++;
    this.#ahead.renew();
    this.dropIdle();
  }

  /**
   * At rest nothing is dialled ahead, and no connection is kept idle, as nobody is to use any. Those who ask for one
   * nevertheless get it.
   */
  rest(resting: boolean): void {
    if (resting === this.#resting) return;
    this.#resting = resting;
    if (resting) this.dropIdle();
    else this.#ahead.fill();
  }

  /** Ends the idle connections, for new ones to be dialled in their place. */
  dropIdle(): void {
    for (const idle of this.#idle.splice(0)) this.#end(idle);
    this.#freed();
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
    const aheadClosed = this.#ahead.close(error);
    for (const idle of this.#idle.splice(0)) this.#end(idle);
    await aheadClosed;
    await Promise.all(this.#ending);
  }

  async #acquireInTurn(signal: AbortSignal): Promise<Lease> {
    signal.throwIfAborted();
    if (this.#closed) throw new PoolClosedError(this.#name);
    const idle = this.#line.size === 0 ? this.#idle.pop() : undefined;
    if (idle !== undefined) return await this.#reuse(idle, signal);
    if (this.#hasRoom()) this.#active++;
    else {
      const handedOver = await this.#wait(signal);
      if (handedOver !== undefined) return handedOver;
    }
    return await this.#dialNow(signal);
  }

  /** Connections that there are or will be. */
  get #open(): number {
    return this.#idle.length + this.#active + this.#ahead.size;
  }

  #hasRoom(): boolean {
    const { maxOpen } = this.#bounds;
    return maxOpen === 0 || this.#open < maxOpen;
  }

  /** Whether more is open than allowed, after the bound has become less. */
  #overfull(): boolean {
    const { maxOpen } = this.#bounds;
    return maxOpen > 0 && this.#open > maxOpen;
  }

  #wantsMoreIdle(): boolean {
    const { minIdle, maxIdle } = this.#bounds;
    return !this.#resting && this.#idle.length + this.#ahead.size < Math.min(minIdle, maxIdle) &&
      this.#hasRoom();
  }

  /**
   * Leases an idle connection, if it is still good: its end may be among the news of this very turn of the event
   * loop, so the rest of the turn is awaited. If it is not, the next one, or one dialled in its place: whoever
   * asked is not sent to the end of the line.
   */
  async #reuse(youngest: IdleConnection, signal: AbortSignal): Promise<Lease> {
    this.#active++;
    for (let idle: IdleConnection | undefined = youngest; idle !== undefined; idle = this.#idle.pop()) {
      const epoch = this.#epoch;
      idle.take();
      this.#freed();
      await eventLoopTurn();
      if (!idle.ahead.ended && !this.#closed && epoch === this.#epoch) {
        this.#ahead.succeeded();
        return this.#leaseIdle(idle, signal);
      }
      this.#lost(idle);
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

  #leaseIdle(idle: IdleConnection, signal: AbortSignal): Lease {
    const connection = new ReadAheadConnection(idle.ahead);
    const lease = new Lease({
      connection,
      ahead: idle.ahead,
      epoch: this.#epoch,
      onEnd: this.#onLeaseEnd,
    });
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
    if (how !== "closed" || covered) this.#track(this.#recycle(ahead!)); // A tunnel has done so.
  };

  /** Gives back the buffer of what was read ahead, as soon as nothing is read into it any more. */
  async #recycle(ahead: ReadAhead): Promise<void> {
    await ahead.pending;
    this.#buffers.give(ahead.buffer);
  }

  #giveBack(connection: Connection, how: LeaseEnd): void {
    const reusable = how === "released" && !this.#closed && !this.#overfull();
    if (reusable && this.#line.size > 0) return void this.#line.serve(this.#lease(connection));
    this.#active--;
    const kept = reusable && !this.#resting && this.#idle.length < this.#bounds.maxIdle;
    if (kept) return this.#addIdle(connection);
    if (how !== "closed") closeQuietly(connection);
    this.#freed();
  }

  #addIdle(connection: Connection): void {
    const idle: IdleConnection = new IdleConnection(connection, {
      wheel: this.#wheel,
      buffers: this.#buffers,
      idleTimeoutMs: this.#bounds.idleTimeoutMs,
      onUnusable: () => {
        const index = this.#idle.indexOf(idle);
        if (index < 0) return; // Taken already.
        this.#idle.splice(index, 1);
        this.#lost(idle);
        this.#freed();
      },
    });
    this.#idle.push(idle);
  }

  /** An idle connection has grown too old, or its peer has ended it. */
  #lost(idle: IdleConnection): void {
    this.#end(idle);
    // A backend that takes connections and ends them at once is no better than one that refuses them.
    const refused = idle.ahead.ended && this.#wheel.now() - idle.sinceMs < SHORT_LIFE_MS;
    if (refused) this.#ahead.failed();
    else this.#ahead.succeeded();
  }

  /** A place has become free: for those who wait first, then for connections dialled ahead. */
  #freed(): void {
    this.#serveWaiting();
    this.#ahead.fill();
  }

  #serveWaiting(): void {
    while (this.#hasRoom() && this.#line.serve(undefined)) this.#active++;
  }

  /** Waits its turn. What it is given counts as active already. */
  async #wait(signal: AbortSignal): Promise<Lease | undefined> {
    const handedOver = await this.#line.wait(signal, (reason) => new PoolBusyError(this.#name, reason));
    if (handedOver === undefined || !signal.aborted) return handedOver;
    handedOver.release();
    throw signal.reason;
  }

  #end(idle: IdleConnection): void {
    this.#track(idle.close());
  }

  #track(work: Promise<void>): void {
    this.#ending.add(work);
    work.finally(() => this.#ending.delete(work));
  }
}
