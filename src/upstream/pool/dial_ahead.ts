import { Backoff } from "../../core/backoff.ts";
import { Deadline } from "../../core/deadline.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { type TimerWheel, WheelTimer } from "../../core/timer_wheel.ts";
import { closeQuietly, type Connection } from "../../net/connection.ts";
import { ConnectTimeoutError } from "./errors.ts";

/** What a {@linkcode DialAhead} works with. */
export interface DialAheadOptions {
  readonly dial: (signal: AbortSignal) => Promise<Connection>;
  readonly wheel: TimerWheel;
  readonly log: Log;
  /** The name of the backend in log and errors. */
  readonly name: string;
  /** How long a dial may take, in milliseconds. */
  readonly connectMs: number;
  /** Whether another connection should be dialled now, besides those under way. */
  readonly wanted: () => boolean;
  /** Gets each connection, and owns it. */
  readonly onConnection: (connection: Connection) => void;
  /** A dial has failed, so that its place in the pool is free. */
  readonly onFreed: () => void;
}

/** Dials the connections that a pool keeps ready (`minIdle`); backs off after failures. */
export class DialAhead {
  readonly #options: DialAheadOptions;
  readonly #underWay = new Map<Deadline, Promise<void>>();
  readonly #backoff = new Backoff({ minMs: 200, maxMs: 10_000 });
  readonly #retry = new WheelTimer(() => {
    this.fill();
    return 0;
  });
  #epoch = 0;
  #closed = false;

  constructor(options: DialAheadOptions) {
    this.#options = options;
  }

  /** The number of dials under way. */
  get size(): number {
    return this.#underWay.size;
  }

  /** Dials the connections that are wanted, unless it backs off. */
  fill(): void {
    while (!this.#closed && !this.#retry.running && this.#options.wanted()) {
      const { wheel, name, connectMs } = this.#options;
      const reason = () => new ConnectTimeoutError(name, connectMs);
      const deadline = new Deadline(wheel, { timeoutMs: connectMs, reason });
      this.#underWay.set(deadline, this.#dialOne(deadline));
    }
  }

  /** Discards the dials under way: connections are made in another way now. */
  renew(): void {
    this.#epoch++;
  }

  /** A connection was usable: resets the backoff. */
  succeeded(): void {
    this.#backoff.reset();
  }

  /** A dial has failed, or its connection was not usable. Failures during the backoff count as one. */
  failed(): void {
    if (!this.#closed && !this.#retry.running) this.#options.wheel.start(this.#retry, this.#backoff.next());
  }

  /** Aborts the dials under way. Resolves when they have ended. */
  async close(reason: Error): Promise<void> {
    this.#closed = true;
    this.#options.wheel.stop(this.#retry);
    const ends = [...this.#underWay.values()];
    for (const deadline of this.#underWay.keys()) deadline.abort(reason);
    await Promise.all(ends);
  }

  async #dialOne(deadline: Deadline): Promise<void> {
    const { dial, name, log, onConnection, onFreed } = this.#options;
    const epoch = this.#epoch;
    try {
      const connection = await (async () => await dial(deadline.signal))(); // It may also throw synchronously.
      this.#over(deadline);
      if (epoch === this.#epoch) return onConnection(connection);
      closeQuietly(connection);
      onFreed();
    } catch (error) {
      this.#over(deadline);
      if (this.#closed) return;
      log.debug("cannot dial ahead", { backend: name, error: describeError(error) });
      this.failed();
      onFreed();
    }
  }

  #over(deadline: Deadline): void {
    deadline[Symbol.dispose]();
    this.#underWay.delete(deadline);
  }
}
