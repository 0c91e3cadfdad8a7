import type { Clock } from "../core/clock.ts";
import type { Counter } from "../core/counter.ts";
import { type EvictionPlace, EvictionQueue } from "../core/eviction_queue.ts";
import { RefusalDelay } from "../upstream/refusal.ts";
import { RateLimiter } from "../core/rate_limiter.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import type { AddressSet } from "../net/address_set.ts";
import { DEFAULT_SOURCE_PREFIX, sourceKey } from "../net/source_key.ts";
import {
  type AdmissionOptions,
  DEFAULT_HANDSHAKE_GRACE_MS,
  DEFAULT_MAX_HANDSHAKES,
  type RateOptions,
} from "./options.ts";
import type { Refusal } from "./reason.ts";

/** Which connections a service admits. */
export interface AdmissionPolicy extends AdmissionOptions {
  /** The peers that must send a PROXY header; every other peer is refused. Absent: no header is expected. */
  readonly proxyFrom?: AddressSet | undefined;
  /** Whether clients must complete a handshake before they are served; `maxHandshakes` applies only then. */
  readonly needsHandshake: boolean;
}

/** Limits the connections of each source. */
export interface SourceLimiter {
  /** Counts a connection of this source if it is within the rate. */
  allow(source: string): boolean;
}

/** What an {@linkcode Admission} works with. */
export interface AdmissionParts {
  /** For `rate`. */
  readonly clock: Clock;
  /** For the age of handshakes. */
  readonly wheel: TimerWheel;
  /** The live connections of the service. Each that is admitted is added; the service removes it at its end. */
  readonly connections: Counter;
  /** Makes what counts for `rate`. @default {RateLimiter} */
  readonly createLimiter?: ((rate: RateOptions) => SourceLimiter | undefined) | undefined;
  /** Whether there are too few file descriptors for another connection of the service. @default never */
  readonly outOfDescriptors?: (() => boolean) | undefined;
}

/**
 * Decides which connections are admitted: {@linkcode checkAccepted} when a connection is accepted,
 * {@linkcode checkClient} when a PROXY header has named the client behind it. Both are cheap, as a flood of refused
 * connections must cost little.
 */
export class Admission {
  /** Clients that have not completed their handshake. At a limit one of them may be evicted for the next client. */
  readonly handshakes = new EvictionQueue<Refusal>();
  /** No more connections come: {@linkcode awaitRoom} returns at once. */
  closing = false;
  readonly #parts: AdmissionParts;
  #policy: AdmissionPolicy;
  #limiter: SourceLimiter | undefined;
  readonly #refusalDelay = new RefusalDelay();

  constructor(policy: AdmissionPolicy, parts: AdmissionParts) {
    this.#parts = parts;
    this.#policy = policy;
    this.#limiter = this.#createLimiter(policy.rate);
  }

  /** Connections that wait for room now. */
  get waiting(): number {
    return this.#refusalDelay.pending;
  }

