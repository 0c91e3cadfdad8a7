import { onAbort } from "../../core/wait.ts";
import type { Lease } from "./lease.ts";

/** What one who waits is given: a connection that has come back, or (`undefined`) a place to dial one. */
export type Turn = Lease | undefined;

/** Those who wait at a pool's bound, first come, first served. */
export class WaitingLine {
  readonly #line = new Set<PromiseWithResolvers<Turn>>();
  #waits = 0;

  /** How many wait now. */
  get size(): number {
    return this.#line.size;
  }

  /** How many have had to wait, since the start. */
  get waits(): number {
    return this.#waits;
  }

  /**
   * Waits for a turn. Rejects with what `busy` makes of the signal's reason if that fires first; once a turn has
   * been given it is too late for that, and the signal is for the caller to look at.
   */
  async wait(signal: AbortSignal, busy: (reason: unknown) => Error): Promise<Turn> {
    this.#waits++;
    const waiter = Promise.withResolvers<Turn>();
    this.#line.add(waiter);
    using _abort = onAbort(signal, () => {
      if (this.#line.delete(waiter)) waiter.reject(busy(signal.reason));
    });
    return await waiter.promise;
  }

  /** Gives the first in line its turn. Returns whether there was anybody. */
  serve(turn: Turn): boolean {
    for (const waiter of this.#line) {
      this.#line.delete(waiter);
      waiter.resolve(turn);
      return true;
    }
    return false;
  }

  /** Sends everybody away. */
  dismiss(error: Error): void {
    for (const waiter of this.#line) waiter.reject(error);
    this.#line.clear();
  }
}
