import { type EvictionPlace, EvictionQueue, type Holder } from "../core/eviction_queue.ts";
import type { ClientAddress } from "../net/client_address.ts";
import { isLoopback } from "../net/loopback.ts";
import { DEFAULT_SOURCE_PREFIX, sourceKey } from "../net/source_key.ts";

/** None: an admin request takes milliseconds, so the connection that has waited longest is evicted at once. */
const GRACE_MS = 0;

/**
 * Limits the connections of the admin listener without letting clients block each other. At the limit, a connection
 * that waits for its client (silent, in its handshake, sending a request slowly, idle, or reading slowly) is evicted for
 * the next client: the one that has waited longest, of the source with the most connections.
 *
 * Remote clients in their TLS handshake have at most half of the slots and are evicted first; then local clients in
 * theirs; then authenticated clients. A connection whose request is being handled is not evicted.
 */
export class ConnectionLimit {
  readonly #maxConnections: number;
  readonly #clock: { now(): number };
  /** Connections that wait for their client, in the order of eviction. */
  readonly #queues: Queues = {
    remote: new EvictionQueue(),
    local: new EvictionQueue(),
    authenticated: new EvictionQueue(),
  };
  #size = 0;

  constructor(options: { maxConnections: number; clock: { now(): number } }) {
    this.#maxConnections = options.maxConnections;
    this.#clock = options.clock;
  }

  /** The number of connections. */
  get size(): number {
    return this.#size;
  }

  /**
   * Takes a slot for a connection of this client, if necessary by evicting another connection. `undefined` if no slot
   * can be freed; then the connection must be refused. `evict` is called when the connection must end.
   */
  acquire({ ip }: ClientAddress, evict: () => void): ConnectionSlot | undefined {
    const source = sourceKey(ip, DEFAULT_SOURCE_PREFIX);
    const local = ip === "unix" || isLoopback(ip);
    const tooManyRemote = !local && this.#queues.remote.size >= Math.ceil(this.#maxConnections / 2);
    if ((tooManyRemote || this.#size >= this.#maxConnections) && !this.#evictFor(source)) return undefined;
    this.#size++;
    const options = { source, clock: this.#clock, evict, onReleased: () => this.#size-- };
    return new ConnectionSlot(this.#queues, { ...options, local });
  }

  #evictFor(source: string): boolean {
    const queue = Object.values(this.#queues).find(({ size }) => size > 0);
    const evicted = queue?.candidate(source, { nowMs: this.#clock.now(), graceMs: GRACE_MS });
    if (evicted === undefined) return false;
    queue!.evict(evicted);
    return true;
  }
}

type Queues = Readonly<Record<"remote" | "local" | "authenticated", EvictionQueue<void>>>;

interface ConnectionSlotOptions {
  readonly source: string;
  /** The client is on this machine. */
  readonly local: boolean;
  readonly clock: { now(): number };
  readonly evict: () => void;
  readonly onReleased: () => void;
}

/** The slot of one connection, which waits for its client at first. */
export class ConnectionSlot implements Holder<void> {
  sinceMs = 0;
  readonly #queues: Queues;
  readonly #options: ConnectionSlotOptions;
  #queue: EvictionQueue<void>;
  #waiting: EvictionPlace<void> | undefined;
  #released = false;

  constructor(queues: Queues, options: ConnectionSlotOptions) {
    this.#queues = queues;
    this.#options = options;
    this.#queue = options.local ? queues.local : queues.remote;
    this.waitForClient();
  }

  /** The client is authenticated, or need not be. */
  authenticated(): void {
    this.handleRequest();
    this.#queue = this.#queues.authenticated;
    this.waitForClient();
  }

  /** The connection waits for its client: for a request, or for a response to be read. */
  waitForClient(): void {
    if (this.#waiting !== undefined || this.#released) return;
    this.sinceMs = this.#options.clock.now();
    this.#waiting = this.#queue.add(this, this.#options.source);
  }

  /** A request is being handled, so the connection does not wait for its client. */
  handleRequest(): void {
    if (this.#waiting !== undefined) this.#queue.remove(this.#waiting);
    this.#waiting = undefined;
  }

  /** Frees the slot. Does nothing the second time. */
  release(): void {
    this.handleRequest();
    if (this.#released) return;
    this.#released = true;
    this.#options.onReleased();
  }

  /** Frees the slot for another client, and ends the connection. */
  evict(): void {
    this.release();
    this.#options.evict();
  }
}
