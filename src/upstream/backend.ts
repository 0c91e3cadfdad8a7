import { Counter, type CounterSlot } from "../core/counter.ts";
import { UnorderedList } from "../core/unordered_list.ts";
import { type Address, formatAddress } from "../net/address.ts";
import { Health } from "./check/health.ts";
import type { BackendSpec } from "./options.ts";
import type { ConnectionPool, PoolStats } from "./pool/pool.ts";

/** An open connection to a backend, as the backend's upstream sees it. */
export interface LiveConnection {
  /** The backend was removed from the set: ends the connection now. */
  onBackendRemoved(): void;
  /** The backend is down: ends the connection now. */
  onBackendDown(): void;
  /** The backend was removed from the set: lets the connection finish within its drain timeout. */
  drain(): void;
  /** An operator closes the connections of the backend: ends the connection now. */
  onClosedByAdmin(): void;
}

/**
 * Whether a backend may take connections, as far as is known; the first of these that applies:
 *
 * - `drained`: disabled by an operator, or at weight 0.
 * - `down`: its health checks fail.
 * - `ejected`: it failed live traffic, and takes none for a while.
 * - `unknown`: its first health check has not ended; it may.
 * - `up`: it may.
 */
export type BackendState = "drained" | "down" | "ejected" | "unknown" | "up";

/** Where the counts of one backend are shared. */
export interface BackendSlots {
  /** Connections in use or being dialled. */
  readonly connections: CounterSlot;
  /** Connections of the pool. */
  readonly open: CounterSlot;
  /** Callers that wait for a connection of the pool. */
  readonly wanted: CounterSlot;
}

/** What a {@linkcode Backend} works with; one object serves all backends of an upstream. */
export interface BackendParts {
  /** Creates its pool, which rests while the backend takes no connections. */
  readonly createPool: (backend: Backend) => ConnectionPool;
  /** It may take more or fewer connections: `freed` by the end of a connection, or for any other reason. */
  readonly onRoom?: (freed: boolean) => void;
}

const UNUSED: PoolStats = { idle: 0, active: 0, waiting: 0, waits: 0 };

/**
 * One backend of an upstream, with its state and statistics. It lives as long as its address stays in the set, across
 * reloads; only its upstream changes its configuration.
 */
export class Backend {
  /** The address as text: the backend's identity within its upstream. */
  readonly key: string;
  readonly address: Address;
  /** The connections that use it. Their owners add and remove them. */
  readonly live = new UnorderedList<LiveConnection>();
  /** Connections in use, or being dialled. */
  readonly connections = new Counter();
  /** What health checks have shown; meaningless without checks. */
  readonly health = new Health();
  readonly #parts: BackendParts;
  #pool: ConnectionPool | undefined;
  #slots: BackendSlots | undefined;
  #spec: BackendSpec;
  #share = 1;
  #total = 0;
  #failures = 0;
  #lastFailure: string | undefined;
  #removed = false;
  #closeOnDown = false;
  #checked = false;
  #down = false;
  #ejected = false;
  #ejections = 0;
  #disabled = false;
  #stateSince = Date.now();
  /** Stored, as every pick asks for it. */
  #usable = true;

  constructor(spec: BackendSpec, parts: BackendParts) {
    this.address = spec.address;
    this.key = formatAddress(spec.address);
    this.#spec = spec;
    this.#parts = parts;
    this.#usable = spec.weight !== 0;
  }

