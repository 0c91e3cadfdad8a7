import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import type { Backend } from "./backend.ts";
import { QueueFullError, QueueTimeoutError } from "./errors.ts";
import { DEFAULT_QUEUE, type QueueOptions } from "./options.ts";

/** The statistics of a {@linkcode BackendQueue}. */
export interface QueueStats {
  /** Connections that wait now. */
  readonly waiting: number;
  /** Connections that have had to wait since the start. */
  readonly queued: number;
  /** Connections refused because the queue was full, since the start. */
  readonly full: number;
  /** Connections refused because `timeoutMs` had expired, since the start. */
  readonly timedOut: number;
}

/** A search that waits. */
export interface QueuedSearch {
  /** Picks a backend, which counts as in use then; `undefined`: none is available for it. */
  take(): Backend | undefined;
}

interface Waiter extends PromiseWithResolvers<Backend> {
  readonly search: QueuedSearch;
  readonly timer: WheelTimer;
}

/**
 * The connections of an upstream that wait for a backend below its `maxConnections`, first come, first served, as in
 * HAProxy's queue. The upstream calls {@linkcode serve} when there may be room.
 */
export class BackendQueue {
  readonly #name: string;
  readonly #wheel: TimerWheel;
  readonly #onWait: (() => void) | undefined;
  #options: QueueOptions = DEFAULT_QUEUE;
  /** In order of arrival. */
  readonly #waiters = new Map<QueuedSearch, Waiter>();
  #queued = 0;
  #full = 0;
  #timedOut = 0;

  /** `onWait` is called when a connection begins to wait. */
  constructor(options: { name: string; wheel: TimerWheel; onWait?: () => void }) {
    this.#name = options.name;
    this.#wheel = options.wheel;
    this.#onWait = options.onWait;
  }

  /** Whether connections may wait. */
  get enabled(): boolean {
    return this.#options.max > 0;
  }

  /** The number of waiting connections. */
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

  /** Takes new options, for connections that are queued from now on. */
  configure(options: QueueOptions): void {
    this.#options = options;
  }

  /**
   * Waits for a backend for `search`, which counts as in use then.
   *
   * @throws {QueueFullError} if `max` connections wait already.
   * @throws {QueueTimeoutError} after `timeoutMs`.
   * @throws the reason of `cancel` or `dismiss`.
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
    this.#onWait?.();
    return await waiter.promise;
  }

  /** Removes a waiting search, whose `wait` rejects with `reason`. Does nothing if it does not wait. */
  cancel(search: QueuedSearch, reason: Error): void {
    const waiter = this.#waiters.get(search);
    if (waiter === undefined) return;
    this.#remove(waiter);
    waiter.reject(reason);
  }

  /** Gives available backends to waiting searches. */
  serve(): void {
    for (const waiter of this.#waiters.values()) {
      const backend = waiter.search.take();
      // Another search might use a backend that this one has tried; finding that out is not worth its cost.
      if (backend === undefined) return;
      this.#remove(waiter);
      waiter.resolve(backend);
    }
  }

  /** Rejects all waiting searches: no backend can become available. */
  dismiss(reason: Error): void {
    for (const { search } of [...this.#waiters.values()]) this.cancel(search, reason);
  }

  #remove({ search, timer }: Waiter): void {
    this.#waiters.delete(search);
    this.#wheel.stop(timer);
  }
}
