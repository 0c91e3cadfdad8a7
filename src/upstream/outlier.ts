import type { Log } from "../core/log.ts";
import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import { formatDuration } from "../core/units.ts";
import type { Backend } from "./backend.ts";
import type { OutlierOptions } from "./options.ts";

/** The longest ejection, as a multiple of the first. */
const MAX_TIMES = 10;

/** What an {@linkcode OutlierDetector} works with. */
export interface OutlierParts {
  readonly upstream: string;
  readonly wheel: TimerWheel;
  readonly log: Log;
  /** A backend has come back. */
  readonly onReturn: (backend: Backend) => void;
}

/**
 * Passive detection: ejects backends of one upstream that fail live traffic again and again, each for `ejectionMs`
 * times the number of ejections that it has had of late, ten at the most. For each `ejectionMs` in which it then
 * behaves, one of these is forgotten. Only time brings an ejected backend back, or a set that has become too small.
 *
 * Connects that fail and connections that are reset before any byte came are counted apart: a backend that accepts
 * and then resets fails, however well it accepts. After Envoy's outlier detection.
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
   * What holds from now on, for a set of `size`. Those who are ejected stay so until their time is over, unless they
   * are more than the set allows now: then those come back whose time is over first.
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

  /** No connection could be made. */
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

  /** A connection ended badly before the backend had said anything. */
  broke(backend: Backend): void {
    const record = this.#record(backend);
    record.breaks++;
    this.#judge(backend, record.breaks);
  }

  /** The backend has said something. */
  answered(backend: Backend): void {
    const record = this.#records.get(backend);
    if (record !== undefined) record.breaks = 0;
  }

  /** Until when it is ejected, on the wheel's clock; absent: it is not. */
  ejectedUntilMs(backend: Backend): number | undefined {
    return backend.ejected ? this.#records.get(backend)?.timer.dueMs : undefined;
  }

  /** It has left the set. */
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
    const { failures } = this.#options;
    if (failures === 0 || inARow < failures || backend.ejected || backend.removed) return;
    if (this.#ejected < this.#mostEjected) this.#eject(backend, inARow);
  }

  /** A hair more than the product, which can be a hair too small: 0.29 * 100 is below 29. */
  get #mostEjected(): number {
    return Math.floor(this.#size * this.#options.maxEjected + 1e-9);
  }

  #eject(backend: Backend, inARow: number): void {
    const { wheel, log, upstream } = this.#parts;
    const { ejectionMs } = this.#options;
    const record = this.#record(backend);
    const good = Math.floor((wheel.now() - record.returnedAtMs) / ejectionMs);
    record.times = Math.min(Math.max(0, record.times - good) + 1, MAX_TIMES);
    const forMs = ejectionMs * record.times;
    backend.ejected = true;
    this.#ejected++;
    wheel.start(record.timer, forMs);
    log.warn("backend is ejected", {
      upstream,
      backend: backend.key,
      failures: inARow,
      for: formatDuration(forMs),
    });
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

/** What live traffic has shown of a backend. */
interface Outlier {
  /** In a row. */
  connectFailures: number;
  /** In a row. */
  breaks: number;
  /** Ejections that it has not yet made up for. */
  times: number;
  returnedAtMs: number;
  /** Ends its ejection. */
  readonly timer: WheelTimer;
}
