import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";

/** Options of {@linkcode DrainTimer}. */
export interface DrainTimerOptions {
  readonly wheel: TimerWheel;
  /** How long a drain may take, in milliseconds, as configured now. */
  readonly drainMs: () => number;
  /** The time is over. */
  readonly onExpired: () => void;
}

/** Bounds the drain of one session. Starts when it is made. */
export class DrainTimer {
  readonly #options: DrainTimerOptions;
  readonly #startedAtMs: number;
  readonly #timer: WheelTimer;

  constructor(options: DrainTimerOptions) {
    this.#options = options;
    this.#startedAtMs = options.wheel.now();
    this.#timer = new WheelTimer(() => {
      options.onExpired();
      return 0;
    });
    this.refresh();
  }

  /** Applies the time as it is configured now, which counts from the start of the drain. */
  refresh(): void {
    const { wheel, drainMs, onExpired } = this.#options;
    const leftMs = this.#startedAtMs + drainMs() - wheel.now();
    if (leftMs > 0) wheel.start(this.#timer, leftMs);
    else onExpired();
  }

  /** The session has ended. */
  stop(): void {
    this.#options.wheel.stop(this.#timer);
  }
}
