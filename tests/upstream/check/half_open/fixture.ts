import { TimerWheel } from "../../../../src/core/timer_wheel.ts";
import { type Address, parseAddress } from "../../../../src/net/address.ts";
import {
  HalfOpenChecker,
  type HalfOpenCheckerOptions,
} from "../../../../src/upstream/check/half_open/checker.ts";
import { libcPaths } from "../../../../src/upstream/check/half_open/libc_paths.ts";
import { FakeClock } from "../../../core/fake_clock.ts";
import { findProgram } from "../../../support/installed.ts";

/** Where a program that is handed to `deno run -` finds the sources. */
export const CHECK = new URL("../../../../src/upstream/check/", import.meta.url).href;
/** Longer than any check takes that ends by itself. */
export const LONG_MS = 30_000;

/**
 * A test that makes half-open checks, and needs these programs. Where it can't be run it is skipped, and its name says
 * why.
 */
export function halfOpenTest(
  name: string,
  fn: () => Promise<void>,
  needs: { programs?: readonly string[]; also?: string | undefined } = {},
): void {
  const missing = (needs.programs ?? []).filter((program) => findProgram(program) === undefined);
  const reasons = missing.map((program) => `${program} not installed`);
  if (libcPaths().length === 0) reasons.push("no half-open checks on this system");
  if (needs.also !== undefined) reasons.push(needs.also);
  const why = reasons.length === 0 ? "" : ` (skipped: ${reasons.join(", ")})`;
  Deno.test({ name: name + why, ignore: reasons.length > 0, fn });
}

/** A checker that has been started. The caller disposes of it. */
export function startChecker(options: HalfOpenCheckerOptions = {}): HalfOpenChecker {
  const checker = new HalfOpenChecker(options);
  checker.start();
  return checker;
}

/** A checker whose deadlines come when the test says so. */
export function startInFakeTime(
  options: HalfOpenCheckerOptions = {},
): { clock: FakeClock; checker: HalfOpenChecker } {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock, tickMs: 10 });
  return { clock, checker: startChecker({ wheel, ...options }) };
}

/** A port at which connections are never accepted. */
export function listenAt(hostname: string): Disposable & { address: Address } {
  const listener = Deno.listen({ hostname, port: 0, tcpBacklog: 4096 });
  return {
    address: { kind: "tcp", host: hostname, port: listener.addr.port },
    [Symbol.dispose]: () => listener.close(),
  };
}

/** A closed address: the system never picks port 1 for a listener. */
export const DEAD = parseAddress("127.0.0.1:1");
/** A multicast address: TCP cannot connect to it, and the system refuses without sending a packet. */
export const UNREACHABLE = parseAddress("224.0.0.1:80");

/** Holds everything up, as a busy turn of the event loop does. */
export function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** The kernel holds its ACK back for 200 ms. What has taken less than this was surely in time. */
const IN_TIME_MS = 150;
const ATTEMPTS = 20;

/**
 * Sees to it that checks are not judged which a busy machine has held up for so long that the kernel has sent its ACK.
 * `attempt` makes checks through `time`, and returns what judges them; it is made again while one was too slow.
 */
export async function judgeInTime(
  attempt: (time: (work: Promise<unknown>) => Promise<void>) => Promise<() => void>,
): Promise<void> {
  for (let i = 1;; i++) {
    let slowestMs = 0;
    const judge = await attempt(async (work) => {
      const start = performance.now();
      await work;
      slowestMs = Math.max(slowestMs, performance.now() - start);
    });
    if (slowestMs < IN_TIME_MS || i === ATTEMPTS) return judge();
  }
}
