import type { AddressSet } from "../net/address_set.ts";
import type { SourcePrefix } from "../net/source_key.ts";

/** How long each wait of a connection may take, in milliseconds. 0 switches a timer off. */
export interface Timeouts {
  /** Dialling one backend; never 0. @default {10_000} */
  readonly connectMs: number;
  /** What the client must say before it is served (TLS, PROXY header, request head). @default {10_000} */
  readonly handshakeMs: number;
  /** No byte in either direction. @default {90_000} */
  readonly idleMs: number;
  /** After one side has finished, how long the other may go on. @default {60_000} */
  readonly halfCloseMs: number;
  /** The longest that a connection may live. @default {0} */
  readonly lifetimeMs: number;
  /** On stop or reload, how long live connections may finish. @default {30_000} */
  readonly drainMs: number;
}

/** What holds where nothing else is said. */
export const DEFAULT_TIMEOUTS: Timeouts = {
  connectMs: 10_000,
  handshakeMs: 10_000,
  idleMs: 90_000,
  halfCloseMs: 60_000,
  lifetimeMs: 0,
  drainMs: 30_000,
};

/** Connections of a service at once, where nothing else is said. */
export const DEFAULT_MAX_CONNECTIONS = 10_000;

/** Handshakes of a service at once, where nothing else is said. */
export const DEFAULT_MAX_HANDSHAKES = 1000;

/** How old a handshake is when it is the first to be evicted, where nothing else is said, in milliseconds. */
export const DEFAULT_HANDSHAKE_GRACE_MS = 1000;

/** A token bucket for each source of connections. */
export interface RateOptions {
  /** Connections that a client may open in `perMs`. */
  readonly connections: number;
  /** The time that `connections` refers to, in milliseconds. */
  readonly perMs: number;
  /** Connections that it may open at once after a rest. @default `connections` */
  readonly burst: number;
}

/** Who may come in, and how many at once. */
export interface AdmissionOptions {
  /** Client addresses that may come in; absent: all. */
  readonly allow?: AddressSet;
  /** Client addresses that may not; wins over `allow`. */
  readonly deny?: AddressSet;
  /** Connections at once; 0: no bound. One more is refused, within some 20 ms. @default {10_000} */
  readonly maxConnections: number;
  /**
   * Clients at once that have not yet said what they must (TLS handshake, PROXY header, server name); 0: no bound.
   * At the bound, and at `maxConnections`, one of them is evicted for the next client: the oldest of the source that
   * has the most if that has more than the next client's; else the oldest if it is older than `handshakeGraceMs`;
   * else a random one.
   * @default {1000}
   */
  readonly maxHandshakes?: number;
  /** From what age on, in milliseconds, the oldest handshake is evicted rather than a random one. @default {1000} */
  readonly handshakeGraceMs?: number;
  /**
   * What counts as one source, for `rate` and for evicting handshakes: addresses that have so many leading bits in
   * common. @default {DEFAULT_SOURCE_PREFIX}
   */
  readonly sourcePrefix?: SourcePrefix;
  /** How fast a client may come back; absent: as it likes. */
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
