import type { Backend } from "../upstream/backend.ts";
import type { OutlierDetector } from "../upstream/outlier.ts";
import type { BackendSearch, SearchOptions } from "../upstream/search.ts";

/** How a redirect of a backend is mapped back. */
export interface ToClientOptions {
  /** The URL that the client asked for. */
  readonly client: string | URL;
  /** The Host that the backend was sent, which counts as its own host too. @default only its URL's */
  readonly host?: string;
}

/**
 * Maps URLs between clients and one backend; `UrlRewriter` is one.
 *
 * @example
 * ```ts
 * import { HttpPool, UrlRewriter } from "@culvert/culvert";
 *
 * const pool = new HttpPool({
 *   rewriter(options) {
 *     const usual = new UrlRewriter(options);
 *     return {
 *       redirect: (url) => url.endsWith("/index.html") ? url.slice(0, -"index.html".length) : usual.redirect(url),
 *       toBackend: (url) => usual.toBackend(url.toLowerCase()),
 *       toClient: (location, context) => usual.toClient(location, context),
 *     };
 *   },
 * });
 * pool.add("http://10.0.0.1:8080");
 * ```
 */
export interface Rewriter {
  /** Where a client is sent that asks for `url`; `undefined`: the backend serves it. */
  redirect(url: string): string | undefined;
  /** The URL to ask the backend for, of which path and query are used; `undefined`: it has none. */
  toBackend(url: string): URL | undefined;
  /** A value of Location as the client has to see it. */
  toClient(location: string, options: ToClientOptions): string;
}

/** What each backend of a set has of its own, where they differ in more than their addresses. */
export interface BackendTraits {
  /** Whether requests under way end when their backend is removed. */
  readonly endsRequests: boolean;
  /** How a backend is spoken to. */
  scheme(backend: Backend): "http" | "https";
  /** How URLs are mapped; `undefined`: as the route says. */
  rewriter(backend: Backend): Rewriter | undefined;
  /** Where a client is sent that asks for `url`; `undefined`: a backend serves it. */
  redirect(url: string): string | undefined;
}

/** The backends of a route, as a request uses them. `Upstream` is one. */
export interface RequestBackends {
  /** Whether TLS is spoken with all of them. */
  readonly speaksTls: boolean;
  /** Whether they are sent a PROXY header, which takes a connection for each request. */
  readonly sendsProxyHeader: boolean;
  /** Gets what requests show of them. */
  readonly outlier: OutlierDetector;
  /** Absent where all are alike. */
  readonly traits?: BackendTraits;
  /** A backend at once, which counts as in use then; `undefined`: a search is needed. */
  take(options: { source?: string; exclude?: readonly Backend[] }): Backend | undefined;
  /** A search for a backend with a connection. */
  search(options: SearchOptions): BackendSearch;
}