  /** Its connections. Created when first asked for: of a large set, most backends may never be used. */
  get pool(): ConnectionPool {
    if (this.#pool === undefined) {
      this.#pool = this.#parts.createPool(this);
      if (this.#slots !== undefined) sharePool(this.#pool, this.#slots);
      if (this.#removed) void this.#pool.close();
    }
    return this.#pool;
  }

  /** The same, if it has been created. */
  get usedPool(): ConnectionPool | undefined {
    return this.#pool;
  }

  /** The statistics of its pool. */
  get poolStats(): PoolStats {
    return this.#pool?.stats ?? UNUSED;
  }

  /** Whether it may take connections by its state. */
  get usable(): boolean {
    return this.#usable;
  }

  /** Its configuration. */
  get spec(): BackendSpec {
    return this.#spec;
  }

  /** Its share of new connections, as the balancers see it. */
  get weight(): number {
    return this.#spec.weight * this.#share;
  }

  /** The fraction of its weight that it has, above 0 to 1: less than 1 during slow start. */
  get share(): number {
    return this.#share;
  }

  /** Whether it is used only if no other backend is available. */
  get backup(): boolean {
    return this.#spec.backup;
  }

  /** Connections in use, or being dialled: over all threads, if they are shared. */
  get active(): number {
    return this.connections.value;
  }

  /** Connections made since the start. */
  get total(): number {
    return this.#total;
  }

  /** Failed attempts to connect since the start. */
  get failures(): number {
    return this.#failures;
  }

  /** The error of the last of these. */
  get lastFailure(): string | undefined {
    return this.#lastFailure;
  }

  /** Whether it may take another connection now. */
  get available(): boolean {
    const { maxConnections } = this.#spec;
    return this.#usable && (maxConnections === 0 || this.connections.value < maxConnections);
  }

  /** Whether `maxConnections` is all that keeps it from taking another connection. */
  get full(): boolean {
    const { maxConnections } = this.#spec;
    return this.#usable && maxConnections > 0 && this.connections.value >= maxConnections;
  }

  get state(): BackendState {
    if (this.#disabled || this.#spec.weight === 0) return "drained";
    if (this.#down) return "down";
    if (this.#ejected) return "ejected";
    return this.#checked && this.health.state === "unknown" ? "unknown" : "up";
  }

  /** When it entered its state, in milliseconds since 1970. */
  get stateSince(): number {
    return this.#stateSince;
  }

  /** Whether it was removed from the set. Connections and attempts to connect may still be under way. */
  get removed(): boolean {
    return this.#removed;
  }

  /** Whether health checks say that it is down. */
  get down(): boolean {
    return this.#down;
  }

  /** Whether it is down and its connections end for that (`onDown: close`). */
  get closeOnDown(): boolean {
    return this.#closeOnDown;
  }

  /** Whether it has failed live traffic, and takes none for a while. */
  get ejected(): boolean {
    return this.#ejected;
  }

  set ejected(ejected: boolean) {
    if (ejected && !this.#ejected) this.#ejections++;
    this.#change(() => this.#ejected = ejected);
  }

  /** How often it has been ejected since the start. */
  get ejections(): number {
    return this.#ejections;
  }

  /** Whether an operator has disabled it: it keeps its connections and takes no new ones. */
  get disabled(): boolean {
    return this.#disabled;
  }

  set disabled(disabled: boolean) {
    this.#change(() => this.#disabled = disabled);
  }

  /** Counts with other threads from now on. Does nothing the second time. */
  shareCounts(slots: BackendSlots): void {
    if (this.#slots !== undefined) return;
    this.#slots = slots;
    this.connections.share(slots.connections);
    if (this.#pool !== undefined) sharePool(this.#pool, slots);
  }

  /**
   * Counts a connection that is about to be made, after which the caller calls `release` once. Returns false if another
   * thread has just taken the last one that `maxConnections` allows.
   */
  acquire(): boolean {
    return this.connections.tryAdd(this.#spec.maxConnections);
  }

  /** A connection has ended, or could not be made. */
  release(): void {
    this.connections.remove();
    this.#parts.onRoom?.(true);
  }

  /** A connection was made. */
  connected(): void {
    this.#total++;
  }

  /** A connection could not be made, or broke before it could be used. */
  failed(error?: string): void {
    this.#failures++;
    if (error !== undefined) this.#lastFailure = error;
  }

  /** Sets {@linkcode share}. The caller tells the balancers. */
  scale(share: number): void {
    this.#share = share;
  }

  /** Follows the health checks; `checked` says whether there are any. */
  followHealth(checked: boolean): void {
    this.#change(() => {
      this.#checked = checked;
      this.#down = checked && this.health.state === "down";
    });
  }

  /** Ends its connections because it is down. */
  closeConnections(): void {
    this.#closeOnDown = true;
    for (const connection of this.live) connection.onBackendDown();
  }

  /** It is up again: connections to it are not ended any more. */
  keepConnections(): void {
    this.#closeOnDown = false;
  }

  /** Ends the connections that use it, by order of an operator. Returns their number. */
  closeByAdmin(): number {
    const { size } = this.live;
    for (const connection of this.live) connection.onClosedByAdmin();
    return size;
  }

  /** It was removed from the set: its pool closes, and its connections drain or end. */
  remove(onRemove: "close" | "drain"): void {
    this.#removed = true;
    void this.#pool?.close();
    for (const connection of this.live) {
      if (onRemove === "close") connection.onBackendRemoved();
      else connection.drain();
    }
  }

  /** Takes a new configuration. The address must be the same. */
  configure(spec: BackendSpec): void {
    this.#change(() => this.#spec = spec);
  }

  #change(change: () => void): void {
    const before = this.state;
    change();
    const { state } = this;
    this.#usable = state === "up" || state === "unknown";
    this.#pool?.rest(!this.#usable);
    if (state !== before) this.#stateSince = Date.now();
    this.#parts.onRoom?.(false);
  }
}

function sharePool({ open, wanted }: ConnectionPool, slots: BackendSlots): void {
  open.share(slots.open);
  wanted.share(slots.wanted);
}
