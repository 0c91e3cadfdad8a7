import { type Address, formatAddress } from "../net/address.ts";

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

/**
 * One address that serves, with what it has shown of itself. It lives as long as its address stays in the set,
 * across reloads; only its upstream changes what is configured about it.
 */
export class Backend {
  /** The address as text: the backend's identity within its upstream. */
  readonly key: string;
  readonly address: Address;
  weight: number;
  maxConnections: number;
  backup: boolean;
  /** Connections in use or being dialled now. */
  active = 0;
  /** Connections handed out since the start. */
  total = 0;
  /** Dials that failed since the start. */
  failures = 0;

  constructor(spec: BackendSpec) {
    this.address = spec.address;
    this.key = formatAddress(spec.address);
    this.weight = spec.weight;
    this.maxConnections = spec.maxConnections;
    this.backup = spec.backup;
  }

  /** Whether it may take one more connection now. */
  get available(): boolean {
    return this.weight > 0 && (this.maxConnections === 0 || this.active < this.maxConnections);
  }
}
