import { setImmediate } from "node:timers";

/**
 * Resolves when the event loop has dealt with all the news that it has fetched from the system. So what had arrived
 * when it fetched last (a client, say, and before it the end of an idle connection) is known. It does not fetch
 * more: only a timer makes it, and that takes two milliseconds.
 */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
