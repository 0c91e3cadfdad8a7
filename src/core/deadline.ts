import { type TimerWheel, WheelTimer } from "./timer_wheel.ts";

/** Options of {@linkcode Deadline}. */
export interface DeadlineOptions {
  /** When it aborts, in milliseconds from now; 0: never by itself. */
  readonly timeoutMs: number;
  /** Makes what it aborts with. */
  readonly reason: () => Error;
  /** Called once on the way there, `SLOW_MS` after the start, if it comes to that. */
  readonly onSlow?: () => void;
}

/** What takes longer than this is slow: no sign of a fault yet, but no longer the usual case, in milliseconds. */
const SLOW_MS = 200;

/** An abort signal that fires by itself after a time, at the cost of a place on the wheel. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #wheel: TimerWheel;
  readonly #timer: WheelTimer;

  /** Starts now. */
  constructor(wheel: TimerWheel, options: DeadlineOptions) {
    const { timeoutMs, onSlow } = options;
    let slow = onSlow === undefined || (timeoutMs > 0 && timeoutMs <= SLOW_MS);
    this.#wheel = wheel;
    this.#timer = new WheelTimer((nowMs) => {
      if (!slow) {
        slow = true;
        onSlow!();
        return timeoutMs === 0 ? 0 : nowMs + timeoutMs - SLOW_MS;
      }
      this.#controller.abort(options.reason());
      return 0;
    });
    if (!slow) wheel.start(this.#timer, SLOW_MS);
    else if (timeoutMs > 0) wheel.start(this.#timer, timeoutMs);
  }

  /** Fires when the time is up, or at `abort`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborts now. */
  abort(reason: Error): void {
    this.#wheel.stop(this.#timer);
    this.#controller.abort(reason);
  }

  /** What it was for is done: it will not fire. */
  [Symbol.dispose](): void {
    this.#wheel.stop(this.#timer);
  }
}
