/** Options of {@linkcode Backoff}. */
export interface BackoffOptions {
  /** The first delay, in milliseconds. */
  readonly minMs: number;
  /** The longest delay, in milliseconds. */
  readonly maxMs: number;
  /** Uniform in [0, 1). @default {Math.random} */
  readonly random?: () => number;
}

/**
 * Delays that double from `minMs` to `maxMs`, each with "equal jitter": between half of it and all of it, so that
 * many that failed together don't come back together.
 *
 * Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #nextMs: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#nextMs = options.minMs;
  }

  /** The delay before the next try, in milliseconds. */
  next(): number {
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(delayMs * 2, this.#options.maxMs);
    return delayMs / 2 + (this.#options.random ?? Math.random)() * delayMs / 2;
  }

  /** Starts again from `minMs`, after a success. */
  reset(): void {
    this.#nextMs = this.#options.minMs;
  }
}
