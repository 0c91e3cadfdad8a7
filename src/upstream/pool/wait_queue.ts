import { onAbort } from "../../core/wait.ts";
import type { Lease } from "./lease.ts";

/** What a waiting caller is given: a connection that was released, or (`undefined`) the right to dial one. */
export type Grant = Lease | undefined;

/** The callers that wait at a pool's limit, first come, first served. */
export class WaitQueue {
  readonly #waiters = new Set<PromiseWithResolvers<Grant>>();
  #waits = 0;

  /** How many wait now. */
  get size(): number {
    return this.#waiters.size;
  }

  /** How many have had to wait since the start. */
  get waits(): number {
    return this.#waits;
  }

  /**
   * Waits for a grant. Rejects with what `busy` makes of the signal's reason if that aborts first. After the grant the
   * caller has to look at the signal.
   */
  async wait(signal: AbortSignal, busy: (reason: unknown) => Error): Promise<Grant> {
    this.#waits++;
    const waiter = Promise.withResolvers<Grant>();
    this.#waiters.add(waiter);
    using _abort = onAbort(signal, () => {
      if (this.#waiters.delete(waiter)) waiter.reject(busy(signal.reason));
    });
    return await waiter.promise;
  }

  /** Gives the first waiter its grant. Returns whether there was one. */
  serve(grant: Grant): boolean {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      waiter.resolve(grant);
      return true;
    }
    return false;
  }

  /** Rejects all waiters. */
  dismiss(error: Error): void {
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }
}
