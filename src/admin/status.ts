import type { Problem } from "../config/problem/problem.ts";
import type { HistogramSnapshot } from "../core/histogram.ts";

// The document of `GET /api/status`. Times are ISO 8601 in UTC, durations are in seconds, sizes in bytes; counts are
// since the start of the program. What is optional is absent where there is nothing to say, and never null.

/** Everything about a running program, as it is at this moment. */
export interface Status {
  /** The program's version. */
  readonly version: string;
  /** The number of its process, where that may be told. */
  readonly pid?: number;
  /** Whether it should be sent connections: only when `ready`, and see `/readyz` for the rest of the answer. */
  readonly state: "starting" | "ready" | "draining" | "stopped";
  /** When the program started. */
  readonly startedAt: string;
  /** How long ago that was. */
  readonly uptimeSeconds: number;
  /** The last reload, which is the start until there has been another one. */
  readonly reload: ReloadStatus;
  /** In the order of the configuration. */
  readonly services: readonly ServiceStatus[];
  /** In the order of the configuration. */
  readonly upstreams: readonly UpstreamStatus[];
  /** The certificates that are shown to peers: the leaf of each chain. */
  readonly certificates: readonly CertificateStatus[];
  /** The lists of revoked certificates that are enforced. */
  readonly crls: readonly CrlStatus[];
}

/** How the last reload went. */
export interface ReloadStatus {
  /** The number of the configuration that runs: 1 at the start, one more with each good reload. */
  readonly generation: number;
  /** Since when that configuration runs. */
  readonly appliedAt: string;
  /** When the last reload was tried. */
  readonly at: string;
  /** Whether it went well. If not, the configuration from before goes on. */
  readonly ok: boolean;
  /** What it was for, such as `start`, `SIGHUP` or `admin`. */
  readonly why: string;
  /** What went wrong; absent if nothing did. */
  readonly error?: {
    /** A stable name, such as `bad_config` or `listen_failed`. */
    readonly code: string;
    /** For people; a line for each problem. */
    readonly message: string;
  };
  /** Everything that is wrong with the configuration; absent if that was not the fault. */
  readonly problems?: readonly Problem[];
}

/** One service. */
export interface ServiceStatus {
  readonly name: string;
  /** Where it listens, with the ports that were picked. */
  readonly listeners: readonly string[];
  /** The upstream for those whose name leads nowhere else; absent: these are refused. */
  readonly upstream?: string;
  /** Admitted connections that live now. */
  readonly active: number;
  /** Of these, clients that have not yet said what they must (TLS handshake, PROXY header, server name). */
  readonly handshakes: number;
  /** Admitted connections. */
  readonly total: number;
  /** Connections that were turned away: the sum of `refused`. */
  readonly rejected: number;
  /** The same, by reason, such as `refused-by-deny` or `tls-unknown-ca`. Reasons that never came up are absent. */
  readonly refused: Readonly<Record<string, number>>;
  /**
   * Connections that could not be accepted: `reset` by their clients before (scans do that), for want of `descriptors`,
   * or for `other` reasons.
   */
  readonly acceptFailures: Readonly<Record<"reset" | "descriptors" | "other", number>>;
  /** The admitted connections that have ended otherwise, by reason, such as `client-closed` or `idle`. */
  readonly ended: Readonly<Record<string, number>>;
  /** What has been delivered to backends, live connections included. */
  readonly bytesUp: number;
  /** What has been delivered to clients, live connections included. */
  readonly bytesDown: number;
  /** How long the admitted connections that have ended had lived. */
  readonly durationSeconds: HistogramSnapshot;
  /** How long it took to find a backend for those of them that got one. */
  readonly connectSeconds: HistogramSnapshot;
}

/** One upstream. */
export interface UpstreamStatus {
  readonly name: string;
  /** How a backend is picked, such as `round-robin`. */
  readonly balance: string;
  /** How many backends a new connection could go to now. */
  readonly available: number;
  /** The connections that wait for a backend, as every one is at its `maxConnections`. */
  readonly queue: QueueStatus;
  /** In the order of the set. */
  readonly backends: readonly BackendStatus[];
  /** Where the set comes from, besides the configuration; absent: from nowhere else. */
  readonly discovery?: readonly DiscoveryStatus[];
}

/**
 * What is known of a backend. If several hold, the first one counts.
 *
 * - `drained`: taken out by hand, or by a weight of 0; gets no new connections.
 * - `down`: its checks failed; gets no new connections.
 * - `ejected`: live connections failed; gets no new ones until `ejectedUntil`.
 * - `unknown`: its first check has not ended yet; gets connections.
 * - `up`: its checks are good, or there are none; gets connections.
 */
