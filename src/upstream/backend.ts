import { Bag } from "../core/unordered_list.ts";
import { type Address, formatAddress } from "../net/address.ts";
import { Health } from "./check/health.ts";
import type { ConnectionPool } from "./pool/pool.ts";

/** What is configured about one backend. */
export interface BackendSpec {
  /** Where it is. */
  readonly address: Address;
  /** Its share of new connections. 0 takes no new ones. A whole number, 0 to 65535. */
  readonly weight: number;
  /** The most connections at once; 0: no bound. */
  readonly maxConnections: number;
  /** Used only when no other backend is available. */
  readonly backup: boolean;
}

/** A live connection to a backend, as the backend's upstream sees it. */
export interface LiveConnection {
  /** The backend has left the set: ends the connection now. */
  onBackendRemoved(): void;
  /** The backend is down: ends the connection now. */
  onBackendDown(): void;
  /** The backend has left the set: the connection may finish, within the time that it has for that. */
  drain(): void;
}

/**
 * Whether a backend may take connections, as far as is known; where several hold, the first:
 *
 * - `drained`: taken out by hand, or at weight 0.
 * - `down`: by its checks.
 * - `ejected`: live traffic failed, and it is left alone for a while.
 * - `unknown`: its first check has not ended yet; it may.
 * - `up`: it may.
 */
export type BackendState = "drained" | "down" | "ejected" | "unknown" | "up";

/**
 * One address that serves, with what it has shown of itself. It lives as long as its address stays in the set,
 * across reloads; only its upstream changes what is configured about it.
 */
export class Backend {
  /** The address as text: the backend's identity within its upstream. */
  readonly key: string;
  readonly address: Address;
  readonly pool: ConnectionPool;
  /** What uses it now. Whoever holds a connection adds itself and takes itself out. */
  readonly live = new Bag<LiveConnection>();
  /** What active checks have shown; of no account where there are none. */
  readonly health = new Health();
  /** The part of its weight that it has, above 0 to 1: less than 1 while it starts slowly. */
  share = 1;
  /** Connections in use or being dialled now. */
  active = 0;
  /** Connections handed out since the start. */
  total = 0;
  /** Tries to connect that failed since the start. */
  failures = 0;
  /** What the last of these failed with. */
  lastFailure: string | undefined;
  /** It has left the set. What was begun before may still end here. */
  removed = false;
  /** It is down, and its connections end with that. */
  cutOff = false;
  /** When its state became what it is, in milliseconds since 1970. */
  stateSince = Date.now();
  readonly #onRoom: ((freed: boolean) => void) | undefined;
  #spec: BackendSpec;
  #checked = false;
  #down = false;
  #ejected = false;
  #takenOut = false;
  /** Kept, as it is asked for at every pick. */
  #fit = true;

  /**
   * `onRoom` is called when it may take more or less than before: `freed` by the end of a connection, or for any other
   * reason.
   */
  constructor(spec: BackendSpec, pool: ConnectionPool, onRoom?: (freed: boolean) => void) {
    this.address = spec.address;
    this.key = formatAddress(spec.address);
    this.pool = pool;
    this.#spec = spec;
    this.#change(() => {});
    this.#onRoom = onRoom;
  }

  /** What is configured about it. */
  get spec(): BackendSpec {
    return this.#spec;
  }

  /** Its share of new connections, as the balancers see it. */
  get weight(): number {
    return this.#spec.weight * this.share;
  }

  /** Whether it is used only when no other backend is available. */
  get backup(): boolean {
    return this.#spec.backup;
  }

  /** Whether it may take one more connection now. */
  get available(): boolean {
    const { maxConnections } = this.#spec;
    return this.#fit && (maxConnections === 0 || this.active < maxConnections);
  }

  /** Whether it would take one more connection if it had not as many as it may. */
  get full(): boolean {
    const { maxConnections } = this.#spec;
    return this.#fit && maxConnections > 0 && this.active >= maxConnections;
  }

  /** A connection has ended, or could not be made. */
  release(): void {
    this.active--;
    this.#onRoom?.(true);
  }

  get state(): BackendState {
    if (this.#takenOut || this.#spec.weight === 0) return "drained";
    if (this.#down) return "down";
    if (this.#ejected) return "ejected";
    return this.#checked && this.health.state === "unknown" ? "unknown" : "up";
  }

  /** Live traffic has shown that it fails: it is left alone for a while. */
  get ejected(): boolean {
    return this.#ejected;
  }

  set ejected(ejected: boolean) {
    this.#change(() => this.#ejected = ejected);
  }

  /** Somebody has taken it out by hand: it keeps what it has and takes nothing new. */
  get takenOut(): boolean {
    return this.#takenOut;
  }

  set takenOut(takenOut: boolean) {
    this.#change(() => this.#takenOut = takenOut);
  }

  /** Whether active checks say that it is down. */
  get down(): boolean {
    return this.#down;
  }

  /** Follows what its checks have shown; `checked` says whether there are any. */
  followHealth(checked: boolean): void {
    this.#change(() => {
      this.#checked = checked;
      this.#down = checked && this.health.state === "down";
    });
  }

  /** Takes what is configured about it from now on. The address must be the same. */
  configure(spec: BackendSpec): void {
    this.#change(() => this.#spec = spec);
  }

  #change(change: () => void): void {
    const before = this.state;
    change();
    const { state } = this;
    this.#fit = state === "up" || state === "unknown";
    this.pool.rest(!this.#fit);
    if (state !== before) this.stateSince = Date.now();
    this.#onRoom?.(false);
  }
}
