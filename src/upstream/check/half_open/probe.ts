import { WheelTimer } from "../../../core/timer_wheel.ts";
import type { HalfOpenTarget } from "./target.ts";

/** Options of a {@linkcode HalfOpenProbe}. */
export interface HalfOpenProbeOptions {
  /** See `CheckAddressOptions`. */
  readonly zeroLinger: boolean;
  /** Ends the probe. */
  readonly signal: AbortSignal | undefined;
  /** Called when the signal aborts. */
  readonly onAbort: (probe: HalfOpenProbe) => void;
  /** Called at the timeout. */
  readonly onTimeout: (probe: HalfOpenProbe) => void;
}

/** One check of one literal address. */
export class HalfOpenProbe {
  readonly target: HalfOpenTarget;
  readonly zeroLinger: boolean;
  /** Settles with the probe. */
  readonly promise: Promise<void>;
  readonly timer: WheelTimer;
  /** Its socket, which the engine closes; -1: none. */
  fd = -1;
  /** Its slot; -1: it waits for one, or has ended. */
  slot = -1;
  /** The error of a probe that has failed immediately. */
  error: Error | undefined;
  settled = false;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: (() => void) | undefined;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;

  /** The signal must not be aborted yet. The caller starts the timer. */
  constructor(target: HalfOpenTarget, options: HalfOpenProbeOptions) {
    const { zeroLinger, signal, onAbort, onTimeout } = options;
    this.target = target;
    this.zeroLinger = zeroLinger;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.timer = new WheelTimer(() => {
      onTimeout(this);
      return 0;
    });
    this.#signal = signal;
    if (signal === undefined) return;
    this.#onAbort = () => onAbort(this);
    signal.addEventListener("abort", this.#onAbort);
  }

  /** Ends it; `undefined`: without an error. */
  settle(error: unknown): void {
    this.settled = true;
    if (this.#onAbort !== undefined) this.#signal!.removeEventListener("abort", this.#onAbort);
    if (error === undefined) this.#resolve();
    else this.#reject(error);
  }
}
