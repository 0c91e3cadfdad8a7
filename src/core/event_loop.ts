import { setImmediate, setTimeout } from "node:timers";

/**
 * Resolves when the event loop has handled every event that it has fetched from the system. What arrived before that
 * fetch, such as the end of an idle connection, is known then. It fetches no more events: see
 * {@linkcode eventLoopPoll}.
 */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Resolves when the event loop has fetched events from the system once more, which only a timer makes it do. Takes 1 to
 * 2 ms.
 */
export function eventLoopPoll(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
