import type { Log } from "../core/log.ts";
import { type Address, parseAddress } from "../net/address.ts";
import type { Connection } from "../net/connection.ts";
import type { Dial } from "../net/dial.ts";
import type { TlsConnect } from "../tls/dial.ts";
import type { BackendState } from "../upstream/backend.ts";
import type { BackendSpec, OutlierOptions, QueueOptions } from "../upstream/options.ts";
import type { BalanceName } from "../upstream/balance/balancer.ts";
import type { PoolOptions } from "../upstream/pool/options.ts";
import type { HealthOptions } from "../upstream/check/options.ts";
import type { ReportingSource } from "../upstream/discover/source.ts";
import type { ProxyProtocolOption } from "../upstream/proxy_sending.ts";
import type { ServiceCounters } from "../service/service_stats.ts";
import type { AdmissionOptions, Timeouts } from "../service/options.ts";

/** A backend: its address, or more options. */
export type BackendInput = string | {
  /** `host:port`, `[ipv6]:port` or `unix:/path`; or the result of {@linkcode parseAddress}. */
  readonly address: string | Address;
  /** Its share of new connections. @default {1} */
  readonly weight?: number;
  /** The most connections at once; 0: no limit. @default {0} */
  readonly maxConnections?: number;
  /** Used only if no other backend is available. @default {false} */
  readonly backup?: boolean;
};

/** A connection that a listener accepts, with addresses if it has any. */
export type ProxiedConnection = Connection & {
  readonly remoteAddr?: Deno.Addr;
  readonly localAddr?: Deno.Addr;
};

/** Options of {@linkcode TcpProxy}. */
export interface TcpProxyOptions {
  /**
   * The set of backends; or a provider that yields complete sets, each of which replaces the previous one. When the
   * provider ends or fails, the last set is kept. A source, such as {@linkcode dnsSource}, is called again after a
   * failure.
   */
  readonly backends: readonly BackendInput[] | AsyncIterable<readonly BackendInput[]> | ReportingSource;
  /** The balancer. @default {"round-robin"} */
  readonly balance?: BalanceName;
  /** Whether connections of a backend that is removed end at once or drain. @default {"close"} */
  readonly onRemove?: "close" | "drain";
  /** Whether connections of a backend that checks mark as down end at once or go on. @default {"keep"} */
  readonly onDown?: "keep" | "close";
  /** How backends are checked; `tls` needs `connectTls`. @default no checks */
  readonly health?: Partial<HealthOptions> & { readonly type: HealthOptions["type"] };
  /** When live traffic ejects a backend. @default {DEFAULT_OUTLIER} */
  readonly outlier?: Partial<OutlierOptions>;
  /** Slow start: how long a new or recovered backend takes to reach its weight, in milliseconds; 0: none. @default {0} */
  readonly slowStartMs?: number;
  /** The limits of the connection pools. @default {DEFAULT_POOL} */
  readonly pool?: Partial<PoolOptions>;
  /**
   * The PROXY header that backends are sent, first on a connection of `dial`. @default {"none"}
   */
  readonly proxyProtocol?: ProxyProtocolOption;
  /** Further backends that are tried if a connection can't be made. @default {2} */
  readonly retries?: number;
  /** How connections wait while every backend is at `maxConnections`. @default they are refused */
  readonly queue?: Partial<QueueOptions>;
  /** The timeouts. @default {DEFAULT_TIMEOUTS} */
  readonly timeouts?: Partial<Timeouts>;
  /** Which connections are admitted. @default all, up to 10,000 at once */
  readonly admission?: Partial<AdmissionOptions>;
  /** Opens connections to backends. @default {dial} */
  readonly dial?: Dial;
  /**
   * Speaks TLS with the backends, such as {@linkcode tlsConnector}: with `proxyProtocol` over a connection of `dial`, behind
   * the header, otherwise over a connection of its own. @default no TLS
   */
  readonly connectTls?: TlsConnect;
  /** Its name in log and errors. @default {"proxy"} */
  readonly name?: string;
  /** Logs failures, and each connection when it ends. @default {silentLog} */
  readonly log?: Log;
}

/** The statistics of a {@linkcode TcpProxy}. */
export interface TcpProxyStats extends ServiceCounters {
  /** The current set of backends. */
  readonly backends: readonly {
    readonly address: string;
    readonly weight: number;
    readonly state: BackendState;
    readonly active: number;
    readonly total: number;
    readonly failures: number;
  }[];
}

/** Adds the defaults. Throws `bad_address` if the address is not valid. */
export function backendSpec(input: BackendInput): BackendSpec {
  const backend = typeof input === "string" ? { address: input } : input;
  return {
    address: typeof backend.address === "string" ? parseAddress(backend.address) : backend.address,
    weight: backend.weight ?? 1,
    maxConnections: backend.maxConnections ?? 0,
    backup: backend.backup ?? false,
  };
}
