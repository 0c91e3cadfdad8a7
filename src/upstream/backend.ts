import { Bag } from "../core/bag.ts";
import { type Address, formatAddress } from "../net/address.ts";
import type { ConnectionPool } from "./pool.ts";

/** What is configured about one backend. */
export interface BackendSpec {
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
  /** The backend has left the set: the connection may finish, within the time that it has for that. */
  drain(): void;
}

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
  weight: number;
  maxConnections: number;
  backup: boolean;
  /** Connections in use or being dialled now. */
  active = 0;
  /** Connections handed out since the start. */
  total = 0;
  /** Tries to connect that failed since the start. */
  failures = 0;
  /** It has left the set. What was begun before may still end here. */
  removed = false;

  constructor(spec: BackendSpec, pool: ConnectionPool) {
    this.address = spec.address;
    this.key = formatAddress(spec.address);
    this.pool = pool;
    this.weight = spec.weight;
    this.maxConnections = spec.maxConnections;
    this.backup = spec.backup;
  }

  /** Whether it may take one more connection now. */
  get available(): boolean {
    return this.weight > 0 && (this.maxConnections === 0 || this.active < this.maxConnections);
  }

  /** Takes what is configured about it from now on. The address must be the same. */
  configure(spec: BackendSpec): void {
    this.weight = spec.weight;
    this.maxConnections = spec.maxConnections;
    this.backup = spec.backup;
  }
}
