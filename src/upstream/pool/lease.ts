import { closeQuietly, type Connection } from "../../net/connection.ts";
import type { ReadAhead } from "../../net/read_ahead.ts";

/** How a lease has ended: the connection can be reused, must be closed, or has been closed. */
export type LeaseEnd = "released" | "discarded" | "closed";

/** A connection on loan from a pool. Its holder ends it once, with `release`, `discard` or `closed`. */
export class Lease {
  /** The connection, as if just dialled. */
  readonly connection: Connection;
  /**
   * The bare connection with the bytes that it has received while idle, for a tunnel, which does not need `connection`.
   * Absent for a connection just dialled.
   */
  readonly ahead: ReadAhead | undefined;
  /** The epoch of its pool in which the connection was made or taken. */
  readonly epoch: number;
  /** Whether a protocol layer uses `connection`, see {@linkcode Lease.over}; no tunnel uses `ahead` then. */
  covered = false;
  readonly #onEnd: (lease: Lease, how: LeaseEnd) => void;
  #ended = false;

  /** `onEnd` is called once, when it ends. */
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

  /** Returns the connection for reuse. Only if no exchange is under way on it. */
  release(): void {
    this.#end("released");
  }

  /**
   * A lease of `connection`, a protocol layer on this one's, which it closes with itself. It replaces this lease, whose
   * connection can't be reused any more.
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

  /** The holder has closed the connection, as a tunnel does. */
  closed(): void {
    this.#end("closed");
  }

  #end(how: LeaseEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd(this, how);
  }
}
