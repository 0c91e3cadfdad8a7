import type { Log } from "../core/log.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import type { Snapshot } from "../dataplane/snapshot.ts";
import { formatAddress } from "../net/address.ts";
import { type BackendSpec, DEFAULT_OUTLIER, type OutlierOptions } from "../upstream/options.ts";
import { type Ejectable, OutlierDetector } from "../upstream/outlier.ts";

/** What {@linkcode Ejections} work with. */
export interface EjectionsParts {
  readonly wheel: TimerWheel;
  readonly log: Log;
  /** A backend is ejected for so many milliseconds; `undefined`: it is no longer ejected. */
  readonly onChange: (upstream: string, change: { backend: string; forMs: number | undefined }) => void;
}

/** One upstream, as far as ejections go. */
interface Watched {
  options: OutlierOptions;
  readonly detector: OutlierDetector<Subject>;
  subjects: Map<string, Subject>;
}

/** A backend, in the place of the objects that the threads have of it. */
class Subject implements Ejectable {
  readonly key: string;
  ejected = false;
  removed = false;

  constructor(key: string) {
    this.key = key;
  }
}

/**
 * Decides about ejections for all threads, which count the failures of backends together and report those that have
 * failed often enough. So the options hold for the whole, and each ejection is logged once.
 */
export class Ejections {
  readonly #parts: EjectionsParts;
  readonly #upstreams = new Map<string, Watched>();

  constructor(parts: EjectionsParts) {
    this.#parts = parts;
  }

  /** Follows a snapshot. Backends that stay keep their ejections. */
  follow({ upstreams }: Snapshot): void {
    const left = new Set(this.#upstreams.keys());
    for (const { name, outlier = DEFAULT_OUTLIER, backends } of upstreams) {
      left.delete(name);
      const watched = this.#upstreams.get(name) ?? this.#watch(name, outlier);
      watched.options = outlier;
      this.setBackends(name, backends);
    }
    for (const name of left) {
      this.setBackends(name, []);
      this.#upstreams.delete(name);
    }
  }

  /** Follows the set of one upstream. */
  setBackends(upstream: string, backends: readonly BackendSpec[]): void {
    const watched = this.#upstreams.get(upstream);
    if (watched === undefined) return;
    const before = watched.subjects;
    watched.subjects = new Map(backends.map(({ address }) => {
      const key = formatAddress(address);
      return [key, before.get(key) ?? new Subject(key)];
    }));
    for (const [key, subject] of before) {
      if (watched.subjects.has(key)) continue;
      subject.removed = true;
      watched.detector.forget(subject);
    }
    watched.detector.configure(watched.options, watched.subjects.size);
  }

  /** Ends all of them. */
  close(): void {
    for (const name of this.#upstreams.keys()) this.setBackends(name, []);
    this.#upstreams.clear();
  }

  /** A thread has counted so many failures of a backend in a row. */
  suspect(upstream: string, { backend, inARow }: { backend: string; inARow: number }): void {
    const watched = this.#upstreams.get(upstream);
    const subject = watched?.subjects.get(backend);
    if (subject !== undefined) watched!.detector.judge(subject, inARow);
  }

  /** Takes an ejection that the main thread had decided when it carried all traffic. */
  take(upstream: string, { backend, forMs }: { backend: string; forMs: number }): void {
    const watched = this.#upstreams.get(upstream);
    const subject = watched?.subjects.get(backend);
    if (subject !== undefined) watched!.detector.setEjected(subject, forMs);
  }

  /** The backends that are ejected, and for how many more milliseconds. */
  *current(): Iterable<[upstream: string, ejected: { backend: string; forMs: number }]> {
    const nowMs = this.#parts.wheel.now();
    for (const [name, { detector, subjects }] of this.#upstreams) {
      for (const subject of subjects.values()) {
        const untilMs = detector.ejectedUntilMs(subject);
        if (untilMs !== undefined) yield [name, { backend: subject.key, forMs: untilMs - nowMs }];
      }
    }
  }

  #watch(upstream: string, options: OutlierOptions): Watched {
    const { wheel, log, onChange } = this.#parts;
    const detector = new OutlierDetector<Subject>(options, {
      upstream,
      wheel,
      log,
      onEject: ({ key }, forMs) => onChange(upstream, { backend: key, forMs }),
      onReturn: ({ key }) => onChange(upstream, { backend: key, forMs: undefined }),
    });
    const watched = { options, detector, subjects: new Map() };
    this.#upstreams.set(upstream, watched);
    return watched;
  }
}
