import type { Membership, ServiceSlots } from "../dataplane/membership.ts";
import type { SourceLimiter } from "../service/admission.ts";
import type { RateOptions } from "../service/options.ts";
import type { Backend, BackendSlots } from "../upstream/backend.ts";
import type { FailureKind, SharedFailures } from "../upstream/outlier.ts";
import type { Slots } from "./messages.ts";
import { limiterKey } from "./shared_counts.ts";
import { SharedRateLimiter } from "./shared_rate_limiter.ts";

/** What a {@linkcode SharedMembership} works with. */
export interface SharedMembershipParts {
  readonly phase: number;
  readonly totals: SharedArrayBuffer;
  readonly own: SharedArrayBuffer;
  /** The same time in all threads, in milliseconds. */
  readonly now: () => number;
  /** A backend has failed so often that it may have to be ejected. */
  readonly onSuspect: (upstream: string, suspect: { backend: string; inARow: number }) => void;
  readonly onPoolFull: (upstream: string, backend: string) => void;
}

/** One thread's part in what several share. */
export class SharedMembership implements Membership {
  readonly phase: number;
  readonly onPoolFull: (upstream: string, backend: string) => void;
  readonly #parts: SharedMembershipParts;
  readonly #totals: Int32Array;
  readonly #own: Int32Array;
  readonly #backends = new Map<string, ReadonlyMap<string, number>>();
  #services: Slots["services"] = new Map();
  #limiters: Slots["limiters"] = new Map();

  constructor(parts: SharedMembershipParts) {
    this.#parts = parts;
    this.phase = parts.phase;
    this.onPoolFull = parts.onPoolFull;
    this.#totals = new Int32Array(parts.totals);
    this.#own = new Int32Array(parts.own);
  }

  /** Uses these blocks from now on. */
  use({ services, backends, limiters }: Slots): void {
    this.#services = services;
    this.#limiters = limiters;
    this.#backends.clear();
    for (const [upstream, slots] of backends) this.#backends.set(upstream, slots);
  }

  /** Uses these blocks for the backends of one upstream. */
  useBackends(upstream: string, slots: ReadonlyMap<string, number>): void {
    this.#backends.set(upstream, slots);
  }

  service(name: string): ServiceSlots | undefined {
    const index = this.#services.get(name);
    if (index === undefined) return undefined;
    return { connections: this.#slot(index), handshakes: this.#slot(index + 1) };
  }

  backend(upstream: string, key: string): BackendSlots | undefined {
    const index = this.#indexOf(upstream, key);
    if (index === undefined) return undefined;
    return { connections: this.#slot(index), open: this.#slot(index + 1), wanted: this.#slot(index + 2) };
  }

  limiter(service: string, rate: RateOptions): SourceLimiter | undefined {
    const memory = this.#limiters.get(limiterKey(service, rate));
    return memory && new SharedRateLimiter(memory, { rate, now: this.#parts.now });
  }

  failures(upstream: string): SharedFailures<Backend> {
    const indexOf = ({ key }: Backend, kind: FailureKind) => {
      const index = this.#indexOf(upstream, key);
      return index === undefined ? undefined : index + (kind === "connect" ? 3 : 4);
    };
    return {
      count: (backend, kind) => {
        const index = indexOf(backend, kind);
        return index === undefined ? 0 : Atomics.add(this.#totals, index, 1) + 1;
      },
      reset: (backend, kind) => {
        const index = indexOf(backend, kind);
        if (index !== undefined && Atomics.load(this.#totals, index) !== 0) {
          Atomics.store(this.#totals, index, 0);
        }
      },
      onSuspect: ({ key }, inARow) => this.#parts.onSuspect(upstream, { backend: key, inARow }),
    };
  }

  #indexOf(upstream: string, key: string): number | undefined {
    return this.#backends.get(upstream)?.get(key);
  }

  #slot(index: number) {
    return { totals: this.#totals, own: this.#own, index };
  }
}
