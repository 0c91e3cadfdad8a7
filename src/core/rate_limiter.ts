import type { Clock } from "./clock.ts";

/** What a {@linkcode RateLimiter} allows to each key. */
export interface RateLimiterOptions {
  /** How many `perMs` milliseconds allow, in the long run. Above 0. */
  readonly connections: number;
  /** The time that `connections` refers to, in milliseconds. Above 0. */
  readonly perMs: number;
  /** How many at once after a rest. At least 1. @default `connections`, or 1 where that is less */
  readonly burst?: number;
  /** How many keys are remembered at the most. At least 1. @default {65_536} */
  readonly maxKeys?: number;
  readonly clock: Clock;
}

/** One key's bucket, a link of a ring in the order of use. */
interface Bucket {
  key: string;
  /** When the bucket will be full again, if nothing more is taken from it. */
  fullAtMs: number;
  older: Bucket;
  newer: Bucket;
}

const DEFAULT_MAX_KEYS = 65_536;
/** How many buckets are looked at for a full one before one that is not full has to go. */
const MAX_LOOKS = 8;
/** Times are sums of fractions: what they are off by must not refuse what is due. */
const ROUNDING_MS = 1e-6;

/**
 * A token bucket for each key, such as a client's address: it holds `burst` tokens, each connection takes one,
 * and `connections` tokens come back in `perMs`. Nothing runs in the background; what has come back is worked
 * out from the clock when a key is seen again.
 *
 * A bucket is one number, the time when it will be full (the generic cell rate algorithm: ITU-T I.371, annex A).
 *
 * Memory is bounded: there are at most `maxKeys` buckets. A key too many takes the place of a bucket that is
 * full again, which says no more than none would; some are looked at for one in turn, at most eight for a key.
 * If none of these is full, the least recently used bucket goes, and its key starts afresh with a full one. So
 * a client with more than `maxKeys` addresses can exceed the rate: by then each of them has had its burst
 * anyhow, and the bound on all connections is what holds. The other ways out are worse: to refuse new keys
 * would let the same attacker lock out all other clients, and to let them pass uncounted would end the limit.
 * A key that keeps trying, though refused, stays in use and is not forgotten before those that went away.
 */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #maxKeys: number;
  /** How long one token takes to come back. */
  readonly #tokenMs: number;
  /** How far in the future a bucket's `fullAtMs` may lie: all its tokens are out then. */
  readonly #emptyMs: number;
  readonly #byKey = new Map<string, Bucket>();
  /** The same buckets by number, for looking through them in turn. */
  readonly #buckets: Bucket[] = [];
  #nextLook = 0;
  /** The most recently used; the ring closes from it to the least. */
  #newest: Bucket | undefined;

  /** @throws {RangeError} when an option is out of its range. */
  constructor(options: RateLimiterOptions) {
    const { connections, perMs, burst = Math.max(1, connections), maxKeys = DEFAULT_MAX_KEYS } = options;
    if (!(connections > 0 && perMs > 0 && burst >= 1 && maxKeys >= 1)) {
      throw new RangeError(
        `Cannot limit to ${connections} per ${perMs} ms, burst ${burst}, ${maxKeys} keys: out of range`,
      );
    }
    this.#clock = options.clock;
    this.#maxKeys = maxKeys;
    this.#tokenMs = perMs / connections;
    this.#emptyMs = burst * this.#tokenMs;
  }

  /** How many keys are remembered now. */
  get size(): number {
    return this.#buckets.length;
  }

  /** Takes a token from the bucket of `key`. False when there is none; then nothing is taken. O(1). */
  allow(key: string): boolean {
    const nowMs = this.#clock.now();
    const bucket = this.#byKey.get(key) ?? this.#add(key, nowMs);
    this.#touch(bucket);
    const fullAtMs = Math.max(bucket.fullAtMs, nowMs) + this.#tokenMs;
    if (fullAtMs - nowMs > this.#emptyMs + ROUNDING_MS) return false;
    bucket.fullAtMs = fullAtMs;
    return true;
  }

  /** Gives `key` a full bucket, a new one while there may be more, then another key's. */
  #add(key: string, nowMs: number): Bucket {
    let bucket: Bucket;
    if (this.#newest === undefined || this.#buckets.length < this.#maxKeys) {
      bucket = newBucket(key, nowMs);
      this.#buckets.push(bucket);
      insertAfter(bucket, this.#newest);
      this.#newest ??= bucket;
    } else {
      bucket = this.#findFull(nowMs) ?? this.#newest.newer;
      this.#byKey.delete(bucket.key);
      bucket.key = key;
      bucket.fullAtMs = nowMs;
    }
    this.#byKey.set(key, bucket);
    return bucket;
  }

  #findFull(nowMs: number): Bucket | undefined {
    for (let looks = Math.min(MAX_LOOKS, this.#buckets.length); looks > 0; looks--) {
      const bucket = this.#buckets[this.#nextLook]!;
      this.#nextLook = (this.#nextLook + 1) % this.#buckets.length;
      if (bucket.fullAtMs <= nowMs) return bucket;
    }
    return undefined;
  }

  /** Makes `bucket` the most recently used. */
  #touch(bucket: Bucket): void {
    if (bucket === this.#newest) return;
    bucket.older.newer = bucket.newer;
    bucket.newer.older = bucket.older;
    insertAfter(bucket, this.#newest);
    this.#newest = bucket;
  }
}

/** A bucket in a ring of its own. */
function newBucket(key: string, fullAtMs: number): Bucket {
  const bucket = { key, fullAtMs } as Bucket;
  bucket.older = bucket;
  bucket.newer = bucket;
  return bucket;
}

/** Puts `bucket` into a ring, where it is the next newer one of `newest`. */
function insertAfter(bucket: Bucket, newest: Bucket | undefined): void {
  if (newest === undefined) return;
  bucket.older = newest;
  bucket.newer = newest.newer;
  newest.newer.older = bucket;
  newest.newer = bucket;
}
