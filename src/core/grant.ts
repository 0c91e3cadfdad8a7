import { setImmediate, setTimeout } from "node:timers";

/**
 * Resolves when the event loop has dealt with all the news that it has fetched from the system. So what had arrived
 * when it fetched last (a client, say, and before it the end of an idle connection) is known. It does not fetch
 * more: only a timer makes it, and that takes two milliseconds.
 */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** How often the system is asked for news before a connection is refused for want of room. Each takes 1 or 2 ms. */
export const REFUSAL_POLLS = 10;

/** How many connections may wait so at once; further ones are refused at once. */
export const MAX_REFUSALS_PENDING = 64;

/**
 * Resolves when the event loop has asked the system for news once more: what had ended before a client came is known
 * then, although the client was seen first.
 */
export function eventLoopPoll(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
