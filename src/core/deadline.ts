import { type TimerWheel, WheelTimer } from "./timer_wheel.ts";

/** An abort signal that fires by itself after a time, at the cost of a place on the wheel. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #wheel: TimerWheel;
  readonly #timer: WheelTimer;

  /** Aborts in `timeoutMs` with what `reason` makes; never by itself if `timeoutMs` is 0. */
  constructor(wheel: TimerWheel, options: { timeoutMs: number; reason: () => Error }) {
    this.#wheel = wheel;
    this.#timer = new WheelTimer(() => {
      this.#controller.abort(options.reason());
      return 0;
    });
    if (options.timeoutMs > 0) wheel.start(this.#timer, options.timeoutMs);
  }

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
