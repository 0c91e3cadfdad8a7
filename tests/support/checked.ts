import { assertEquals } from "@std/assert";
import type { Culvert } from "./program.ts";
import { until } from "./wait.ts";

/** So often the lowest count must be seen. */
const TIMES = 10;

/**
 * How many descriptors a program has open that checks its backends, when no check is under way and no client is
 * connected: the fewest, looked at again and again. To be asked at the start, for {@linkcode finishChecked}.
 */
export async function restingDescriptors(culvert: Culvert): Promise<number> {
  let lowest = Infinity;
  let times = 0;
  await until(() => {
    const count = culvert.descriptors();
    if (count < lowest) [lowest, times] = [count, 0];
    if (count === lowest) times++;
    return times === TIMES;
  }, { what: "a moment without checks" });
  return lowest;
}

/** As `Culvert.finish`, for a program that checks its backends: its descriptors come and go with the checks. */
export async function finishChecked(
  culvert: Culvert,
  resting: number,
  errors: readonly string[] = [],
): Promise<void> {
  await until(() => culvert.descriptors() === resting, {
    what: `${resting} open descriptors`,
    context: () => `${culvert.descriptors()} are open\n${culvert.stderr.slice(-3000)}`,
  });
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
  assertEquals((await culvert.waitFor({ message: "draining" })).connections, 0);
  assertEquals(culvert.found({ level: "ERROR" }).map(({ message }) => message), [...errors]);
}
