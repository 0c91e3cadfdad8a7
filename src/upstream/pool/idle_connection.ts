import { type TimerWheel, WheelTimer } from "../../core/timer_wheel.ts";
import type { BufferPool } from "../../net/buffers.ts";
import { closeQuietly, type Connection } from "../../net/connection.ts";
import { ReadAhead } from "../../net/read_ahead.ts";

/** Options of {@linkcode IdleConnection}. */
export interface IdleConnectionOptions {
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
  /** How long it may stay idle, in milliseconds; 0: no limit. */
  readonly idleTimeoutMs: number;
  /** Called once when its peer has ended or broken it, or it has been idle too long. The caller closes it. */
  readonly onUnusable: () => void;
}

/** An idle backend connection in a pool. It is read from, so that its end is noticed. */
export class IdleConnection {
  readonly connection: Connection;
  readonly ahead: ReadAhead;
  /** When it became idle, in milliseconds on the timer wheel. */
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

  /** It is used now: stops the idle timer. */
  take(): void {
    this.#options.wheel.stop(this.#timer);
  }

  /** Closes it, and returns its buffer when the read under way has ended. */
  async close(): Promise<void> {
    this.take();
    this.ahead.detach();
    closeQuietly(this.connection);
    await this.ahead.pending;
    this.#options.buffers.give(this.ahead.buffer);
  }
}
