import { setImmediate } from "node:timers";

/**
 * Resolves when the event loop has dealt with all the news that it has fetched from the system. It does not make
 * it fetch more: only a timer does, and that takes a millisecond or two.
 */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
