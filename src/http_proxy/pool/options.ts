import type { Log } from "../../core/log.ts";
import type { Dial } from "../../net/dial.ts";
import type { Timeouts } from "../../service/options.ts";
import type { TlsDialOptions } from "../../tls/dial.ts";
import type { BackendState } from "../../upstream/backend.ts";
import type { BalanceName, Balancer } from "../../upstream/balance/balancer.ts";
import type { HealthOptions } from "../../upstream/check/options.ts";
import type { OutlierOptions, QueueOptions } from "../../upstream/options.ts";
import type { PoolOptions } from "../../upstream/pool/options.ts";
import type { AccessRecord } from "../access_log.ts";
import type { HttpExchange } from "../hooks.ts";
import type { HttpLimits, HttpServiceOptions, HttpTimeouts, RetryOptions } from "../options.ts";
import type { ProxyError } from "../proxy_error.ts";
import type { Rewriter } from "../request_backends.ts";
import type { ResponseHeaders } from "../response_headers.ts";
import type { UrlRewriterOptions } from "../url_rewriter.ts";
import type { PoolBackend } from "./pool_backend.ts";

/** How an `HttpPool` picks. */
export interface HttpPoolConfig {
  /** A name, or a balancer of the program's own. @default {"round-robin"} */
  readonly balance: BalanceName | Balancer<PoolBackend>;
  /** The most requests at once at each backend that has no bound of its own; 0: no bound. @default {0} */
  readonly maxConnections: number;
}

/** Options of `HttpPool`. */
export interface HttpPoolOptions
  extends Partial<HttpPoolConfig>, Partial<Omit<HttpServiceOptions, "routes" | "limits" | "timeouts">> {
  /** Requests at a backend that is removed may finish, or end at once. @default {"drain"} */
  readonly onRemove?: "close" | "drain";
  /** What is done with the fields of responses. @default {false} */
  readonly responseHeaders?: ResponseHeaders;
  /** The Host of requests to backends: the client's, the backend's address, or this. @default {"keep"} */
  readonly hostHeader?: "keep" | "backend" | string;
  /** Maps URLs for each backend. @default a `UrlRewriter` for each one that has `route`, or a path in its URL */
  readonly rewriter?: (options: UrlRewriterOptions) => Rewriter;
  /** When a request is sent again. @default {DEFAULT_HTTP_RETRIES} */
  readonly retries?: RetryOptions;
  /** Bounds of requests. @default {DEFAULT_HTTP_LIMITS} */
  readonly limits?: Partial<HttpLimits>;
  /** How long each wait may take. @default {DEFAULT_TIMEOUTS} */
  readonly timeouts?: Partial<Timeouts & HttpTimeouts>;
  /** How connections to each backend are kept for further requests. @default {DEFAULT_POOL} */
  readonly connections?: Partial<PoolOptions>;
  /** How requests wait where every backend is at its bound. @default they are refused */
  readonly queue?: Partial<QueueOptions>;
  /** What live traffic may show of a backend before it is left alone for a while. @default nothing */
  readonly outlier?: Partial<OutlierOptions>;
  /** Opens connections to backends. @default {dial} */
  readonly dial?: Dial;
  /** A request is about to be sent to a backend. Called again for each further try. */
  readonly onAttempt?: (exchange: HttpExchange) => void;
  /**
   * A request could not be served, or its response was cut short. A response that is returned, and in time, takes the
   * place of the generated one; what is thrown is what `handle` rejects with.
   */
  readonly onError?: (error: ProxyError, exchange: HttpExchange) => Response | void;
  /** Called with each request that has ended. @default nothing is done */
  readonly onAccess?: (record: AccessRecord) => void;
  /** What the log and errors call it. @default {"pool"} */
  readonly name?: string;
  /** Told of failed requests and of backends that go up and down. @default {silentLog} */
  readonly log?: Log;
}

/** Which requests a backend of an `HttpPool` gets, and as what. */
export type PoolRoute = Omit<UrlRewriterOptions, "backend">;

/** The TLS with a backend. `verify: false` accepts any certificate, and is warned of in the log. */
export type PoolTls = Omit<TlsDialOptions, "dial" | "buffers" | "starttls">;

/** What a backend of an `HttpPool` is like. */
export interface PoolBackendOptions {
  /** Its share of requests. A whole number from 0 to 65,535; 0: it gets none. @default {1} */
  readonly weight?: number;
  /** The most requests at once; 0: no bound. @default the bound of the pool */
  readonly maxConnections?: number;
  /** Which paths it serves, and how they are rewritten. The longest path wins. @default all, as they are */
  readonly route?: PoolRoute;
  /** How it is checked. @default it is not */
  readonly health?: Partial<HealthOptions> & { readonly type: HealthOptions["type"] };
  /** For a URL with `https`. @default the runtime's roots, and the host of the URL as the name */
  readonly tls?: PoolTls;
}

/** A backend for `HttpPool.replace`: its URL, or more. */
export type PoolBackendInput = string | URL | (PoolBackendOptions & { readonly url: string | URL });

/** A backend of an `HttpPool`, as of one moment. */
export interface PoolBackendSnapshot {
  /** Scheme, host, port and path. */
  readonly url: string;
  /** Its share of requests. */
  readonly weight: number;
  /** Where the smooth weighted round-robin stands with it. */
  readonly currentWeight: number;
  /** The most requests at once; 0: no bound. */
  readonly maxConnections: number;
  /** Requests under way. */
  readonly active: number;
  /** Whether it takes requests, as far as is known. */
  readonly state: BackendState;
  /** Whether it would take one more request. */
  readonly available: boolean;
  /** Requests that it has answered. */
  readonly succeeded: number;
  /** Requests that it has not answered. */
  readonly failed: number;
}

/** The backends of an `HttpPool`, as of one moment. It does not change any more. */
export interface HttpPoolSnapshot {
  /** In the order in which they were added. */
  readonly backends: readonly PoolBackendSnapshot[];
  /** The same by URL. */
  readonly byUrl: ReadonlyMap<string, PoolBackendSnapshot>;
}

/** A backend that counts a request until it is disposed of. */
export interface PoolLease extends Disposable {
  /** The backend. */
  readonly backend: PoolBackend;
}

/** What is known of a request that needs a backend. A `Request` is one. */
export interface PoolRequest {
  /** The client's address without the port, for `source-hash`. */
  readonly source?: string;
  /** What is asked for, where backends have routes. @default any of them will do */
  readonly url?: string;
}

/** What is known of a request besides what it says itself. */
export interface HandleOptions {
  /** The client's address: what `Deno.serve` tells as `remoteAddr`, or an IP address. @default it is not known */
  readonly client?: Deno.Addr | string;
}
