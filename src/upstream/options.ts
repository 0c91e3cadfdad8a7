import type { Address } from "../net/address.ts";
import type { BalanceName } from "./balance/balancer.ts";
import type { HealthOptions } from "./check/options.ts";
import type { PoolOptions } from "./pool/options.ts";
import type { ProxyProtocolOption } from "./proxy_sending.ts";

/** The configuration of one backend. */
export interface BackendSpec {
  /** Where it is. */
  readonly address: Address;
  /** Its share of new connections; 0: it takes no new ones. A whole number, 0 to 65535. */
  readonly weight: number;
  /** The most connections at once; 0: no limit. */
  readonly maxConnections: number;
  /** Used only if no other backend is available. */
  readonly backup: boolean;
}

/** When live traffic ejects a backend. */
export interface OutlierOptions {
  /** Consecutive failures of one kind that eject a backend; 0: none is ever ejected. @default {5} */
  readonly failures: number;
  /** The duration of the first ejection, in milliseconds. @default {30_000} */
  readonly ejectionMs: number;
  /** The fraction of the set that may be ejected at once, 0 to 1; rounded down to whole backends. @default {0.5} */
  readonly maxEjected: number;
}

/** The defaults of {@linkcode OutlierOptions}. */
export const DEFAULT_OUTLIER: OutlierOptions = { failures: 5, ejectionMs: 30_000, maxEjected: 0.5 };

/** How connections wait while every backend is at `maxConnections`. */
export interface QueueOptions {
  /** The most connections that wait at once; 0: none, the next one is refused. @default {0} */
  readonly max: number;
  /** How long each may wait, in milliseconds. Above 0. @default {10_000} */
  readonly timeoutMs: number;
}

/** The defaults of {@linkcode QueueOptions}: no queue. */
export const DEFAULT_QUEUE: QueueOptions = { max: 0, timeoutMs: 10_000 };

/** The default of `retries` in {@linkcode UpstreamOptions}. */
export const DEFAULT_RETRIES = 2;

/** A named set of backends with its policy, checked and complete. */
export interface UpstreamOptions {
  readonly name: string;
  readonly backends: readonly BackendSpec[];
  readonly balance: BalanceName;
  readonly pool: PoolOptions;
  /** Further backends that are tried if a connection can't be made. @default {2} */
  readonly retries: number;
  /** How connections wait while every backend is at `maxConnections`. @default {DEFAULT_QUEUE} */
  readonly queue?: QueueOptions;
  /** Whether connections of a backend that is removed from the set end at once or drain. @default {"close"} */
  readonly onRemove: "close" | "drain";
  /** The PROXY header that backends are sent. @default {"none"} */
  readonly proxyProtocol: ProxyProtocolOption;
  /** How backends are checked; absent: they are not. */
  readonly health?: HealthOptions | undefined;
  /**
   * Backends are checked elsewhere, and {@linkcode Upstream.setHealth} takes the results; a backend is `unknown` until
   * then. Without `health`. @default {false}
   */
  readonly externalHealth?: boolean;
  /** When live traffic ejects a backend. @default {DEFAULT_OUTLIER} */
  readonly outlier?: OutlierOptions;
  /** Slow start: how long a new or recovered backend takes to reach its weight, in milliseconds; 0: none. @default {0} */
  readonly slowStartMs?: number;
  /** Whether connections of a backend that health checks mark as down end at once or go on. @default {"keep"} */
  readonly onDown?: "keep" | "close";
}
