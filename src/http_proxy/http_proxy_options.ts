import type { Log } from "../core/log.ts";
import type { AdmissionOptions, Timeouts } from "../service/options.ts";
import type { ServiceCounters } from "../service/service_stats.ts";
import type { BackendInput } from "../tcp/proxy_options.ts";
import type { BackendState } from "../upstream/backend.ts";
import type { ProxyUpstreamOptions } from "../upstream/proxy_upstream_options.ts";
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
export interface HttpUpstreamOptions extends ProxyUpstreamOptions {
  /** Their addresses, or more. */
  readonly backends: readonly BackendInput[];
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
