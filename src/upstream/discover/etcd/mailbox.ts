/**
 * Holds the latest value for one reader; a value that is not taken in time is replaced. After a failure no value is
 * accepted.
 */
export class Mailbox<T> {
  #latest: { readonly value: T } | undefined;
  #failure: { readonly error: unknown } | undefined;
  #waiting: (() => void) | undefined;

  /** Sets the latest value. */
  put(value: T): void {
    this.#latest = { value };
    this.#wake();
  }

  /** Makes `take` throw `error`, once the last value has been taken. The first call counts. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  /** Waits for a value that has not been taken. One call at a time. */
  async take(): Promise<T> {
    for (;;) {
      const latest = this.#latest;
      this.#latest = undefined;
      if (latest !== undefined) return latest.value;
      if (this.#failure !== undefined) throw this.#failure.error;
      await new Promise<void>((resolve) => this.#waiting = resolve);
    }
  }

  #wake(): void {
    this.#waiting?.();
    this.#waiting = undefined;
  }
}
