import type { RetryCondition, RetryOptions } from "./options.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";

/** The window of the budget. */
const SECONDS = 10;
/** Retries for each request of the window. */
const SHARE = 0.2;
/** Retries that are always allowed, per second. */
const FREE_PER_SECOND = 3;

/** Methods whose requests may be sent twice: idempotent ones, RFC 9110 section 9.2.2. */
const REPEATABLE = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** Whether a request of this method may be sent a second time, though the first may have been acted on. */
export function isRepeatable(method: string): boolean {
  return REPEATABLE.has(method);
}

/** How much of a body is kept in case that it has to be sent again. */
const MAX_REPLAY = 64 * 1024;

/** The body of a request, as far as it has been sent, in case that it has to be sent again. */
export class Replay {
  /** In the order in which they were sent. */
  readonly pieces: Uint8Array[] = [];
  /** Whether it is all that has been sent: what is longer than 64 KiB is not kept. */
  isWhole = true;
  #sizeBytes = 0;

  /** Keeps `bytes`, which must not change any more. */
  keep(bytes: Uint8Array): void {
    if (bytes.length > 0) this.pieces.push(bytes);
    this.#sizeBytes += bytes.length;
  }

  /** Keeps a copy of `bytes`. */
  add(bytes: Uint8Array): void {
    if (!this.isWhole) return;
    if (this.#sizeBytes + bytes.length <= MAX_REPLAY) return this.keep(bytes.slice());
    this.isWhole = false;
    this.pieces.length = 0;
  }
}

/**
 * Bounds the retries of an upstream: not more than a fifth of the requests of the last ten seconds, but always three per
 * second. So backends that fail under load do not get more of it. After Finagle's and Linkerd's retry budgets.
 */
export class RetryBudget {
  readonly #wheel: TimerWheel;
  readonly #requests = new Uint32Array(SECONDS);
  readonly #retries = new Uint32Array(SECONDS);
  #second = -1;
  #allRequests = 0;
  #allRetries = 0;

  constructor(wheel: TimerWheel) {
    this.#wheel = wheel;
  }

  /** A request has come. */
  count(): void {
    this.#requests[this.#slot(this.#wheel.nowMs)]!++;
    this.#allRequests++;
  }

  /** Whether one more retry is within the budget; if so, it counts. */
  spend(): boolean {
    const slot = this.#slot(this.#wheel.now());
    const isFree = this.#retries[slot]! < FREE_PER_SECOND;
    if (!isFree && this.#allRetries + 1 > SHARE * this.#allRequests) return false;
    this.#retries[slot]!++;
    this.#allRetries++;
    return true;
  }

  /** The slot of this second, after what has become too old is forgotten. */
  #slot(nowMs: number): number {
    const second = Math.floor(nowMs / 1000);
    if (second > this.#second) {
      const from = Math.max(this.#second + 1, second - SECONDS + 1);
      for (let each = from; each <= second; each++) {
        const slot = each % SECONDS;
        this.#allRequests -= this.#requests[slot]!;
        this.#allRetries -= this.#retries[slot]!;
        this.#requests[slot] = this.#retries[slot] = 0;
      }
      this.#second = second;
    }
    return this.#second % SECONDS;
  }
}

/** The retries of one request. */
export class Retries {
  readonly #options: RetryOptions;
  readonly #budget: RetryBudget;
  #count = 0;

  /** As of the route, with the budget of its upstream. */
  constructor({ retries, budget }: { readonly retries: RetryOptions; readonly budget: RetryBudget }) {
    this.#options = retries;
    this.#budget = budget;
  }

  /** Whether there may be one more for this reason; if so, it counts. */
  spend(condition: RetryCondition): boolean {
    const { attempts, on } = this.#options;
    if (this.#count >= attempts || !on.includes(condition) || !this.#budget.spend()) return false;
    this.#count++;
    return true;
  }
}
