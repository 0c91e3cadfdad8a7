import type { Log } from "../core/log.ts";
import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import { formatDuration } from "../core/units.ts";
import type { Backend } from "./backend.ts";
import type { OutlierOptions } from "./options.ts";

/** The longest ejection, as a multiple of the shortest. */
const MAX_TIMES = 10;

/** What can be ejected: a backend. */
export interface Ejectable {
  readonly key: string;
  /** Set by the detector. */
  ejected: boolean;
  /** Whether it was removed from the set. */
  readonly removed: boolean;
}

/** What an {@linkcode OutlierDetector} works with. */
export interface OutlierParts<B extends Ejectable> {
  readonly upstream: string;
  readonly wheel: TimerWheel;
  readonly log: Log;
  /** It has been ejected, for so many milliseconds. @default nothing is done */
  readonly onEject?: (backend: B, forMs: number) => void;
  /** An ejection has ended. */
  readonly onReturn: (backend: B) => void;
}

/** Where several threads count the failures of the same backends, and one of them decides about ejections. */
export interface SharedFailures<B extends Ejectable> {
  /** The consecutive failures of a backend over all threads, one more than before. */
  count(backend: B, kind: FailureKind): number;
  /** A success: there are no consecutive failures any more. */
  reset(backend: B, kind: FailureKind): void;
  /** A backend has failed so often that it may have to be ejected. */
  onSuspect(backend: B, inARow: number): void;
}

/** A connection could not be made, or broke before the backend had sent a byte. */
export type FailureKind = "connect" | "break";

/**
 * Passive health checking, after Envoy's outlier detection: ejects backends of one upstream that fail live traffic. An
 * ejection lasts `ejectionMs` times the number of recent ejections of the backend, ten at most; each `ejectionMs` without
 * an ejection takes one off that number. It ends early only if the set becomes too small for it.
 *
 * Failed connects and connections that are reset before a byte was received are counted separately, so that a backend
 * that accepts and then resets is ejected.
 */
export class OutlierDetector<B extends Ejectable = Backend> {
  readonly #parts: OutlierParts<B>;
  readonly #records = new Map<B, Outlier>();
  #shared: SharedFailures<B> | undefined;
  #options: OutlierOptions;
  #size = 0;
  #ejected = 0;

  constructor(options: OutlierOptions, parts: OutlierParts<B>) {
    this.#options = options;
    this.#parts = parts;
  }

