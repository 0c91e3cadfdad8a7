import { eventLoopPoll } from "../core/event_loop.ts";

/** Each poll takes 1 or 2 ms. */
const POLLS = 10;
const MAX_PENDING = 64;

/**
 * Delays refusals for lack of room by some 20 ms. Meanwhile connections end whose end the system knows of already, such
 * as the last one of a client that opens another at once.
 */
export class RefusalDelay {
  #pending = 0;

  /** How many wait now. */
  get pending(): number {
    return this.#pending;
  }

  /** Polls the event loop until `isOver`, within the delay. Returns at once if 64 wait already. */
  async wait(isOver: () => boolean): Promise<void> {
    if (this.#pending >= MAX_PENDING) return;
    this.#pending++;
    for (let polls = 0; polls < POLLS; polls++) {
      await eventLoopPoll();
      if (isOver()) break;
    }
    this.#pending--;
  }
}
