import type { Clock } from "./clock.ts";

/** What `promise` brings, or the signal's reason as soon as it aborts, whatever becomes of `promise` then. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Resolves after `delayMs`, or as soon as `signal` aborts. Never rejects. */
export function pause(delayMs: number, options: { clock: Clock; signal: AbortSignal }): Promise<void> {
  const { clock, signal } = options;
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(delayMs, end);
    signal.addEventListener("abort", end);
  });
}

/** What a wait ends with, and on which clock. */
export interface InTimeOptions {
  /** What the time is measured on. */
  readonly clock: Clock;
  /** How much there is, in milliseconds. */
  readonly timeoutMs: number;
  /** Gives up before the time is over. */
  readonly signal: AbortSignal;
  /** Makes what it rejects with when the time is over. */
  readonly late: () => Error;
}

/** Does something that has so much time: then, or as soon as the outer signal aborts, it rejects and is told so. */
export async function inTime<T>(
  options: InTimeOptions,
  action: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock, timeoutMs, signal, late } = options;
  const giveUp = new AbortController();
  const onAbort = () => giveUp.abort(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", onAbort);
  const cancel = clock.after(timeoutMs, () => giveUp.abort(late()));
  try {
    return await unlessAborted(action(giveUp.signal), giveUp.signal);
  } catch (error) {
    throw giveUp.signal.aborted ? giveUp.signal.reason : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
    cancel();
  }
}
