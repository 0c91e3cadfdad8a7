import { latin1 } from "./latin1.ts";

/** Longer text is seldom the same again. */
const MAX_LENGTH = 128;

/**
 * Reads text that is mostly the same as the last time, such as the Host of requests. To compare it takes a fraction of
 * the time of a new string, and leaves no garbage.
 */
export class RepeatedText {
  #last = "";

  /** As {@linkcode latin1}. */
  read(bytes: Uint8Array, start: number, end: number): string {
    if (end - start > MAX_LENGTH) return latin1(bytes, start, end);
    if (!this.#isLast(bytes, start, end)) this.#last = latin1(bytes, start, end);
    return this.#last;
  }

  #isLast(bytes: Uint8Array, start: number, end: number): boolean {
    const last = this.#last;
    if (end - start !== last.length) return false;
    for (let i = 0; i < last.length; i++) if (bytes[start + i] !== last.charCodeAt(i)) return false;
    return true;
  }
}
