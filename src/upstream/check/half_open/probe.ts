import { WheelTimer } from "../../../core/timer_wheel.ts";
import type { HalfOpenTarget } from "./target.ts";

/** What a {@linkcode HalfOpenProbe} was asked for. */
export interface HalfOpenProbeOptions {
  /** See `CheckAddressOptions`. */
  readonly zeroLinger: boolean;
  /** Its abort ends the probe. */
  readonly signal: AbortSignal | undefined;
  /** Called when its signal aborts. */
  readonly onAbort: (probe: HalfOpenProbe) => void;
  /** Called when its time is up. */
  readonly onTimeout: (probe: HalfOpenProbe) => void;
}

/** One check of one literal address, from the call to its end. */
export class HalfOpenProbe {
  readonly target: HalfOpenTarget;
  readonly zeroLinger: boolean;
  /** Settles with the probe. */
  readonly promise: Promise<void>;
  readonly timer: WheelTimer;
  /** Its socket, which the checker closes; -1: none. */
  fd = -1;
  /** Its place among those under way; -1: it waits for its turn, or is over. */
  slot = -1;
  /** It failed before anything was to be waited for. */
  error: Error | undefined;
  settled = false;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: (() => void) | undefined;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;

  /** Listens to its signal from now on, which must not have been aborted. Its timer is the caller's to start. */
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

  /** It is over, well if there is no `error`. */
  settle(error: unknown): void {
    this.settled = true;
    if (this.#onAbort !== undefined) this.#signal!.removeEventListener("abort", this.#onAbort);
    if (error === undefined) this.#resolve();
    else this.#reject(error);
  }
}
