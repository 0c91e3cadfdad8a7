import type { Dial } from "../net/dial.ts";
import type { TlsConnect } from "../tls/dial.ts";
import type { BalanceName } from "./balance/balancer.ts";
import type { HealthOptions } from "./check/options.ts";
import type { OutlierOptions, QueueOptions } from "./options.ts";
import type { PoolOptions } from "./pool/options.ts";
import type { ProxyProtocolOption } from "./proxy_sending.ts";

/** What `TcpProxy` and `HttpProxy` have in common for a set of backends. */
export interface ProxyUpstreamOptions {
  /** The balancer. @default {"round-robin"} */
  readonly balance?: BalanceName;
  /**
   * Whether connections of a backend that is removed end at once or drain; HTTP requests always finish. @default {"close"}
   */
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
   * The PROXY header that backends are sent, first on a connection of `dial`. Each HTTP request has a connection then.
   * @default {"none"}
   */
  readonly proxyProtocol?: ProxyProtocolOption;
  /** How connections or requests wait while every backend is at `maxConnections`. @default they are refused */
  readonly queue?: Partial<QueueOptions>;
  /** Opens connections to backends. @default {dial} */
  readonly dial?: Dial;
  /**
   * Speaks TLS with the backends, such as {@linkcode tlsConnector}: with `proxyProtocol` over a connection of `dial`,
   * behind the header, otherwise over a connection of its own. @default no TLS
   */
  readonly connectTls?: TlsConnect;
}
