import type { AddressSet } from "../net/address_set.ts";
import type { SourcePrefix } from "../net/source_key.ts";

/** The timeouts of a connection, in milliseconds; 0: none. */
export interface Timeouts {
  /** For connecting to one backend; never 0. @default {10_000} */
  readonly connectMs: number;
  /** For the handshake of the client (PROXY header, ClientHello, TLS, request head). @default {10_000} */
  readonly handshakeMs: number;
  /** Without a byte in either direction. @default {90_000} */
  readonly idleMs: number;
  /** For the other side to finish after one has. @default {60_000} */
  readonly halfCloseMs: number;
  /** For the whole connection. @default {0} */
  readonly lifetimeMs: number;
  /** For open connections to finish on stop or reload. @default {30_000} */
  readonly drainMs: number;
}

/** The defaults of {@linkcode Timeouts}. */
export const DEFAULT_TIMEOUTS: Timeouts = {
  connectMs: 10_000,
  handshakeMs: 10_000,
  idleMs: 90_000,
  halfCloseMs: 60_000,
  lifetimeMs: 0,
  drainMs: 30_000,
};

/** The default of `maxConnections`. */
export const DEFAULT_MAX_CONNECTIONS = 10_000;

/** The default of `maxHandshakes`. */
export const DEFAULT_MAX_HANDSHAKES = 1000;

/** The default of `handshakeGraceMs`, in milliseconds. */
export const DEFAULT_HANDSHAKE_GRACE_MS = 1000;

/** A token bucket for each source. */
export interface RateOptions {
  /** Connections that a source may open in `perMs`. */
  readonly connections: number;
  /** The period, in milliseconds. */
  readonly perMs: number;
  /** Connections that it may open at once. @default `connections` */
  readonly burst: number;
}

/** Which connections a service admits. */
export interface AdmissionOptions {
  /** Addresses that are admitted; absent: all. */
  readonly allow?: AddressSet;
  /** Addresses that are refused; takes precedence over `allow`. */
  readonly deny?: AddressSet;
  /** The most connections at once; 0: no limit. The next one is refused, within some 20 ms. @default {10_000} */
  readonly maxConnections: number;
  /**
   * The most pending handshakes (PROXY header, ClientHello, TLS) at once; 0: no limit. At the limit, and at
   * `maxConnections`, one of them is evicted for the next client: the oldest of the source with the most, if that has
   * more than the source of the next client; else the oldest, if it is older than `handshakeGraceMs`; else a random one.
   * @default {1000}
   */
  readonly maxHandshakes?: number;
  /** The age from which on the oldest handshake is evicted rather than a random one, in milliseconds. @default {1000} */
  readonly handshakeGraceMs?: number;
  /**
   * The prefix lengths of a source, for `rate` and for the eviction of handshakes: addresses with the same prefix are one
   * source. @default {DEFAULT_SOURCE_PREFIX}
   */
  readonly sourcePrefix?: SourcePrefix;
  /** The rate at which a source may open connections; absent: no limit. */
  readonly rate?: RateOptions;
}

/** What a service demands of the connections that its listeners accept, checked and complete. */
export interface ServiceOptions {
  readonly name: string;
  /** Which connections are admitted. */
  readonly admission: AdmissionOptions;
  /**
   * The peers that must send a PROXY header, which names the client; every other peer is refused. Absent: no header is
   * expected.
   */
  readonly proxyFrom?: AddressSet;
  readonly timeouts: Timeouts;
}
