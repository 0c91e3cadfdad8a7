import { settledWithin } from "../../core/wait.ts";
import { type Clock, systemClock } from "../../core/clock.ts";

/** Where lines go in the end: standard error, or a test's array. */
export interface LineTarget {
  write(bytes: Uint8Array): Promise<number>;
}

/** Lines that wait while the target does not take them, in characters. What comes beyond is dropped and counted. */
const MAX_WAITING = 1024 * 1024;

/** A reader that is stuck must not keep the program from ending. */
const FLUSH_MS = 1000;

/** How long lines wait for more of them after a write. Each write costs several changes of threads. */
const GATHER_MS = 10;
/** So many characters do not wait for more. */
const GATHER_CHARACTERS = 32 * 1024;

/**
 * Writes lines without blocking the caller. A line is written at once, unless another one was written in the last
 * 10 ms: then it waits for the end of these, and all lines of that time are written together. Memory is bounded; when
 * the target is stuck, lines are dropped, and the first one after that says how many.
 */
export class LineWriter {
  /** Says how many lines were dropped, as a line in the form of the others, with its line feed. */
  describeLoss: (count: number) => string = (count) =>
    `${count} log lines dropped: the log's reader is too slow\n`;
  readonly #target: LineTarget;
  readonly #clock: Clock;
  readonly #encoder = new TextEncoder();
  #waiting = "";
  #dropped = 0;
  #writing: Promise<void> | undefined;
  #writtenMs = -Infinity;
  /** Ends the wait for more lines; absent while there is none. */
  #endGathering: (() => void) | undefined;

  constructor(target: LineTarget, { clock = systemClock }: { clock?: Clock } = {}) {
    this.#target = target;
    this.#clock = clock;
  }

  /** Takes a line, with its line feed. */
  write(line: string): void {
    if (this.#waiting.length + line.length > MAX_WAITING) {
      this.#dropped++;
      return;
    }
    this.#waiting += line;
    this.#writing ??= this.#run();
    if (this.#waiting.length >= GATHER_CHARACTERS) this.#endGathering?.();
  }

  /** Resolves when everything so far has been written, or the target has not taken it within `timeoutMs`. */
  async flush(timeoutMs = FLUSH_MS): Promise<void> {
    if (this.#writing === undefined) return;
    this.#writtenMs = -Infinity;
    this.#endGathering?.();
    await settledWithin(this.#writing, { clock: systemClock, timeoutMs });
  }

  async #run(): Promise<void> {
    await Promise.resolve(); // What the same turn still has to say goes along.
    while (this.#waiting !== "") {
      const waitMs = this.#writtenMs + GATHER_MS - this.#clock.now();
      if (waitMs > 0 && this.#waiting.length < GATHER_CHARACTERS) await this.#gather(waitMs);
      this.#writtenMs = this.#clock.now();
      const bytes = this.#encoder.encode(this.#waiting);
      this.#waiting = "";
      try {
        for (let sent = 0; sent < bytes.length;) sent += await this.#target.write(bytes.subarray(sent));
      } catch {
        // The log is no longer read (a closed pipe). Connections are served nevertheless.
      }
      if (this.#dropped > 0) {
        this.#waiting += this.describeLoss(this.#dropped);
        this.#dropped = 0;
      }
    }
    this.#writing = undefined;
  }

  /** Waits for more lines: until there are many, or for this long at most. */
  async #gather(waitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(waitMs, resolve);
    this.#endGathering = resolve;
    await promise;
    this.#endGathering = undefined;
    cancel();
  }
}
