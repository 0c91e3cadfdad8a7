import { CulvertError } from "../core/errors.ts";
import { routePath } from "./match_patterns.ts";
import type { HttpRoute } from "./options.ts";
import { compileRedirect, type Redirect } from "./redirect.ts";
import type { Rewriter, ToClientOptions } from "./request_backends.ts";
import { mapLocation, rewritePath } from "./rewrite.ts";

/** Options of a {@linkcode UrlRewriter}. */
export interface UrlRewriterOptions {
  /** What the paths of clients begin with, on whole segments. @default {"/"} */
  readonly path?: string;
  /** The path that takes the place of `path`. @default that of `backend` */
  readonly rewrite?: string;
  /**
   * Where clients are sent that ask for `path` itself: a URL or a path, perhaps with `{scheme}`, `{host}`, `{path}` and
   * `{query}`. @default no redirect
   */
  readonly redirect?: string;
  /** The URL of the backend, with http or https. Its path is in front of what is left of the client's. */
  readonly backend: string | URL;
}

/**
 * Maps URLs between clients and one backend. Immutable.
 *
 * @example
 * ```ts
 * import { UrlRewriter } from "@culvert/culvert";
 *
 * const rewriter = new UrlRewriter({ path: "/api", backend: "http://10.0.0.11:8080" });
 * rewriter.toBackend("https://example.org/api/users?id=7")!.href; // http://10.0.0.11:8080/users?id=7
 * const client = "https://example.org/api/users";
 * rewriter.toClient("http://10.0.0.11:8080/login", { client }); // https://example.org/api/login
 * ```
 */
export class UrlRewriter implements Rewriter {
  readonly #route: HttpRoute & { readonly rewrite: string };
  readonly #path: string;
  readonly #backend: URL;
  readonly #redirect: Redirect | undefined;

  /**
   * Reads the options.
   *
   * @throws {CulvertError} `bad_url` for a backend, `bad_route` for a path, `bad_template` for a redirect.
   */
  constructor({ path = "/", rewrite, redirect, backend }: UrlRewriterOptions) {
    this.#backend = readBackend(backend);
    this.#path = readPath(path);
    const target = rewrite === undefined ? this.#backend.pathname : readPath(rewrite);
    this.#route = { match: { path: this.#path }, rewrite: target };
    this.#redirect = redirect === undefined ? undefined : compileRedirect(redirect);
  }

  /** What the paths of clients begin with, in normal form and without a slash at its end; `/` for all. */
  get path(): string {
    return withoutSlash(this.#path) || "/";
  }

  /** Where a client is sent that asks for `url`; `undefined` where it is served. */
  redirect(url: string | URL): string | undefined {
    const { protocol, host, pathname: path, search: query } = new URL(url);
    if (this.#redirect === undefined || withoutSlash(path) !== withoutSlash(this.#path)) return undefined;
    return this.#redirect({ scheme: protocol.slice(0, -1), host, path, query });
  }

  /**
   * The URL to ask the backend for: `path` is taken off, and what is left follows the backend's path, or `rewrite`.
   *
   * @returns `undefined` for a URL outside `path`.
   */
  toBackend(url: string | URL): URL | undefined {
    const { pathname: path, search: query } = new URL(url);
    const prefix = withoutSlash(this.#path);
    if (path !== prefix && !path.startsWith(`${prefix}/`)) return undefined;
    return new URL(rewritePath(this.#route, { prefix, path, query }), this.#backend);
  }

  /**
   * A value of Location as the client has to see it. Only URLs of the backend's own host are mapped.
   *
   * @returns The same text where there is nothing to map.
   */
  toClient(location: string, { client, host }: ToClientOptions): string {
    const { protocol, host: authority } = new URL(client);
    const { protocol: backendProtocol, host: backendHost } = this.#backend;
    return mapLocation(location, {
      route: this.#route,
      client: { scheme: protocol.slice(0, -1), authority },
      backend: { scheme: backendProtocol.slice(0, -1), authority: backendHost },
      host: host ?? backendHost,
    }) ?? location;
  }
}

function readBackend(backend: string | URL): URL {
  const url = URL.parse(backend);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.search !== "") {
    const message = `Cannot use the backend ${JSON.stringify(String(backend))}: ` +
      "expected a URL with http or https, without user and query";
    throw new CulvertError("bad_url", message);
  }
  return url;
}

function readPath(text: string): string {
  const path = routePath(text.startsWith("/") ? text : `/${text}`);
  if (path === undefined) {
    throw new CulvertError(
      "bad_route",
      `Cannot use the path ${JSON.stringify(text)}: no request can match it`,
    );
  }
  return path;
}

function withoutSlash(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}
