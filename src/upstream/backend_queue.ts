import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import type { Backend } from "./backend.ts";
import { QueueFullError, QueueTimeoutError } from "./errors.ts";
import { DEFAULT_QUEUE, type QueueOptions } from "./options.ts";

/** What a {@linkcode BackendQueue} has done and is doing. */
export interface QueueStats {
  /** Connections that wait now. */
  readonly waiting: number;
  /** Connections that had to wait, since the start. */
  readonly queued: number;
  /** Connections refused as the queue was full, since the start. */
  readonly full: number;
  /** Connections refused as they had waited too long, since the start. */
  readonly timedOut: number;
}

/** A connection that waits. Made by its search. */
export interface QueuedSearch {
  /** Takes a backend for it, which counts as in use then; `undefined`: none is free for it. */
  take(): Backend | undefined;
}

interface Waiter extends PromiseWithResolvers<Backend> {
  readonly search: QueuedSearch;
  readonly timer: WheelTimer;
}

/**
 * The connections of an upstream that wait for a backend below its `maxConnections`, first come, first served, as in
 * HAProxy's queue. Its upstream says when there may be room ({@linkcode serve}).
 */
export class BackendQueue {
  readonly #name: string;
  readonly #wheel: TimerWheel;
  #options: QueueOptions = DEFAULT_QUEUE;
  /** In the order in which they came. */
  readonly #waiters = new Map<QueuedSearch, Waiter>();
  #queued = 0;
  #full = 0;
  #timedOut = 0;

  constructor(options: { name: string; wheel: TimerWheel }) {
    this.#name = options.name;
    this.#wheel = options.wheel;
  }

  /** Whether connections may wait. */
  get enabled(): boolean {
    return this.#options.max > 0;
  }

  /** How many wait now. */
  get size(): number {
    return this.#waiters.size;
  }

  get stats(): QueueStats {
    return {
      waiting: this.size,
      queued: this.#queued,
      full: this.#full,
      timedOut: this.#timedOut,
    };
  }

  /** Takes new bounds, for the connections that come. Those that wait go on as they began. */
  configure(options: QueueOptions): void {
    this.#options = options;
  }

  /**
   * Waits until there is a backend for `search`, which counts as in use then.
   *
   * @throws {QueueFullError} when as many wait as may.
   * @throws {QueueTimeoutError} after `timeoutMs`; and what `cancel` and `dismiss` are given.
   */
  async wait(search: QueuedSearch): Promise<Backend> {
    const { max, timeoutMs } = this.#options;
    if (this.size >= max) {
      this.#full++;
      throw new QueueFullError(this.#name, max);
    }
    this.#queued++;
    const timer = new WheelTimer(() => {
      this.#timedOut++;
      this.cancel(search, new QueueTimeoutError(this.#name, timeoutMs));
      return 0;
    });
    const waiter: Waiter = { ...Promise.withResolvers<Backend>(), search, timer };
    this.#waiters.set(search, waiter);
    this.#wheel.start(timer, timeoutMs);
    return await waiter.promise;
  }

  /** Removes one that waits, whose `wait` rejects with `reason`. Does nothing if it does not wait. */
  cancel(search: QueuedSearch, reason: Error): void {
    const waiter = this.#waiters.get(search);
    if (waiter === undefined) return;
    this.#remove(waiter);
    waiter.reject(reason);
  }

  /** Gives backends that have become free to those that wait. */
  serve(): void {
    for (const waiter of this.#waiters.values()) {
      const backend = waiter.search.take();
      // Another one might find a backend that this one has tried already; it is not worth looking for.
      if (backend === undefined) return;
      this.#remove(waiter);
      waiter.resolve(backend);
    }
  }

  /** Ends the waiting of all: no backend can become free. */
  dismiss(reason: Error): void {
    for (const { search } of [...this.#waiters.values()]) this.cancel(search, reason);
  }

  #remove({ search, timer }: Waiter): void {
    this.#waiters.delete(search);
    this.#wheel.stop(timer);
  }
}
