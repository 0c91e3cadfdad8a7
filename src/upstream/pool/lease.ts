import { closeQuietly, type Connection } from "../../net/connection.ts";
import type { ReadAhead } from "../../net/read_ahead.ts";

/** How a lease has ended: the connection may be used again, is to be closed, or has been closed. */
export type LeaseEnd = "released" | "discarded" | "closed";

/** A backend connection on loan from a pool. Whoever holds it ends it once, by one of its three methods. */
export class Lease {
  /** The connection, to be used as if it had just been dialled. */
  readonly connection: Connection;
  /**
   * The bare connection with what it has said while it was idle, for a tunnel, which can do without the detour
   * of `connection`. Absent for a connection just dialled.
   */
  readonly ahead: ReadAhead | undefined;
  /** In which of its pool's epochs its connection was made, or was known to be good. */
  readonly epoch: number;
  /** Whether something is spoken over `connection`, by {@linkcode Lease.over}; no tunnel takes `ahead` then. */
  covered = false;
  readonly #onEnd: (lease: Lease, how: LeaseEnd) => void;
  #ended = false;

  /** Made by a pool, which is told by `onEnd` how it ended. */
  constructor(options: {
    connection: Connection;
    ahead?: ReadAhead | undefined;
    epoch?: number;
    onEnd: (lease: Lease, how: LeaseEnd) => void;
  }) {
    this.connection = options.connection;
    this.ahead = options.ahead;
    this.epoch = options.epoch ?? 0;
    this.#onEnd = options.onEnd;
  }

  /** Gives the connection back for others to use. Only for one in a clean state: no exchange under way. */
  release(): void {
    this.#end("released");
  }

  /**
   * A lease of `connection`, which is spoken over this one's and closes that with itself. It takes the place of this
   * one, whose connection is of no use to anybody else any more.
   */
  over(connection: Connection): Lease {
    this.covered = true;
    const onEnd = (_lease: Lease, how: LeaseEnd) => {
      if (how !== "closed") closeQuietly(connection);
      this.closed();
    };
    return new Lease({ connection, epoch: this.epoch, onEnd });
  }

  /** Closes the connection. */
  discard(): void {
    this.#end("discarded");
  }

  /** The holder has closed the connection itself, as a tunnel does. */
  closed(): void {
    this.#end("closed");
  }

  #end(how: LeaseEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd(this, how);
  }
}
