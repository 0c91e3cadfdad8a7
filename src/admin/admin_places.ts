import { type EvictionPlace, EvictionQueue, type Holder } from "../core/eviction_queue.ts";
import type { ClientAddress } from "../net/client_address.ts";
import { isLoopback } from "../net/loopback.ts";
import { DEFAULT_SOURCE_PREFIX, sourceKey } from "../net/source_key.ts";

/** Which connection waits longest decides at once: an admin request takes milliseconds. */
const GRACE_MS = 0;

/**
 * Bounds the connections of the admin listener, so that those that wait for their client keep no other out: silent
 * ones, those in a handshake, slow requests, idle ones, and slow readers. At the bound the one that has waited longest
 * of the source that has the most is evicted for the next client.
 *
 * Clients from elsewhere in their TLS handshake have half of the places at most, and are evicted first; then those on
 * this machine in theirs; then those that have come in. A connection whose request is being handled is not evicted.
 */
export class AdminPlaces {
  readonly #maxConnections: number;
  readonly #clock: { now(): number };
  /** Connections that wait for their client, those that are evicted first in front. */
  readonly #queues: Queues = {
    strangers: new EvictionQueue(),
    local: new EvictionQueue(),
    admitted: new EvictionQueue(),
  };
  #size = 0;

  constructor(options: { maxConnections: number; clock: { now(): number } }) {
    this.#maxConnections = options.maxConnections;
    this.#clock = options.clock;
  }

  /** How many connections there are. */
  get size(): number {
    return this.#size;
  }

  /**
   * Gives a connection of this client a place, by evicting another where there is no room. `undefined`: there is
   * none, and it must be refused. `evict` ends the connection.
   */
  enter({ ip }: ClientAddress, evict: () => void): AdminPlace | undefined {
    const source = sourceKey(ip, DEFAULT_SOURCE_PREFIX);
    const local = ip === "unix" || isLoopback(ip);
    const { strangers } = this.#queues;
    const tooManyStrangers = !local && strangers.size >= Math.ceil(this.#maxConnections / 2);
    if ((tooManyStrangers || this.#size >= this.#maxConnections) && !this.#evictFor(source)) return undefined;
    this.#size++;
    const options = { source, clock: this.#clock, evict, onLeft: () => this.#size-- };
    return new AdminPlace(this.#queues, { ...options, local });
  }

  #evictFor(source: string): boolean {
    const queue = Object.values(this.#queues).find(({ size }) => size > 0);
    const evicted = queue?.candidate(source, { nowMs: this.#clock.now(), graceMs: GRACE_MS });
    if (evicted === undefined) return false;
    queue!.evict(evicted);
    return true;
  }
}

type Queues = Readonly<Record<"strangers" | "local" | "admitted", EvictionQueue<void>>>;

interface AdminPlaceOptions {
  readonly source: string;
  /** On this machine. */
  readonly local: boolean;
  readonly clock: { now(): number };
  readonly evict: () => void;
  readonly onLeft: () => void;
}

/** The place of one connection. It begins as one that waits for its client. */
export class AdminPlace implements Holder<void> {
  sinceMs = 0;
  readonly #queues: Queues;
  readonly #options: AdminPlaceOptions;
  #queue: EvictionQueue<void>;
  #waiting: EvictionPlace<void> | undefined;
  #left = false;

  constructor(queues: Queues, options: AdminPlaceOptions) {
    this.#queues = queues;
    this.#options = options;
    this.#queue = options.local ? queues.local : queues.strangers;
    this.wait();
  }

  /** The client is authenticated, or needs not be. */
  admitted(): void {
    this.work();
    this.#queue = this.#queues.admitted;
    this.wait();
  }

  /** The client is waited for from now on: for a request, or until it has taken an answer. */
  wait(): void {
    if (this.#waiting !== undefined || this.#left) return;
    this.sinceMs = this.#options.clock.now();
    this.#waiting = this.#queue.add(this, this.#options.source);
  }

  /** A request is being handled: it is not the client that is waited for. */
  work(): void {
    if (this.#waiting !== undefined) this.#queue.remove(this.#waiting);
    this.#waiting = undefined;
  }

  /** Gives the place back. Does nothing the second time. */
  leave(): void {
    this.work();
    if (this.#left) return;
    this.#left = true;
    this.#options.onLeft();
  }

  /** Its place goes to another client. */
  evict(): void {
    this.leave();
    this.#options.evict();
  }
}
