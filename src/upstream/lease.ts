import type { Connection } from "../net/connection.ts";
import type { ReadAhead } from "../net/read_ahead.ts";

/** A backend connection on loan from a pool. Whoever holds it ends it once: by `release` or by `discard`. */
export class Lease {
  /** The connection, to be used as if it had just been dialled. */
  readonly connection: Connection;
  /**
   * The bare connection with what it has said while it was idle, for a tunnel, which can do without the detour
   * of `connection`. Absent for a connection just dialled.
   */
  readonly ahead: ReadAhead | undefined;
  readonly #giveBack: (reusable: boolean) => void;
  #onEnd: (() => void) | undefined;
  #ended = false;

  /** Made by a pool, which is told by `giveBack` how it ended. */
  constructor(options: {
    connection: Connection;
    ahead?: ReadAhead | undefined;
    giveBack: (reusable: boolean) => void;
  }) {
    this.connection = options.connection;
    this.ahead = options.ahead;
    this.#giveBack = options.giveBack;
  }

  /** Sets what else is to be done when the lease ends, such as counting. */
  onEnd(callback: () => void): void {
    this.#onEnd = callback;
  }

  /** Gives the connection back for others to use. Only for one in a clean state: no exchange under way. */
  release(): void {
    this.#finish(true);
  }

  /** Closes the connection. What has carried a tunnel must end so. */
  discard(): void {
    this.#finish(false);
  }

  #finish(reusable: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#giveBack(reusable);
    this.#onEnd?.();
  }
}
