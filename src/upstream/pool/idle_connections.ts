import type { Connection } from "../../net/connection.ts";
import type { ReadAhead } from "../../net/read_ahead.ts";
import { DialAhead } from "./dial_ahead.ts";
import { IdleConnection } from "./idle_connection.ts";
import type { PoolOptions } from "./options.ts";
import type { ConnectionPoolOptions } from "./options.ts";

/** What {@linkcode IdleConnections} need of their pool, besides its options. */
export interface IdleConnectionsOptions extends Required<ConnectionPoolOptions> {
  /** How many more connections the pool may have; negative: it has too many. */
  readonly room: () => number;
  /** Reserves a place in the pool for a connection that is dialled in this turn; false: there is none. */
  readonly reserve: () => boolean;
  /** Gets each connection that was dialled ahead, and owns it. */
  readonly onConnection: (connection: Connection) => void;
  /** A place in the pool has become free. */
  readonly onFreed: () => void;
}

/** A connection that its peer ends sooner than this counts as a failed dial. */
const SHORT_LIFE_MS = 1000;

/**
 * The idle connections of a pool: released ones, and those that were dialled ahead. Each leaves when it is taken, has been
 * idle too long, or is ended by its peer.
 */
export class IdleConnections {
  readonly #options: IdleConnectionsOptions;
  /** The most recently used one is last, and is taken first, so that others can reach their idle timeout. */
  readonly #kept: IdleConnection[] = [];
  readonly #ahead: DialAhead;
  readonly #ending = new Set<Promise<void>>();
  #bounds: PoolOptions;
  #resting: boolean;

  /** Dials nothing before `fill`. */
  constructor(options: IdleConnectionsOptions) {
    this.#options = options;
    this.#bounds = options;
    this.#resting = options.resting;
    this.#ahead = new DialAhead({
      ...options,
      wanted: () => {
        const { minIdle, maxIdle } = this.#bounds;
        const isEnough = this.#kept.length + this.#ahead.size >= Math.min(minIdle, maxIdle);
        return !this.#resting && !isEnough && options.reserve();
      },
    });
  }

  /** The number of idle connections. */
  get size(): number {
    return this.#kept.length;
  }

  /** The bounds that hold now. */
  get bounds(): PoolOptions {
    return this.#bounds;
  }

  /** Whether no connection is kept. */
  get resting(): boolean {
    return this.#resting;
  }

  /** The number of connections that are being dialled ahead. */
  get dialling(): number {
    return this.#ahead.size;
  }

  /** Dials ahead up to `minIdle`, if there is room, unless it backs off after a failure. */
  fill(): void {
    this.#ahead.fill();
  }

  /** Keeps a reusable connection. Returns false if no more are kept; the caller closes it then. */
  keep(connection: Connection): boolean {
    if (this.#resting || this.#kept.length >= this.#bounds.maxIdle) return false;
    const { wheel, buffers } = this.#options;
    const idle: IdleConnection = new IdleConnection(connection, {
      wheel,
      buffers,
      idleTimeoutMs: this.#bounds.idleTimeoutMs,
      onUnusable: () => this.#onUnusable(idle),
    });
    this.#kept.push(idle);
    return true;
  }

  /** Takes the most recently used one. The caller calls `succeeded` or `lost`. */
  take(): IdleConnection | undefined {
    const idle = this.#kept.pop();
    idle?.take();
    return idle;
  }

  /** A connection that was taken is usable: resets the backoff. */
  succeeded(): void {
    this.#ahead.succeeded();
  }

  /** Closes a connection that was taken and is not usable. */
  lost(idle: IdleConnection): void {
    this.#end(idle);
    // A backend that accepts connections and ends them at once is treated like one that refuses them.
    const refused = idle.ahead.ended && this.#options.wheel.now() - idle.sinceMs < SHORT_LIFE_MS;
    if (refused) this.#ahead.failed();
    else this.#ahead.succeeded();
  }

  /** Returns the buffer of a read-ahead when its read under way has ended. */
  recycle(ahead: ReadAhead): void {
    const { buffers } = this.#options;
    this.#track((async () => {
      await ahead.pending;
      buffers.give(ahead.buffer);
    })());
  }

  /** Takes new limits. Closes the oldest connections that exceed them. */
  configure(bounds: PoolOptions): void {
    this.#bounds = bounds;
    const { room, onFreed } = this.#options;
    while (this.#kept.length > 0 && (this.#kept.length > bounds.maxIdle || room() < 0)) {
      this.#end(this.#kept.shift()!);
    }
    onFreed();
  }

  /** Connections are made in another way now: closes all, and dials those under way again. */
  renew(): void {
    this.#ahead.renew();
    this.drop();
  }

  /** While resting, no connection is kept or dialled ahead. */
  rest(resting: boolean): void {
    if (resting === this.#resting) return;
    this.#resting = resting;
    if (resting) this.drop();
    else this.fill();
  }

  /** Closes all; `minIdle` new ones are dialled. */
  drop(): void {
    this.#endAll();
    this.#options.onFreed();
  }

  /** Closes all, and aborts dials under way. Resolves when these have ended. */
  async close(reason: Error): Promise<void> {
    const aheadClosed = this.#ahead.close(reason);
    this.#endAll();
    await aheadClosed;
    await Promise.all(this.#ending);
  }

  /** A connection has been idle too long, or its peer has ended it. */
  #onUnusable(idle: IdleConnection): void {
    const index = this.#kept.indexOf(idle);
    if (index < 0) return; // Taken already.
    this.#kept.splice(index, 1);
    this.lost(idle);
    this.#options.onFreed();
  }

  #endAll(): void {
    for (const idle of this.#kept.splice(0)) this.#end(idle);
  }

  #end(idle: IdleConnection): void {
    this.#track(idle.close());
  }

  #track(work: Promise<void>): void {
    this.#ending.add(work);
    work.finally(() => this.#ending.delete(work));
  }
}
