import type { Log } from "../core/log.ts";
import type { Dial } from "../net/dial.ts";
import type { AdmissionOptions, Timeouts } from "../service/options.ts";
import type { ServiceCounters } from "../service/service_stats.ts";
import type { BackendInput } from "../tcp/proxy_options.ts";
import type { TlsConnect } from "../tls/dial.ts";
import type { BackendState } from "../upstream/backend.ts";
import type { BalanceName } from "../upstream/balance/balancer.ts";
import type { HealthOptions } from "../upstream/check/options.ts";
import type { OutlierOptions, QueueOptions } from "../upstream/options.ts";
import type { PoolOptions } from "../upstream/pool/options.ts";
import type { ProxyProtocolOption } from "../upstream/proxy_sending.ts";
import type { AccessRecord } from "./access_log.ts";
import type { HttpHooks } from "./hooks.ts";
import type { RequestCounters } from "./http_stats.ts";
import {
  DEFAULT_HTTP_LIMITS,
  DEFAULT_HTTP_TIMEOUTS,
  DEFAULT_IDENTITY_HEADER,
  type HttpLimits,
  type HttpRoute,
  type HttpServiceOptions,
  type HttpTimeouts,
} from "./options.ts";
import { type ResponseHeaders, withResponseHeaders } from "./response_headers.ts";

/** A set of backends that requests are spread over. */
export interface HttpUpstreamOptions {
  /** Their addresses, or more. */
  readonly backends: readonly BackendInput[];
  /** How a backend is chosen for each request. @default {"round-robin"} */
  readonly balance?: BalanceName;
  /** Tunnels to a backend that has left the set end at once, or may finish; requests always finish. @default {"close"} */
  readonly onRemove?: "close" | "drain";
  /** Requests at a backend whose checks say that it is down go on, or end. @default {"keep"} */
  readonly onDown?: "keep" | "close";
  /** How backends are checked; `tls` needs `connectTls`. @default they are not */
  readonly health?: Partial<HealthOptions> & { readonly type: HealthOptions["type"] };
  /** What live traffic may show of a backend before it is left alone for a while. @default {DEFAULT_OUTLIER} */
  readonly outlier?: Partial<OutlierOptions>;
  /** How long a backend that has come (back) takes to its full weight, in milliseconds; 0: none. @default {0} */
  readonly slowStartMs?: number;
  /** How connections to each backend are kept for further requests. @default {DEFAULT_POOL} */
  readonly pool?: Partial<PoolOptions>;
  /** The PROXY header that tells the backends who the client is; each request has a connection then. @default {"none"} */
  readonly proxyProtocol?: ProxyProtocolOption;
  /** How requests wait where every backend is at `maxConnections`. @default they are refused */
  readonly queue?: Partial<QueueOptions>;
  /** Opens connections to backends. @default {dial} */
  readonly dial?: Dial;
  /** Speaks TLS with the backends, such as what {@linkcode tlsConnector} makes. @default none is spoken */
  readonly connectTls?: TlsConnect;
}

/** Options of {@linkcode HttpProxy}. */
export interface HttpProxyOptions
  extends HttpHooks, Partial<Omit<HttpServiceOptions, "routes" | "limits" | "timeouts">> {
  /** By the names that routes have for them. */
  readonly upstreams: Readonly<Record<string, HttpUpstreamOptions>>;
  /** Where requests go. @default all go to the first upstream */
  readonly routes?: readonly HttpRoute[];
  /** Bounds of requests. @default {DEFAULT_HTTP_LIMITS} */
  readonly limits?: Partial<HttpLimits>;
  /** How long each wait may take. @default {DEFAULT_TIMEOUTS} */
  readonly timeouts?: Partial<Timeouts & HttpTimeouts>;
  /** The clients that may connect. @default all, 10,000 connections at once */
  readonly admission?: Partial<AdmissionOptions>;
  /** Called with each request that has ended. @default nothing is done */
  readonly onAccess?: (record: AccessRecord) => void;
  /** What is done with the fields of the responses of backends. @default {false} */
  readonly responseHeaders?: ResponseHeaders;
  /** What the log and errors call it. @default {"proxy"} */
  readonly name?: string;
  /** Told of failures. @default {silentLog} */
  readonly log?: Log;
}

/** A backend of an {@linkcode HttpProxy}, with what it has done. */
export interface HttpProxyBackend {
  /** As text. */
  readonly address: string;
  /** Its share of requests. */
  readonly weight: number;
  /** Whether it takes requests. */
  readonly state: BackendState;
  /** Requests that are under way. */
  readonly active: number;
  /** Requests that it was sent. */
  readonly total: number;
  /** Connections that could not be made. */
  readonly failures: number;
}

/** What an {@linkcode HttpProxy} has done and is doing. */
export interface HttpProxyStats extends ServiceCounters {
  /** Its requests. */
  readonly requests: RequestCounters;
}

/** What the options say of requests, with the defaults. */
export function httpOptions(options: HttpProxyOptions): HttpServiceOptions {
  const { upstreams, routes, limits, timeouts = {} } = options;
  const [first] = Object.keys(upstreams);
  const { responseMs, requestMs } = { ...DEFAULT_HTTP_TIMEOUTS, ...timeouts };
  const all = routes ?? [{ match: {}, ...(first === undefined ? {} : { upstream: first }) }];
  return {
    routes: withResponseHeaders(all, options.responseHeaders ?? false),
    limits: { ...DEFAULT_HTTP_LIMITS, ...limits },
    timeouts: { responseMs, requestMs },
    forwarded: options.forwarded ?? "x",
    trusted: options.trusted ?? [],
    underscores: options.underscores ?? "drop",
    encodedSlashes: options.encodedSlashes ?? "reject",
    errors: options.errors ?? {},
    ...(options.via === undefined ? {} : { via: options.via }),
    requestId: options.requestId ?? false,
    clientCert: options.clientCert ?? true,
    identityHeader: options.identityHeader ?? DEFAULT_IDENTITY_HEADER,
  };
}