  /** The source that `ip` belongs to, for `rate` and for the eviction of handshakes. */
  source(ip: string): string {
    return sourceKey(ip, this.#policy.sourcePrefix ?? DEFAULT_SOURCE_PREFIX);
  }

  /** Whether a connection from `ip` fits in: `false` if a limit is the only reason to refuse it. */
  hasRoom(ip: string): boolean {
    if (this.#checkLimits() === undefined || this.#evictionCandidate(ip) !== undefined) return true;
    return this.#checkPeer(ip) !== undefined;
  }

  /** Waits for room, see {@linkcode RefusalDelay}. */
  awaitRoom(ip: string): Promise<void> {
    return this.#refusalDelay.wait(() => this.closing || this.hasRoom(ip));
  }

  /**
   * Whether a connection accepted from `ip` is refused, before a byte of it is read; `undefined`: it is admitted. At a
   * limit a pending handshake may be evicted for it.
   */
  checkAccepted(ip: string): Refusal | undefined {
    const byAddress = this.#checkPeer(ip);
    if (byAddress !== undefined) return byAddress;
    const full = this.#checkLimits();
    const evicted = full && this.#evictionCandidate(ip);
    if (full !== undefined && evicted === undefined) return full;
    // Behind a proxy the rate is that of the client, which is not known yet.
    const byRate = this.#policy.proxyFrom === undefined ? this.#checkRate(ip) : undefined;
    if (byRate !== undefined) return byRate;
    if (evicted === undefined) return this.#takePlaces();
    // Last, as a client that is refused by a rule must not evict another one.
    this.handshakes.evict(evicted, full!);
    this.#takePlaces({ unlimited: true });
    return undefined;
  }

  /**
   * Whether the client at `ip`, as named by the PROXY header of an admitted connection, is refused; `undefined`: it is
   * admitted.
   */
  checkClient(ip: string): Refusal | undefined {
    const others = this.#parts.connections.value - 1;
    return this.#checkAddress(ip) ?? this.#checkConnections(others) ?? this.#checkRate(ip);
  }

  /** Takes a new policy. The rate that clients have used stays used unless `rate` or `sourcePrefix` changes. */
  update(policy: AdmissionPolicy): void {
    const { ipv4, ipv6 } = this.#policy.sourcePrefix ?? DEFAULT_SOURCE_PREFIX;
    const prefix = policy.sourcePrefix ?? DEFAULT_SOURCE_PREFIX;
    const [a, b] = [this.#policy.rate, policy.rate];
    const isSameRate = a?.connections === b?.connections && a?.perMs === b?.perMs && a?.burst === b?.burst;
    const isSameSource = prefix.ipv4 === ipv4 && prefix.ipv6 === ipv6;
    if (!isSameRate || !isSameSource) this.#limiter = this.#createLimiter(policy.rate);
    this.#policy = policy;
  }

  /** The peer is the client, or a proxy that must be trusted. */
  #checkPeer(ip: string): Refusal | undefined {
    const { proxyFrom } = this.#policy;
    if (proxyFrom === undefined) return this.#checkAddress(ip);
    return proxyFrom.has(ip) ? undefined : "refused-by-proxy";
  }

  #checkAddress(ip: string): Refusal | undefined {
    const { allow, deny } = this.#policy;
    if (deny !== undefined && deny.has(ip)) return "refused-by-deny";
    return allow !== undefined && !allow.has(ip) ? "refused-by-allow" : undefined;
  }

  /** The limit that leaves no room for another connection. */
  #checkLimits(): Refusal | undefined {
    const { maxHandshakes = DEFAULT_MAX_HANDSHAKES, needsHandshake } = this.#policy;
    if (this.#parts.outOfDescriptors?.() === true) return "refused-by-descriptors";
    const isFull = needsHandshake && maxHandshakes > 0 && this.handshakes.count.value >= maxHandshakes;
    return isFull ? "refused-by-handshakes" : this.#checkConnections(this.#parts.connections.value);
  }

  /** Takes a place within each limit; returns the one that has been used up by other threads meanwhile. */
  #takePlaces({ unlimited = false } = {}): Refusal | undefined {
    const { maxConnections, maxHandshakes = DEFAULT_MAX_HANDSHAKES, needsHandshake } = this.#policy;
    if (!this.#parts.connections.tryAdd(unlimited ? 0 : maxConnections)) return "refused-by-limit";
    if (!needsHandshake || this.handshakes.reserve(unlimited ? 0 : maxHandshakes)) return undefined;
    this.#parts.connections.remove();
    return "refused-by-handshakes";
  }

  #checkConnections(active: number): Refusal | undefined {
    const { maxConnections } = this.#policy;
    return maxConnections > 0 && active >= maxConnections ? "refused-by-limit" : undefined;
  }

  /** Counts the connection if it is within the rate. */
  #checkRate(ip: string): Refusal | undefined {
    if (this.#limiter === undefined || this.#limiter.allow(this.source(ip))) return undefined;
    return "refused-by-rate";
  }

  #evictionCandidate(ip: string): EvictionPlace<Refusal> | undefined {
    return this.handshakes.candidate(this.source(ip), {
      nowMs: this.#parts.wheel.now(),
      graceMs: this.#policy.handshakeGraceMs ?? DEFAULT_HANDSHAKE_GRACE_MS,
    });
  }

  /** Counts by another limiter from now on, such as one that is shared with other threads. */
  replaceLimiter(): void {
    this.#limiter = this.#createLimiter(this.#policy.rate);
  }

  #createLimiter(rate: RateOptions | undefined): SourceLimiter | undefined {
    const { createLimiter, clock } = this.#parts;
    if (rate === undefined) return undefined;
    return createLimiter?.(rate) ?? new RateLimiter({ ...rate, clock });
  }
}
