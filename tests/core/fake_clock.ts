import type { Clock } from "../../src/core/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/**
 * A clock that stands still until a test moves it. It starts at 0.
 *
 * ```ts
 * const clock = new FakeClock();
 * clock.after(100, () => console.log("due"));
 * clock.advance(99); // nothing
 * clock.advance(1); // "due"
 * ```
 */
export class FakeClock implements Clock {
  #nowMs = 0;
  /** In the order in which they were set, which is how timers of the same due time fire. */
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** How many timers wait. Zero at the end of a test shows that nothing was left behind. */
  get pending(): number {
    return this.#timers.size;
  }

  /**
   * Moves the time on by `ms` and fires what comes due on the way, the earliest first, each at its own time;
   * also what these set in their turn. What a callback throws comes out here, with the time standing there.
   *
   * Nothing asynchronous happens in between: where a callback settles a promise, use
   * {@linkcode FakeClock.advanceAsync}.
   */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    while (this.#fireNext(untilMs));
    this.#nowMs = untilMs;
  }

  /** As {@linkcode FakeClock.advance}, but lets everything that is ready to run do so before, between and after. */
  async advanceAsync(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settle();
    while (this.#fireNext(untilMs)) await settle();
    this.#nowMs = untilMs;
  }

  #fireNext(untilMs: number): boolean {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= untilMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
    }
    if (next === undefined) return false;
    this.#timers.delete(next);
    this.#nowMs = next.dueMs;
    next.callback();
    return true;
  }
}

/** One turn of the event loop: all microtasks have run when it resolves. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
