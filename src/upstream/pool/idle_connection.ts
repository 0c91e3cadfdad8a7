import { type TimerWheel, WheelTimer } from "../../core/timer_wheel.ts";
import type { BufferPool } from "../../net/buffers.ts";
import { closeQuietly, type Connection } from "../../net/connection.ts";
import { ReadAhead } from "../../net/read_ahead.ts";

/** What an idle connection needs of its pool. */
export interface IdleConnectionOptions {
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
  /** How long it may stay idle; 0: no bound. */
  readonly idleTimeoutMs: number;
  /** Called once when its peer has ended or broken it, or its time is up. It is still to be closed. */
  readonly onUnusable: () => void;
}

/** A backend connection that waits in a pool, and is read from, so that its end is noticed. */
export class IdleConnection {
  readonly connection: Connection;
  readonly ahead: ReadAhead;
  /** Since when it has been idle, on the wheel's clock. */
  readonly sinceMs: number;
  readonly #options: IdleConnectionOptions;
  readonly #timer: WheelTimer;

  constructor(connection: Connection, options: IdleConnectionOptions) {
    this.connection = connection;
    this.sinceMs = options.wheel.now();
    this.#options = options;
    this.ahead = new ReadAhead(connection, {
      buffer: options.buffers.take(),
      onChange: () => {
        if (this.ahead.ended) options.onUnusable();
      },
    });
    this.#timer = new WheelTimer(() => {
      options.onUnusable();
      return 0;
    });
    if (options.idleTimeoutMs > 0) options.wheel.start(this.#timer, options.idleTimeoutMs);
  }

  /** It is to be used now: no timer ends it any more. */
  take(): void {
    this.#options.wheel.stop(this.#timer);
  }

  /** Closes it and gives its buffer back as soon as the read under way is over. */
  async close(): Promise<void> {
    this.take();
    this.ahead.detach();
    closeQuietly(this.connection);
    await this.ahead.pending;
    this.#options.buffers.give(this.ahead.buffer);
  }
}
