import type { Culvert } from "./program.ts";
import { until } from "./wait.ts";

/** How many connections have ended with this reason, by the log: those with a line, and those that were counted. */
export function refusals(culvert: Culvert, reason: string): number {
  return culvert.found({ reason }).reduce((sum, { count = 1 }) => sum + Number(count), 0);
}

/** Resolves when as many connections have ended with this reason. */
export async function untilRefused(culvert: Culvert, reason: string, count: number): Promise<void> {
  await until(() => refusals(culvert, reason) >= count, {
    what: `${count} connections to end with ${reason}`,
    context: () => `${refusals(culvert, reason)} have ended so`,
  });
}
