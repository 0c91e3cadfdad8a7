import type { Connection } from "../../net/connection.ts";
import type { ReadAhead } from "../../net/read_ahead.ts";
import { DialAhead } from "./dial_ahead.ts";
import { IdleConnection } from "./idle_connection.ts";
import type { PoolOptions } from "./options.ts";
import type { ConnectionPoolOptions } from "./options.ts";

/** What {@linkcode IdleConnections} need of their pool, besides its options. */
export interface IdleConnectionsOptions extends Required<Omit<ConnectionPoolOptions, "maxUses">> {
  /** How many more connections the pool may have; less than 0: so many are too many. */
  readonly room: () => number;
  /** Called with each connection that was dialled ahead, which it owns from then on. */
  readonly onConnection: (connection: Connection) => void;
  /** Called when a place in the pool has become free, which `fill` may take again. */
  readonly onFreed: () => void;
}

/** One that its peer ends sooner than this counts as a failure to dial. */
const SHORT_LIFE_MS = 1000;

/**
 * The connections of a pool that nobody uses: those that have come back, and those dialled ahead. Each leaves when it
 * is taken, has grown too old, or has been ended by its peer.
 */
export class IdleConnections {
  readonly #options: IdleConnectionsOptions;
  /** The one that has waited least is last, and is used first: the others may grow old and go. */
  readonly #kept: IdleConnection[] = [];
  readonly #ahead: DialAhead;
  readonly #ending = new Set<Promise<void>>();
  #bounds: PoolOptions;
  #resting: boolean;

  /** Dials nothing before the first call of `fill`. */
  constructor(options: IdleConnectionsOptions) {
    this.#options = options;
    this.#bounds = options;
    this.#resting = options.resting;
    this.#ahead = new DialAhead({
      ...options,
      wanted: () => this.#wantsMore(),
    });
  }

  /** How many there are. */
  get size(): number {
    return this.#kept.length;
  }

  /** How many more are being dialled ahead. */
  get dialling(): number {
    return this.#ahead.size;
  }

  /** Dials ahead what is wanted and there is room for, unless it has to wait after a failure. */
  fill(): void {
    this.#ahead.fill();
  }

  /** Takes in a connection that may be used again. Returns false, and leaves it alone, if no more are kept. */
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

  /** Gives away the one that has waited least. Whoever takes it says by `succeeded` or `lost` what it was worth. */
  take(): IdleConnection | undefined {
    const idle = this.#kept.pop();
    idle?.take();
    return idle;
  }

  /** One that was taken is of use: the next failure to dial ahead is the first one again. */
  succeeded(): void {
    this.#ahead.succeeded();
  }

  /** Ends one that has been taken or has left, and is of no use to anybody. */
  lost(idle: IdleConnection): void {
    this.#end(idle);
    // A backend that takes connections and ends them at once is no better than one that refuses them.
    const refused = idle.ahead.ended && this.#options.wheel.now() - idle.sinceMs < SHORT_LIFE_MS;
    if (refused) this.#ahead.failed();
    else this.#ahead.succeeded();
  }

  /** Gives back the buffer of what was read ahead, as soon as nothing is read into it any more. */
  recycle(ahead: ReadAhead): void {
    this.#track(this.#recycle(ahead));
  }

  /** Takes new bounds. The oldest of those beyond them end. */
  configure(bounds: PoolOptions): void {
    this.#bounds = bounds;
    const { room, onFreed } = this.#options;
    while (this.#kept.length > 0 && (this.#kept.length > bounds.maxIdle || room() < 0)) {
      this.#end(this.#kept.shift()!);
    }
    onFreed();
  }

  /** How connections are made has changed: all end, and what is being dialled is dialled anew. */
  renew(): void {
    this.#ahead.renew();
    this.drop();
  }

  /** At rest nothing is dialled ahead, and no connection is kept. */
  rest(resting: boolean): void {
    if (resting === this.#resting) return;
    this.#resting = resting;
    if (resting) this.drop();
    else this.fill();
  }

  /** Ends all, for new ones to be dialled in their place. */
  drop(): void {
    this.#endAll();
    this.#options.onFreed();
  }

  /** Ends all, and gives up what is being dialled. Resolves when nothing is under way. */
  async close(reason: Error): Promise<void> {
    const aheadClosed = this.#ahead.close(reason);
    this.#endAll();
    await aheadClosed;
    await Promise.all(this.#ending);
  }

  #wantsMore(): boolean {
    const { minIdle, maxIdle } = this.#bounds;
    const wanted = Math.min(minIdle, maxIdle);
    return !this.#resting && this.#kept.length + this.#ahead.size < wanted && this.#options.room() > 0;
  }

  /** One has grown too old, or its peer has ended it. */
  #onUnusable(idle: IdleConnection): void {
    const index = this.#kept.indexOf(idle);
    if (index < 0) return; // Taken already.
    this.#kept.splice(index, 1);
    this.lost(idle);
    this.#options.onFreed();
  }

  async #recycle(ahead: ReadAhead): Promise<void> {
    await ahead.pending;
    this.#options.buffers.give(ahead.buffer);
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
