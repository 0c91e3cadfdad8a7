/** What is waited for, and for how long. */
export interface WaitOptions {
  /** Completes "waited too long for …". */
  readonly what: string;
  /** Far more than it takes, so that a busy machine fails no test. @default {30_000} */
  readonly timeoutMs?: number;
  /** What else an error should say, such as the end of a log. */
  readonly context?: () => string;
}

const POLL_MS = 10;

/** Resolves as soon as `condition` holds, looking again and again. For what no event tells. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  options: WaitOptions,
): Promise<void> {
  const { timeoutMs = 30_000 } = options;
  const deadline = performance.now() + timeoutMs;
  while (!await condition()) {
    if (performance.now() > deadline) throw tooLate(options);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Resolves as `promise` does, or rejects when that takes too long. */
export async function within<T>(promise: Promise<T>, options: WaitOptions): Promise<T> {
  const { timeoutMs = 30_000 } = options;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(tooLate(options)), timeoutMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function tooLate({ what, timeoutMs = 30_000, context }: WaitOptions): Error {
  const more = context === undefined ? "" : `\n${context()}`;
  return new Error(`waited ${timeoutMs} ms, too long, for ${what}${more}`);
}

/** Resolves when a number is above 0 and has not changed for half a second. */
export async function untilStill(read: () => number, options: { what: string }): Promise<void> {
  let last = 0;
  let since = performance.now();
  await until(() => {
    const now = read();
    if (now !== last) since = performance.now();
    last = now;
    return last > 0 && performance.now() - since > 500;
  }, options);
}
