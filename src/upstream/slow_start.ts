import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import type { Backend } from "./backend.ts";

/** The number of steps in which a weight grows. */
const STEPS = 20;

/** What a {@linkcode SlowStart} works with. */
export interface SlowStartParts {
  readonly wheel: TimerWheel;
  /** Weights have changed. */
  readonly onChange: () => void;
}

/**
 * Increases the share of new and recovered backends to their full weight, in twenty equal steps, the first of which takes
 * effect at once. One timer for all backends of an upstream.
 */
export class SlowStart {
  readonly #parts: SlowStartParts;
  readonly #timer: WheelTimer;
  /** The backends that grow, with their start time. */
  readonly #growing = new Map<Backend, number>();
  #durationMs: number;

  /** `durationMs` is the time until the full weight; 0: no slow start. */
  constructor(durationMs: number, parts: SlowStartParts) {
    this.#durationMs = durationMs;
    this.#parts = parts;
    this.#timer = new WheelTimer((nowMs) => {
      for (const [backend, beganMs] of this.#growing) {
        const grownMs = this.#durationMs === 0 ? Infinity : parts.wheel.now() - beganMs;
        const steps = Math.min(STEPS, Math.floor(grownMs / this.#durationMs * STEPS) + 1);
        backend.scale(steps / STEPS);
        if (steps === STEPS) this.#growing.delete(backend);
      }
      parts.onChange();
      return this.#growing.size === 0 ? 0 : nowMs + this.#durationMs / STEPS;
    });
  }

  /** Takes another duration, also for backends that grow already. */
  configure(durationMs: number): void {
    if (this.#durationMs === durationMs) return;
    this.#durationMs = durationMs;
    if (this.#growing.size > 0) this.#run();
  }

  /** Starts `backend` at the first step. The caller updates the balancers. */
  begin(backend: Backend): void {
    if (this.#durationMs === 0) return;
    this.#growing.set(backend, this.#parts.wheel.now());
    backend.scale(1 / STEPS);
    if (!this.#timer.running) this.#run();
  }

  /** Ends the slow start of a backend that was removed or is down. */
  forget(backend: Backend): void {
    if (!this.#growing.delete(backend)) return;
    backend.scale(1);
    if (this.#growing.size === 0) this.#parts.wheel.stop(this.#timer);
  }

  #run(): void {
    this.#parts.wheel.start(this.#timer, this.#durationMs / STEPS);
  }
}
