import type { Clock } from "../core/clock.ts";
import type { SourceLimiter } from "../service/admission.ts";
import type { RateOptions } from "../service/options.ts";
import type { Service } from "../service/service.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { type Membership, RETRY_MS } from "./membership.ts";

/** What {@linkcode SharedLimits} work with. */
export interface SharedLimitsParts {
  readonly clock: Clock;
  readonly services: () => Iterable<readonly [name: string, { readonly service: Service }]>;
  readonly upstreams: () => Iterable<Upstream>;
  /** What the data plane shares from the start on. */
  readonly membership?: Membership | undefined;
}

/** Makes the limits of a data plane hold for all that carry the same snapshot. Until it joins them, it does nothing. */
export class SharedLimits {
  readonly #parts: SharedLimitsParts;
  /** Upstreams in which connections wait for room that other threads may make. */
  readonly #waiting = new Set<Upstream>();
  #membership: Membership | undefined;

  constructor(parts: SharedLimitsParts) {
    this.#parts = parts;
    this.#membership = parts.membership;
  }

  /** Shares with others from the next {@linkcode share} on. */
  join(membership: Membership): void {
    if (this.#membership !== undefined) return;
    this.#membership = membership;
    for (const [, { service }] of this.#parts.services()) service.admission.replaceLimiter();
  }

  /** The limiter of a service; absent: it counts alone. */
  limiter(service: string, rate: RateOptions): SourceLimiter | undefined {
    return this.#membership?.limiter(service, rate);
  }

  /** Joins the counters of services and backends with those of other threads, before they are used. */
  share(): void {
    const membership = this.#membership;
    if (membership === undefined) return;
    for (const [name, { service }] of this.#parts.services()) {
      const slots = membership.service(name);
      if (slots === undefined) continue;
      service.connections.share(slots.connections);
      service.admission.handshakes.count.share(slots.handshakes);
    }
    for (const upstream of this.#parts.upstreams()) {
      upstream.outlier.share(membership.failures(upstream.name));
      for (const backend of upstream.backends) {
        const slots = backend.connections.shared ? undefined : membership.backend(upstream.name, backend.key);
        if (slots !== undefined) backend.shareCounts(slots);
      }
    }
  }

  /** A connection waits for room, in a pool if `backend` is given. What other threads do is not told, so it is looked for. */
  onWait(upstream: Upstream | undefined, backend: string | undefined): void {
    if (this.#membership === undefined || upstream === undefined) return;
    if (backend !== undefined) this.#membership.onPoolFull(upstream.name, backend);
    const isRunning = this.#waiting.size > 0;
    this.#waiting.add(upstream);
    if (!isRunning) this.#parts.clock.after(RETRY_MS, () => this.#retry());
  }

  #retry(): void {
    for (const upstream of this.#waiting) if (!upstream.retryWaiting()) this.#waiting.delete(upstream);
    if (this.#waiting.size > 0) this.#parts.clock.after(RETRY_MS, () => this.#retry());
  }
}
