import { Backoff } from "../../core/backoff.ts";
import { Deadline } from "../../core/deadline.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { type TimerWheel, WheelTimer } from "../../core/timer_wheel.ts";
import { closeQuietly, type Connection } from "../../net/connection.ts";
import { ConnectTimeoutError } from "./errors.ts";

/** What a {@linkcode DialAhead} needs of its pool. */
export interface DialAheadOptions {
  readonly dial: (signal: AbortSignal) => Promise<Connection>;
  readonly wheel: TimerWheel;
  readonly log: Log;
  /** What log and errors call the backend. */
  readonly name: string;
  /** How long a dial may take, in milliseconds. */
  readonly connectMs: number;
  /** Whether one more should be dialled now, besides those under way. */
  readonly wanted: () => boolean;
  /** Called with each connection, which it owns from then on. */
  readonly onConnection: (connection: Connection) => void;
  /** Called when a dial has brought nothing, so that its place is free: to be filled again, when that may be. */
  readonly onFreed: () => void;
}

/** Dials what a pool keeps ready for clients to come; after a failure it waits, longer each time. */
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

  /** How many are being dialled now. */
  get size(): number {
    return this.#underWay.size;
  }

  /** Dials what is wanted, unless it has to wait after a failure. */
  fill(): void {
    while (!this.#closed && !this.#retry.running && this.#options.wanted()) {
      const { wheel, name, connectMs } = this.#options;
      const reason = () => new ConnectTimeoutError(name, connectMs);
      const deadline = new Deadline(wheel, { timeoutMs: connectMs, reason });
      this.#underWay.set(deadline, this.#dialOne(deadline));
    }
  }

  /** What is under way is of no use any more: how connections are made has changed. */
  renew(): void {
    this.#epoch++;
  }

  /** A connection has been of use: the next failure is the first one again. */
  succeeded(): void {
    this.#backoff.reset();
  }

  /** A dial has failed, or what it brought was of no use. Several failures together count as one. */
  failed(): void {
    if (!this.#closed && !this.#retry.running) this.#options.wheel.start(this.#retry, this.#backoff.next());
  }

  /** Gives up what is under way. Resolves when nothing is. */
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
      const connection = await (async () => await dial(deadline.signal))(); // It may throw at once, too.
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
