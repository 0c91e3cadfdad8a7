import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import type { BufferPool } from "../net/buffers.ts";
import type { Connection } from "../net/connection.ts";
import type { Backend } from "../upstream/backend.ts";
import type { ConnectionKeeper } from "../upstream/pool/keeper.ts";
import type { Lease } from "../upstream/pool/lease.ts";
import { DEFAULT_MAX_USES } from "../upstream/pool/options.ts";
import type { ConnectionPool } from "../upstream/pool/pool.ts";
import { HeadWriter } from "../http/head_writer.ts";
import { Source } from "./source.ts";

/**
 * How long connections beyond `pool.maxIdle` are kept: under load the number of idle ones goes up and down within
 * milliseconds, and a connection that is closed now would have to be opened again at once.
 */
const SURPLUS_MS = 250;

/** Room for what is added to the head of an answer: Date and Connection. */
const HEADROOM = 64;

/** A connection to a backend on which requests follow one another. Its owner keeps it or discards it, once. */
export class BackendConnection {
  /** Its answers. */
  readonly source: Source;
  /** The head of the request under way, as it was sent. */
  readonly head: HeadWriter = new HeadWriter();
  /** Requests that it has carried, the one under way included. */
  uses = 1;
  /** Since when it has been idle, to the wheel's tick. */
  idleSinceMs = 0;
  readonly lease: Lease;
  /** What happens when something comes while it is idle; absent before it has been. */
  onSpoiled: (() => void) | undefined;

  /** Owns the lease. */
  constructor(lease: Lease, buffers: BufferPool) {
    this.lease = lease;
    this.source = new Source(lease.connection, { buffers, headroom: HEADROOM });
  }

  /** Where requests go. */
  get connection(): Connection {
    return this.lease.connection;
  }

  /** Whether it has carried a request before this one: then the backend may have ended it meanwhile. */
  get isReused(): boolean {
    return this.uses > 1;
  }

  /** Closes it. */
  discard(): void {
    this.source.release();
    this.lease.discard();
  }

  /** Passes its lease to the caller, which ends it. */
  detach(): Lease {
    this.source.release();
    return this.lease;
  }
}

/** What {@linkcode KeptConnections} work with. */
export interface KeptConnectionsOptions {
  readonly pool: ConnectionPool;
  readonly wheel: TimerWheel;
}

/**
 * The connections to one backend that wait for the next request. The one that was used last is used first, so that the
 * others may grow old and go.
 *
 * Each is read from all the while: one on which anything comes, be it bytes or an end, is closed at once. What came is
 * no answer to any request, and is not believed.
 */
export class KeptConnections implements ConnectionKeeper {
  readonly #pool: ConnectionPool;
  readonly #wheel: TimerWheel;
  /** Those idle longest come first. */
  readonly #idle: BackendConnection[] = [];
  readonly #timer: WheelTimer;

  /** Registers itself with the pool. */
  constructor({ pool, wheel }: KeptConnectionsOptions) {
    this.#pool = pool;
    this.#wheel = wheel;
    this.#timer = new WheelTimer((nowMs) => this.#onTimer(nowMs));
    pool.keeper = this;
  }

  /** Those of a backend. */
  static of({ pool }: Backend, wheel: TimerWheel): KeptConnections {
    return pool.keeper instanceof KeptConnections ? pool.keeper : new KeptConnections({ pool, wheel });
  }

  get size(): number {
    return this.#idle.length;
  }

  /** The one used last, for the next request; `undefined`: there is none. */
  take(): BackendConnection | undefined {
    const connection = this.#idle.pop();
    if (connection === undefined) return undefined;
    connection.source.onRead = undefined;
    connection.uses++;
    return connection;
  }

  /** Keeps a connection whose last answer has been read to its end; or closes it, where it can't be used again. */
  keep(connection: BackendConnection): void {
    const { source, lease } = connection;
    const pool = this.#pool;
    const isClean = source.input.length === 0 && source.pending === undefined && !source.ended;
    const { maxIdle, maxUses = DEFAULT_MAX_USES } = pool.bounds;
    const isWorn = maxUses > 0 && connection.uses >= maxUses;
    const isWanted = maxIdle > 0 && !isWorn && !pool.resting && pool.isCurrent(lease);
    // Waiting requests dial a new connection instead.
    if (!isClean || !isWanted || pool.contended) return connection.discard();
    connection.idleSinceMs = this.#wheel.nowMs;
    source.onRead = connection.onSpoiled ??= () => this.#spoiled(connection);
    this.#idle.push(connection);
    void source.fill();
    if (this.#idle.length === maxIdle + 1) this.#wheel.start(this.#timer, SURPLUS_MS);
    else if (!this.#timer.running) this.#wheel.start(this.#timer, pool.bounds.idleTimeoutMs || SURPLUS_MS);
  }

  drop(): void {
    for (const connection of this.#idle.splice(0)) connection.discard();
    this.#wheel.stop(this.#timer);
  }

  dropOldest(): void {
    this.#idle.shift()?.discard();
  }

  /** Something has come on an idle connection. */
  #spoiled(connection: BackendConnection): void {
    const index = this.#idle.lastIndexOf(connection);
    if (index < 0) return;
    this.#idle.splice(index, 1);
    connection.discard();
  }

  /** Closes those that have been idle too long. Returns when to look again; 0: not before one is kept again. */
  #onTimer(nowMs: number): number {
    const { maxIdle, idleTimeoutMs } = this.#pool.bounds;
    let oldest: BackendConnection | undefined;
    while ((oldest = this.#idle[0]) !== undefined) {
      const limitMs = this.#idle.length > maxIdle ? SURPLUS_MS : idleTimeoutMs || Infinity;
      const dueMs = oldest.idleSinceMs + limitMs;
      if (dueMs > nowMs) return dueMs === Infinity ? 0 : dueMs;
      this.#idle.shift();
      oldest.discard();
    }
    return 0;
  }
}
