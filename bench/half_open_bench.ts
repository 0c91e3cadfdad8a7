// Half-open checks against loopback: how many a second, and for how long they hold up the event loop at most.
// `deno run -A bench/half_open_bench.ts` (or `deno bench`, which runs it the same way); Linux.
import { HalfOpenChecker } from "../src/upstream/check/half_open/checker.ts";

const CHECKS = 10_000;
const EVERY_MS = 10;

/** Counts how late an interval comes while `work` goes on. */
async function lateness(work: () => Promise<void>): Promise<number> {
  let worstMs = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    worstMs = Math.max(worstMs, now - last - EVERY_MS);
    last = now;
  }, EVERY_MS);
  await work();
  worstMs = Math.max(worstMs, performance.now() - last - EVERY_MS);
  clearInterval(timer);
  return worstMs;
}

using listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 4096 });
const address = { kind: "tcp", host: "127.0.0.1", port: listener.addr.port } as const;
await using checker = new HalfOpenChecker();
checker.start();

/** So many checks, each of `callers` making its next one when the last has ended. */
async function check(callers: number, checks: number): Promise<void> {
  let left = checks;
  await Promise.all(Array.from({ length: callers }, async () => {
    while (left-- > 0) await checker.checkAddress(address, 5_000);
  }));
}

await check(64, 2_000);
for (const callers of [1, 16, 64, 256, CHECKS]) {
  const start = performance.now();
  const worstMs = await lateness(() => check(callers, CHECKS));
  const perSecond = Math.round(CHECKS / (performance.now() - start) * 1_000);
  const late = `the event loop held up for ${worstMs.toFixed(1)} ms at most`;
  console.log(`${String(callers).padStart(5)} callers: ${String(perSecond).padStart(6)} checks/s, ${late}`);
}
