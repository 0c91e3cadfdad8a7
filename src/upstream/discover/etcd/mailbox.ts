/**
 * Holds the latest of something for one who waits for it: what came before and was not taken is passed over. After
 * a failure nothing more is put in.
 */
export class Mailbox<T> {
  #latest: { readonly value: T } | undefined;
  #failure: { readonly error: unknown } | undefined;
  #waiting: (() => void) | undefined;

  /** Puts the latest in. */
  put(value: T): void {
    this.#latest = { value };
    this.#wake();
  }

  /** There will be nothing more: `take` throws `error` once it has handed out what is there. The first counts. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  /** Resolves to the latest as soon as there is one that was not taken yet. For one at a time. */
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