  /**
   * Takes new options, for a set of `size` backends. If more are ejected than are allowed now, the ejections that would end
   * first end at once.
   */
  configure(options: OutlierOptions, size: number): void {
    this.#options = options;
    this.#size = size;
    const tooMany = this.#ejected - this.#mostEjected;
    if (tooMany <= 0) return;
    const ejected = [...this.#records].filter(([backend]) => backend.ejected);
    ejected.sort(([, a], [, b]) => a.timer.dueMs - b.timer.dueMs);
    for (const [backend] of ejected.slice(0, tooMany)) this.#return(backend);
  }

  /** A connection could not be made. */
  connectFailed(backend: B): void {
    if (this.#shared !== undefined) return this.#countShared(backend, "connect");
    const record = this.#record(backend);
    record.connectFailures++;
    this.judge(backend, record.connectFailures);
  }

  /** A connection was made. */
  connected(backend: B): void {
    if (this.#shared !== undefined) return this.#shared.reset(backend, "connect");
    const record = this.#records.get(backend);
    if (record !== undefined) record.connectFailures = 0;
  }

  /** A connection broke before the backend had sent a byte. */
  broke(backend: B): void {
    if (this.#shared !== undefined) return this.#countShared(backend, "break");
    const record = this.#record(backend);
    record.breaks++;
    this.judge(backend, record.breaks);
  }

  /** The backend has sent a byte. */
  answered(backend: B): void {
    if (this.#shared !== undefined) return this.#shared.reset(backend, "break");
    const record = this.#records.get(backend);
    if (record !== undefined) record.breaks = 0;
  }

  /** The backend has answered a request with this status. Those from 500 on count as failures. */
  responded(backend: B, status: number): void {
    if (status >= 500) this.broke(backend);
    else this.answered(backend);
  }

  /** Counts failures with other threads from now on, one of which decides: it calls {@linkcode setEjected}. */
  share(shared: SharedFailures<B>): void {
    this.#shared = shared;
  }

  /** Another thread has ejected this backend for so many milliseconds; `undefined`: it is no longer ejected. */
  setEjected(backend: B, forMs: number | undefined): void {
    if (backend.removed || backend.ejected === (forMs !== undefined)) return;
    if (forMs === undefined) this.#return(backend);
    else this.#eject(this.#record(backend), { backend, forMs });
  }

  /** When its ejection ends, in milliseconds on the timer wheel; absent: it is not ejected. */
  ejectedUntilMs(backend: B): number | undefined {
    return backend.ejected ? this.#records.get(backend)?.timer.dueMs : undefined;
  }

  /** It was removed from the set. */
  forget(backend: B): void {
    const record = this.#records.get(backend);
    if (record === undefined) return;
    this.#records.delete(backend);
    this.#parts.wheel.stop(record.timer);
    if (backend.ejected) this.#ejected--;
  }

  #record(backend: B): Outlier {
    let record = this.#records.get(backend);
    if (record === undefined) {
      const timer = new WheelTimer(() => {
        this.#return(backend);
        return 0;
      });
      record = { connectFailures: 0, breaks: 0, times: 0, returnedAtMs: 0, timer };
      if (!backend.removed) this.#records.set(backend, record);
    }
    return record;
  }

  /** Ejects a backend that has failed so many times in a row, if that is often enough and it may be. */
  judge(backend: B, inARow: number): void {
    const { failures, ejectionMs } = this.#options;
    if (failures === 0 || inARow < failures || backend.ejected || backend.removed) return;
    if (this.#ejected >= this.#mostEjected) return;
    const { wheel, log, upstream } = this.#parts;
    const record = this.#record(backend);
    const forgiven = Math.floor((wheel.now() - record.returnedAtMs) / ejectionMs);
    record.times = Math.min(Math.max(0, record.times - forgiven) + 1, MAX_TIMES);
    const forMs = ejectionMs * record.times;
    this.#eject(record, { backend, forMs });
    const fields = { upstream, backend: backend.key, failures: inARow, for: formatDuration(forMs) };
    log.warn("backend is ejected", fields);
  }

  #countShared(backend: B, kind: FailureKind): void {
    const { failures } = this.#options;
    const inARow = this.#shared!.count(backend, kind);
    if (failures > 0 && inARow >= failures && !backend.ejected) this.#shared!.onSuspect(backend, inARow);
  }

  #eject(record: Outlier, { backend, forMs }: { backend: B; forMs: number }): void {
    backend.ejected = true;
    this.#ejected++;
    this.#parts.wheel.start(record.timer, forMs);
    this.#parts.onEject?.(backend, forMs);
  }

  /** Rounding may make the product too small by a fraction: 0.29 * 100 is below 29. */
  get #mostEjected(): number {
    return Math.floor(this.#size * this.#options.maxEjected + 1e-9);
  }

  #return(backend: B): void {
    const record = this.#records.get(backend)!;
    this.#parts.wheel.stop(record.timer);
    record.connectFailures = record.breaks = 0;
    record.returnedAtMs = this.#parts.wheel.now();
    backend.ejected = false;
    this.#ejected--;
    const { log, upstream, onReturn } = this.#parts;
    // Where failures are shared, the thread that decides has logged it.
    if (this.#shared === undefined) {
      log.info("backend is no longer ejected", { upstream, backend: backend.key });
    }
    onReturn(backend);
  }
}

/** The failures of one backend. */
interface Outlier {
  /** Consecutive. */
  connectFailures: number;
  /** Consecutive. */
  breaks: number;
  /** The number of recent ejections. */
  times: number;
  returnedAtMs: number;
  /** Ends its ejection. */
  readonly timer: WheelTimer;
}
