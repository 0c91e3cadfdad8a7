import type { BackendSpec } from "./backend.ts";
import type { QueueOptions } from "./backend_queue.ts";
import type { BalanceName } from "./balance/balancer.ts";
import type { HealthOptions } from "./check/options.ts";
import type { OutlierOptions } from "./outlier.ts";
import type { PoolOptions } from "./pool/options.ts";
import type { ProxyProtocolOption } from "./proxy_sending.ts";

/** Further backends tried, where nothing else is said. */
export const DEFAULT_RETRIES = 2;

/** A named set of backends with its policy, checked and complete. */
export interface UpstreamOptions {
  readonly name: string;
  readonly backends: readonly BackendSpec[];
  readonly balance: BalanceName;
  readonly pool: PoolOptions;
  /** Further backends tried when a connection can't be made. @default {2} */
  readonly retries: number;
  /** How connections wait where every backend is at `maxConnections`. @default {DEFAULT_QUEUE} */
  readonly queue?: QueueOptions;
  /** What happens to live connections of a backend that has left the set. @default {"close"} */
  readonly onRemove: "close" | "drain";
  /** The header that tells the backend who the client is. @default {"none"} */
  readonly proxyProtocol: ProxyProtocolOption;
  /** How backends are checked; absent: they are not. */
  readonly health?: HealthOptions | undefined;
  /** What live traffic may show of a backend before it is left alone for a while. @default {DEFAULT_OUTLIER} */
  readonly outlier?: OutlierOptions;
  /** How long a backend that has come (back) takes to its full weight, in milliseconds; 0: none. @default {0} */
  readonly slowStartMs?: number;
  /** What happens to live connections of a backend whose checks say that it is down. @default {"keep"} */
  readonly onDown?: "keep" | "close";
}
