import type { SourceLimiter } from "../service/admission.ts";
import type { RateOptions } from "../service/options.ts";
import { hashText } from "../upstream/balance/hash.ts";

/** As many sources as a limiter of one thread remembers. */
const SETS = 8192;
const WAYS = 8;
/** The lock, two seeds and the latest time, then the time and the tag of each bucket. */
const HEAD_BYTES = 24;
const SIZE_BYTES = HEAD_BYTES + SETS * WAYS * 16;
/** A thread that was ended while it had the lock must not stop the others. */
const MAX_SPINS = 100_000;
/** Times are sums of fractions: what they are off by must not refuse what is due. */
const ROUNDING_MS = 1e-6;

/** The memory of a limiter that several threads share. */
export function createLimiterMemory(): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(SIZE_BYTES);
  new Int32Array(memory).set(crypto.getRandomValues(new Int32Array(2)), 1);
  return memory;
}

/**
 * A token bucket for each source as of `RateLimiter`, in memory that several threads share. A bucket is the time when it
 * will be full again (the generic cell rate algorithm: ITU-T I.371, annex A).
 *
 * The buckets are a hash table of 8,192 sets with eight buckets each. A source too many takes the bucket of its set
 * that is full first, and begins with a full one. The seeds are random, so clients cannot choose sources of one set.
 */
export class SharedRateLimiter implements SourceLimiter {
  readonly #tokenMs: number;
  readonly #emptyMs: number;
  readonly #now: () => number;
  readonly #words: Int32Array;
  /**
   * The latest time that a thread has seen. One that reads its clock and then waits, for the lock or for a processor,
   * would see buckets that others have begun later than its own time, and refuse what is due.
   */
  readonly #latest: Float64Array;
  /** For each bucket the time when it is full. */
  readonly #times: Float64Array;
  /** For each bucket two hashes of its source. */
  readonly #tags: Int32Array;

  /** `now` must be the same time in all threads, in milliseconds. */
  constructor(memory: SharedArrayBuffer, { rate, now }: { rate: RateOptions; now: () => number }) {
    const { connections, perMs, burst = Math.max(1, connections) } = rate;
    this.#tokenMs = perMs / connections;
    this.#emptyMs = burst * this.#tokenMs;
    this.#now = now;
    this.#words = new Int32Array(memory, 0, HEAD_BYTES / 4);
    this.#latest = new Float64Array(memory, 16, 1);
    this.#times = new Float64Array(memory, HEAD_BYTES, SETS * WAYS);
    this.#tags = new Int32Array(memory, HEAD_BYTES + SETS * WAYS * 8, SETS * WAYS * 2);
  }

  allow(source: string): boolean {
    const words = this.#words;
    const first = hashText(source, words[1]!);
    const second = hashText(source, words[2]!) | 1; // Never 0, which is an empty bucket.
    for (let spins = 0; spins < MAX_SPINS && Atomics.compareExchange(words, 0, 0, 1) !== 0; spins++);
    const nowMs = this.#latest[0] = Math.max(this.#latest[0]!, this.#now());
    const index = this.#find(first, second);
    const fullAtMs = Math.max(this.#times[index]!, nowMs) + this.#tokenMs;
    const isAllowed = fullAtMs - nowMs <= this.#emptyMs + ROUNDING_MS;
    if (isAllowed) this.#times[index] = fullAtMs;
    Atomics.store(words, 0, 0);
    return isAllowed;
  }

  /** The bucket of a source, which takes the place of another one if there is none. */
  #find(first: number, second: number): number {
    const start = (first >>> 0) % SETS * WAYS;
    let soonest = start;
    for (let index = start; index < start + WAYS; index++) {
      if (this.#tags[2 * index] === first && this.#tags[2 * index + 1] === second) return index;
      if (this.#times[index]! < this.#times[soonest]!) soonest = index;
    }
    this.#tags[2 * soonest] = first;
    this.#tags[2 * soonest + 1] = second;
    this.#times[soonest] = 0;
    return soonest;
  }
}
