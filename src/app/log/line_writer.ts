import { settledWithin } from "../../core/wait.ts";
import { systemClock } from "../../core/clock.ts";

/** Where lines go in the end: standard error, or a test's array. */
export interface LineTarget {
  write(bytes: Uint8Array): Promise<number>;
}

/** Lines that wait while the target does not take them, in characters. What comes beyond is dropped and counted. */
const MAX_WAITING = 1024 * 1024;

/** A reader that is stuck must not keep the program from ending. */
const FLUSH_MS = 1000;

/**
 * Writes lines without blocking the caller: lines that arrive during a write are written together with the next
 * one. Memory is bounded; when the target is stuck, lines are dropped, and the first one after that says
 * how many.
 */
export class LineWriter {
  /** Says how many lines were dropped, as a line in the form of the others, with its line feed. */
  describeLoss: (count: number) => string = (count) =>
    `${count} log lines dropped: the log's reader is too slow\n`;
  readonly #target: LineTarget;
  readonly #encoder = new TextEncoder();
  #waiting = "";
  #dropped = 0;
  #writing: Promise<void> | undefined;

  constructor(target: LineTarget) {
    this.#target = target;
  }

  /** Takes a line, with its line feed. */
  write(line: string): void {
    if (this.#waiting.length + line.length > MAX_WAITING) {
      this.#dropped++;
      return;
    }
    this.#waiting += line;
    this.#writing ??= this.#run();
  }

  /** Resolves when everything so far has been written, or the target has not taken it within `timeoutMs`. */
  async flush(timeoutMs = FLUSH_MS): Promise<void> {
    if (this.#writing === undefined) return;
    await settledWithin(this.#writing, { clock: systemClock, timeoutMs });
  }

  async #run(): Promise<void> {
    await Promise.resolve(); // What the same turn still has to say goes along.
    while (this.#waiting !== "") {
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
}
