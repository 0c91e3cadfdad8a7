import type { Log } from "../core/log.ts";
import { type Address, parseAddress } from "../net/address.ts";
import type { Connection } from "../net/connection.ts";
import type { BackendState } from "../upstream/backend.ts";
import type { ProxyUpstreamOptions } from "../upstream/proxy_upstream_options.ts";
import type { BackendSpec } from "../upstream/options.ts";
import type { ReportingSource } from "../upstream/discover/source.ts";
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
export interface TcpProxyOptions extends ProxyUpstreamOptions {
  /**
   * The set of backends; or a provider that yields complete sets, each of which replaces the previous one. When the
   * provider ends or fails, the last set is kept. A source, such as {@linkcode dnsSource}, is called again after a
   * failure.
   */
  readonly backends: readonly BackendInput[] | AsyncIterable<readonly BackendInput[]> | ReportingSource;
  /** Further backends that are tried if a connection can't be made. @default {2} */
  readonly retries?: number;
  /** The timeouts. @default {DEFAULT_TIMEOUTS} */
  readonly timeouts?: Partial<Timeouts>;
  /** Which connections are admitted. @default all, up to 10,000 at once */
  readonly admission?: Partial<AdmissionOptions>;
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
