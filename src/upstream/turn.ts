import { setImmediate } from "node:timers";

/** Resolves after the event loop has looked at its sockets once more. */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
