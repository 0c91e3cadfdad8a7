const DEFAULT_INTERVAL_MS = 60_000;

/** Limits a log message to one per interval: a peer must not be able to fill the log. */
export class LogInterval {
  readonly #intervalMs: number;
  #lastMs = -Infinity;

  /** `intervalMs`: a minute unless given. */
  constructor(intervalMs: number = DEFAULT_INTERVAL_MS) {
    this.#intervalMs = intervalMs;
  }

  /** Whether the message may be logged now; if so, the next interval begins. `nowMs` is a time of one clock. */
  begin(nowMs: number): boolean {
    if (nowMs - this.#lastMs < this.#intervalMs) return false;
    this.#lastMs = nowMs;
    return true;
  }
}
