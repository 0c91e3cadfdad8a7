import type { Log } from "../core/log.ts";
import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import { formatDuration } from "../core/units.ts";
import type { Backend } from "./backend.ts";
import type { OutlierOptions } from "./options.ts";

/** The longest ejection, as a multiple of the shortest. */
const MAX_TIMES = 10;

/** What an {@linkcode OutlierDetector} works with. */
export interface OutlierParts {
  readonly upstream: string;
  readonly wheel: TimerWheel;
  readonly log: Log;
  /** An ejection has ended. */
  readonly onReturn: (backend: Backend) => void;
}

/**
 * Passive health checking, after Envoy's outlier detection: ejects backends of one upstream that fail live traffic. An
 * ejection lasts `ejectionMs` times the number of recent ejections of the backend, ten at most; each `ejectionMs` without
 * an ejection takes one off that number. It ends early only if the set becomes too small for it.
 *
 * Failed connects and connections that are reset before a byte was received are counted separately, so that a backend
 * that accepts and then resets is ejected.
 */
export class OutlierDetector {
  readonly #parts: OutlierParts;
  readonly #records = new Map<Backend, Outlier>();
  #options: OutlierOptions;
  #size = 0;
  #ejected = 0;

  constructor(options: OutlierOptions, parts: OutlierParts) {
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
  connectFailed(backend: Backend): void {
    const record = this.#record(backend);
    record.connectFailures++;
    this.#judge(backend, record.connectFailures);
  }

  /** A connection was made. */
  connected(backend: Backend): void {
    const record = this.#records.get(backend);
    if (record !== undefined) record.connectFailures = 0;
  }

  /** A connection broke before the backend had sent a byte. */
  broke(backend: Backend): void {
    const record = this.#record(backend);
    record.breaks++;
    this.#judge(backend, record.breaks);
  }

  /** The backend has sent a byte. */
  answered(backend: Backend): void {
    const record = this.#records.get(backend);
    if (record !== undefined) record.breaks = 0;
  }

  /** The backend has answered a request with this status. Those from 500 on count as failures. */
  responded(backend: Backend, status: number): void {
    if (status >= 500) this.broke(backend);
    else this.answered(backend);
  }

  /** When its ejection ends, in milliseconds on the timer wheel; absent: it is not ejected. */
  ejectedUntilMs(backend: Backend): number | undefined {
    return backend.ejected ? this.#records.get(backend)?.timer.dueMs : undefined;
  }

  /** It was removed from the set. */
  forget(backend: Backend): void {
    const record = this.#records.get(backend);
    if (record === undefined) return;
    this.#records.delete(backend);
    this.#parts.wheel.stop(record.timer);
    if (backend.ejected) this.#ejected--;
  }

  #record(backend: Backend): Outlier {
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

  #judge(backend: Backend, inARow: number): void {
    const { failures, ejectionMs } = this.#options;
    if (failures === 0 || inARow < failures || backend.ejected || backend.removed) return;
    if (this.#ejected >= this.#mostEjected) return;
    const { wheel, log, upstream } = this.#parts;
    const record = this.#record(backend);
    const forgiven = Math.floor((wheel.now() - record.returnedAtMs) / ejectionMs);
    record.times = Math.min(Math.max(0, record.times - forgiven) + 1, MAX_TIMES);
    const forMs = ejectionMs * record.times;
    backend.ejected = true;
    this.#ejected++;
    wheel.start(record.timer, forMs);
    const fields = { upstream, backend: backend.key, failures: inARow, for: formatDuration(forMs) };
    log.warn("backend is ejected", fields);
  }

  /** Rounding may make the product too small by a fraction: 0.29 * 100 is below 29. */
  get #mostEjected(): number {
    return Math.floor(this.#size * this.#options.maxEjected + 1e-9);
  }

  #return(backend: Backend): void {
    const record = this.#records.get(backend)!;
    this.#parts.wheel.stop(record.timer);
    record.connectFailures = record.breaks = 0;
    record.returnedAtMs = this.#parts.wheel.now();
    backend.ejected = false;
    this.#ejected--;
    this.#parts.log.info("backend is no longer ejected", {
      upstream: this.#parts.upstream,
      backend: backend.key,
    });
    this.#parts.onReturn(backend);
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
