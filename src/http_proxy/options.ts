/** Which requests a route is for. */
export interface RouteMatch {
  /** A host name, an IP address, or a wildcard such as `*.example.org`, which stands for one label. @default any */
  readonly host?: string;
  /**
   * What the path begins with, on whole segments: `/api` is for `/api` and `/api/v1`, and not for `/apix`. In the
   * normal form of {@linkcode routePath}. @default {"/"}
   */
  readonly path?: string;
  /** The methods as they are sent, with regard to case. @default any */
  readonly methods?: readonly string[];
}

/** Sends clients elsewhere. */
export interface RedirectOptions {
  /** A URL or a path, with `{scheme}`, `{host}`, `{path}` and `{query}`. */
  readonly to: string;
  /** The status of the answer. @default {308} */
  readonly status?: RedirectStatus;
}

/** The status codes of redirects. */
export type RedirectStatus = 301 | 302 | 303 | 307 | 308;

/** An answer that needs no backend. */
export interface RespondOptions {
  /** From 200 to 599. */
  readonly status: number;
  /** Fields of the answer. @default none */
  readonly headers?: Readonly<Record<string, string>>;
  /** The content. @default none */
  readonly body?: string;
}

/** Changes of the fields of a message. `remove` comes first, then `set`, then `add`. */
export interface FieldRules {
  /** Fields that take the place of those with the same name. Values may have variables such as `{client.ip}`. */
  readonly set?: Readonly<Record<string, string>>;
  /** Fields that are added to those with the same name. Values may have variables. */
  readonly add?: Readonly<Record<string, string>>;
  /** Names of fields that are removed. */
  readonly remove?: readonly string[];
}

/**
 * What is tried again: `connect` for a connection that could not be made, or that failed before the first byte of a
 * response; a status for a response that has it, 504 also for one that does not come in time.
 */
export type RetryCondition = "connect" | number;

/** When another backend is tried for a request that may safely be sent twice. */
export interface RetryOptions {
  /** How many further tries. @default {2} */
  readonly attempts: number;
  /** What is tried again. @default {["connect"]} */
  readonly on: readonly RetryCondition[];
  /** Whether a request with `Idempotency-Key` may be sent twice, whatever its method. @default {false} */
  readonly idempotencyKey?: boolean;
}

/** Timeouts of HTTP, in milliseconds. 0 switches a timer off. */
export interface HttpTimeouts {
  /** From the end of the request to the head of the response. @default {30_000} */
  readonly responseMs: number;
  /** From the first byte of the request to the last of the response. @default {0} */
  readonly requestMs: number;
}

/** One route: which requests it is for, and exactly one of `upstream`, `redirect` and `respond`. Plain data. */
export interface HttpRoute {
  /** Which requests it is for. */
  readonly match: RouteMatch;
  /** The name of the upstream. */
  readonly upstream?: string;
  /** Sends the client elsewhere. */
  readonly redirect?: RedirectOptions;
  /** Answers without a backend. */
  readonly respond?: RespondOptions;
  /** The path that takes the place of the matched one. @default the path goes on as it is */
  readonly rewrite?: string;
  /** Whether Path and Domain of Set-Cookie are mapped back as Location is. @default {false} */
  readonly rewriteCookies?: boolean;
  /** The Host of requests to backends: the client's, the backend's address, or this. @default {"keep"} */
  readonly hostHeader?: "keep" | "backend" | string;
  /** Changes of the fields of requests and responses. */
  readonly headers?: { readonly request?: FieldRules; readonly response?: FieldRules };
  /** When a request is sent again. @default {DEFAULT_HTTP_RETRIES} */
  readonly retries?: RetryOptions;
  /** Its own timeouts. @default those of the service */
  readonly timeouts?: Partial<HttpTimeouts>;
}

/** Which fields tell backends of the client: X-Forwarded-For and its kin, Forwarded (RFC 7239), or both. */
export type ForwardedStyle = "x" | "rfc7239" | "both" | "none";

/** Bounds of a request. */
export interface HttpLimits {
  /** The most bytes of a head, with the start line. @default {32_768} */
  readonly headerSize: number;
  /** The most fields of a head. @default {100} */
  readonly headers: number;
  /** The most bytes of a body; 0: no bound. @default {0} */
  readonly bodySize: number;
}

/** What is sent in the place of a generated answer. */
export interface ErrorPage {
  /** The Content-Type. */
  readonly type: string;
  /** The content. */
  readonly body: Uint8Array;
}

/** What an HTTP service does with requests. Plain data. */
export interface HttpServiceOptions {
  /** At least one. */
  readonly routes: readonly HttpRoute[];
  /** Bounds of a request. */
  readonly limits: HttpLimits;
  /** Timeouts of HTTP. */
  readonly timeouts: HttpTimeouts;
  /** The fields that tell backends of the client. @default {"x"} */
  readonly forwarded: ForwardedStyle;
  /** Addresses and subnets of proxies whose forwarding fields are believed. @default none */
  readonly trusted: readonly string[];
  /** What happens to fields whose names are those of known ones but for underscores. @default {"drop"} */
  readonly underscores: "drop" | "allow";
  /** Whether `%2f` in a path is refused or goes on as it is. @default {"reject"} */
  readonly encodedSlashes: "reject" | "keep";
  /** By status, in the place of generated answers. @default none */
  readonly errors: Readonly<Record<number, ErrorPage>>;
  /** The name of this proxy in Via. @default no Via is sent */
  readonly via?: string;
  /** Whether X-Request-Id is sent to backends and clients. @default {false} */
  readonly requestId: boolean;
  /** Whether Client-Cert (RFC 9440) is sent for verified client certificates. @default {true} */
  readonly clientCert: boolean;
  /** The field that carries the verified identity. @default {"X-Client-Identity"} */
  readonly identityHeader?: string;
}

/** The defaults of {@linkcode HttpLimits}. */
export const DEFAULT_HTTP_LIMITS: HttpLimits = { headerSize: 32 * 1024, headers: 100, bodySize: 0 };

/** The defaults of {@linkcode HttpTimeouts}. */
export const DEFAULT_HTTP_TIMEOUTS: HttpTimeouts = { responseMs: 30_000, requestMs: 0 };

/** The default of {@linkcode HttpRoute.retries}. */
export const DEFAULT_HTTP_RETRIES: RetryOptions = { attempts: 2, on: ["connect"] };

/** @default of {@linkcode HttpServiceOptions.identityHeader} */
export const DEFAULT_IDENTITY_HEADER = "X-Client-Identity";