export type BackendState = "drained" | "down" | "ejected" | "unknown" | "up";

/** One backend of an upstream. */
export interface BackendStatus {
  /** The address as text: its identity within the upstream. */
  readonly address: string;
  readonly state: BackendState;
  /** Why, in a few words, such as what the last check said; absent where the state says it all. */
  readonly why?: string;
  /** Since when it has been in this state. */
  readonly since: string;
  /** Its configured share of new connections. */
  readonly weight: number;
  /** Its share at this moment, which slow start makes smaller; 0 if it gets none. */
  readonly effectiveWeight: number;
  /** The most connections at once; 0: no bound. */
  readonly maxConnections: number;
  /** Used only when no other backend is available. */
  readonly backup: boolean;
  /** Connections in use, or being dialled, now. */
  readonly active: number;
  /** Connections that were handed out. */
  readonly total: number;
  /** Tries to connect that failed. */
  readonly failures: number;
  /** The connections to it that are kept for the next ones. */
  readonly pool: PoolStatus;
  /** When it will be tried again; only while it is left alone because live connections failed. */
  readonly ejectedUntil?: string;
  /** What its active checks have shown; absent if there are none. */
  readonly check?: CheckStatus;
}

/** The queue of one upstream. */
export interface QueueStatus {
  /** Connections that wait now. */
  readonly waiting: number;
  /** Connections that had to wait. */
  readonly queued: number;
  /** Connections refused as `queue.max` waited already. */
  readonly full: number;
  /** Connections refused after `queue.timeout`. */
  readonly timedOut: number;
}

/** The pool of one backend. */
export interface PoolStatus {
  /** Connections that wait to be used. */
  readonly idle: number;
  /** Who waits now for one that becomes free, as `pool.maxOpen` is reached. */
  readonly waiting: number;
  /** How many have had to wait so. */
  readonly waits: number;
}

/** The active checks of one backend. Before the first one has ended only `type` and `inARow` are there. */
export interface CheckStatus {
  /** How it is checked: `tcp`, `half-open`, `tls`, `http` or `script`. */
  readonly type: string;
  /** When the last check ended. */
  readonly lastAt?: string;
  /** Whether that one was good. */
  readonly ok?: boolean;
  /** What it has seen, such as `answered 200` or why it failed. */
  readonly detail?: string;
  /** When the last good one ended. */
  readonly goodAt?: string;
  /** When the last failed one ended. */
  readonly badAt?: string;
  /** How many in a row have gone as the last one did. */
  readonly inARow: number;
  /** How often they have brought the backend down or up again. */
  readonly flips: number;
  /** Until when the certificate is good that the backend has shown. */
  readonly certificateValidTo?: string;
}

/** One source of backends. */
export interface DiscoveryStatus {
  /** What it is, such as `dns db.internal A`. */
  readonly name: string;
  /**
   * `waiting`: has said nothing yet. `ok`: its last word is in use. `failing`: it can't be asked, and its last set
   * goes on. `ended`: has said that its last word is final.
   */
  readonly state: "waiting" | "ok" | "failing" | "ended";
  /** Since when it has been in this state. */
  readonly since: string;
  /** Why it can't be asked; only while it is `failing`. */
  readonly error?: string;
  /** When it last gave a set, whether that was another one or not. */
  readonly lastSetAt?: string;
  /** How many backends its last set has. */
  readonly size: number;
  /** How often it could not be asked. */
  readonly failures: number;
}

/** One certificate that is shown to peers. */
export interface CertificateStatus {
  /** The file. */
  readonly path: string;
  /** Who uses it: `service web`, `upstream db`, `etcd of upstream db` or `admin`. */
  readonly usedBy: readonly string[];
  /** Whose it is, for people to read. */
  readonly subject: string;
  readonly notBefore: string;
  readonly notAfter: string;
}

/** One list of revoked certificates. */
export interface CrlStatus {
  /** The file. */
  readonly path: string;
  /** Who relies on it: `service web` or `admin`. */
  readonly usedBy: readonly string[];
  /** Whose list it is, for people to read; absent, as the dates are, if the file can't be read. */
  readonly issuer?: string;
  readonly thisUpdate?: string;
  /** When the next one is due, and this one no longer holds; absent where it does not say. */
  readonly nextUpdate?: string;
  /** Whether the file can be relied on now. If not, clients of its issuers are refused. */
  readonly usable: boolean;
  /** Why it is not usable; absent if it is. */
  readonly problem?: string;
}
