import { CulvertError } from "../core/errors.ts";
import { hostKey, hostPattern, routePath } from "./match_patterns.ts";
import type { HttpRoute } from "./options.ts";
import { RouteTree } from "./route_tree.ts";

/** What a request leads to. */
export type RouteResult =
  /** `prefix` is the part of the path that matched, without the slash behind it. */
  | { readonly kind: "route"; readonly route: HttpRoute; readonly prefix: string }
  /** 405: there is a route, but not for this method. `allow` is what Allow says. */
  | { readonly kind: "method"; readonly allow: string }
  /** 404: there is no route. */
  | { readonly kind: "none" }
  /** 400: there is another route if an encoded slash stands for a slash. */
  | { readonly kind: "ambiguous" };

/** Finds the route of a request. Immutable; takes the same time however many routes there are. */
export interface Router {
  /**
   * @param host In lower case, without its port.
   * @param path In normal form (RFC 3986 section 6.2.2), without the query; `*` of OPTIONS counts as `/`.
   */
  match(host: string, path: string, method: string): RouteResult;
}

const NONE: RouteResult = { kind: "none" };
const AMBIGUOUS: RouteResult = { kind: "ambiguous" };
const ENCODED_SLASH = "%2F";
const DOT_SEGMENT = /(?:^|\/)\.\.?(?:[;/]|$)/;
const WILDCARD = "*.";

/**
 * Compiles routes. The longest path wins, then the most precise host (a name, a wildcard, none), then a route that
 * names the method. A path that is longer but has no route for the host does not count; one that has no route for the
 * method does, so that a route for some methods can't be passed by with others.
 *
 * Segments are compared decoded and without parameters (`/a;x=1` is in `/a`), and empty ones do not count (`//a` is in
 * `/a`), since backends read them so.
 *
 * @throws {CulvertError} `bad_route`, for a host or a path that can't match, for methods that are there twice, and for
 * a route that has not exactly one of `upstream`, `redirect` and `respond`.
 */
export function compileRoutes(routes: readonly HttpRoute[]): Router {
  const anyHost = new RouteTree();
  const byHost = new Map<string, RouteTree>();
  const byDomain = new Map<string, RouteTree>();
  for (const [index, route] of routes.entries()) {
    checkAction(route, index);
    const path = routePath(route.match.path ?? "/");
    const host = route.match.host === undefined ? "" : hostPattern(route.match.host);
    if (path === undefined) throw badRoute(index, `the path ${JSON.stringify(route.match.path)} can't match`);
    if (host === undefined) throw badRoute(index, `the host ${JSON.stringify(route.match.host)} can't match`);
    const tree = host === ""
      ? anyHost
      : host.startsWith(WILDCARD)
      ? treeOf(byDomain, host.slice(WILDCARD.length))
      : treeOf(byHost, host);
    if (!tree.add(path, route)) throw badRoute(index, "an earlier one has the same host, path and method");
  }
  return new CompiledRoutes({ anyHost, byHost, byDomain });
}

function treeOf(trees: Map<string, RouteTree>, host: string): RouteTree {
  let tree = trees.get(host);
  if (tree === undefined) trees.set(host, tree = new RouteTree());
  return tree;
}

function checkAction({ upstream, redirect, respond }: HttpRoute, index: number): void {
  const actions = [upstream, redirect, respond].filter((action) => action !== undefined);
  if (actions.length === 1) return;
  throw badRoute(index, "it has not exactly one of upstream, redirect and respond");
}

function badRoute(index: number, reason: string): CulvertError {
  return new CulvertError("bad_route", `Cannot use route ${index}: ${reason}`);
}

interface Trees {
  readonly anyHost: RouteTree;
  readonly byHost: ReadonlyMap<string, RouteTree>;
  /** By what follows the `*.` of a wildcard. */
  readonly byDomain: ReadonlyMap<string, RouteTree>;
}

class CompiledRoutes implements Router {
  readonly #trees: Trees;
  readonly #anyHostOnly: boolean;

  constructor(trees: Trees) {
    this.#trees = trees;
    this.#anyHostOnly = trees.byHost.size === 0 && trees.byDomain.size === 0;
  }

  match(host: string, path: string, method: string): RouteResult {
    const result = this.#match(host, path, method);
    return path.includes(ENCODED_SLASH) ? this.#agree(result, { host, path, method }) : result;
  }

  #match(host: string, path: string, method: string): RouteResult {
    const tree = this.#find(host, path);
    const { entry } = tree;
    if (entry === undefined) return NONE;
    const route = entry.byMethod.get(method) ?? entry.anyMethod;
    if (route === undefined) return { kind: "method", allow: entry.allow };
    return { kind: "route", route, prefix: path.slice(0, tree.end) };
  }

  /** The tree with the longest match; of equal ones that of the most precise host. */
  #find(host: string, path: string): RouteTree {
    const { anyHost, byHost, byDomain } = this.#trees;
    anyHost.find(path);
    if (this.#anyHostOnly) return anyHost;
    const key = hostKey(host);
    const dot = key.indexOf(".");
    const wildcard = dot < 1 ? undefined : byDomain.get(key.slice(dot + 1));
    let best = anyHost;
    if (wildcard !== undefined && wildcard.find(path) >= best.rank) best = wildcard;
    const exact = byHost.get(key);
    if (exact !== undefined && exact.find(path) >= best.rank) best = exact;
    return best;
  }

  /**
   * Backends do not agree whether `%2F` is a slash. Where the two readings lead to different routes, the request could
   * reach a backend by a route that is not meant for it.
   */
  #agree(result: RouteResult, request: { host: string; path: string; method: string }): RouteResult {
    const path = request.path.replaceAll(ENCODED_SLASH, "/");
    if (DOT_SEGMENT.test(path)) return AMBIGUOUS;
    const other = this.#match(request.host, path, request.method);
    if (other.kind !== result.kind) return AMBIGUOUS;
    const same = other.kind !== "route" || result.kind !== "route" || other.route === result.route;
    return same ? result : AMBIGUOUS;
  }
}
