import { abortable } from "@std/async/abortable";
import type { Clock } from "./clock.ts";

/**
 * Calls `callback` once when `signal` aborts, at once if it has aborted. Disposing of the result removes the callback.
 *
 * @example
 * ```ts
 * import { onAbort } from "./wait.ts";
 *
 * async function send(connection: Deno.Conn, signal: AbortSignal): Promise<void> {
 *   using _abort = onAbort(signal, () => connection.close());
 *   await connection.write(new Uint8Array(1));
 * }
 * console.log(send.name); // send
 * ```
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): Disposable {
  if (signal?.aborted) callback();
  else signal?.addEventListener("abort", callback);
  return { [Symbol.dispose]: () => signal?.removeEventListener("abort", callback) };
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

/** Resolves when `promise` has settled, or after `timeoutMs`. Never rejects. */
export async function settledWithin(
  promise: Promise<unknown>,
  { clock, timeoutMs }: { clock: Clock; timeoutMs: number },
): Promise<void> {
  const timeout = Promise.withResolvers<void>();
  const cancel = clock.after(timeoutMs, timeout.resolve);
  await Promise.race([Promise.allSettled([promise]), timeout.promise]);
  cancel();
}

/** Options of {@linkcode withTimeout}. */
export interface WithTimeoutOptions {
  /** Measures the time. */
  readonly clock: Clock;
  /** How long the action may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Ends it before the timeout. */
  readonly signal: AbortSignal;
  /** Makes the error of the timeout. */
  readonly timeoutError: () => Error;
}

/**
 * Runs `action` with a signal that aborts at the timeout or with the outer signal. Rejects then at once, with the
 * reason of that signal, whether or not the action has ended.
 */
export async function withTimeout<T>(
  options: WithTimeoutOptions,
  action: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock, timeoutMs, signal, timeoutError } = options;
  signal.throwIfAborted();
  const inner = new AbortController();
  using _outer = onAbort(signal, () => inner.abort(signal.reason));
  const cancel = clock.after(timeoutMs, () => inner.abort(timeoutError()));
  try {
    return await abortable(action(inner.signal), inner.signal);
  } catch (error) {
    throw inner.signal.aborted ? inner.signal.reason : error;
  } finally {
    cancel();
  }
}
