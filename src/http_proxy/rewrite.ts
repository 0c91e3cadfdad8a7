import { parseIp } from "../net/ip.ts";
import type { HttpRoute } from "./options.ts";

/** A path that matched a route. */
export interface MatchedPath {
  /** The part that matched, as {@linkcode RouteResult} has it. */
  readonly prefix: string;
  /** In normal form. */
  readonly path: string;
  /** With its `?`; empty where there is none. */
  readonly query: string;
}

/**
 * The target of the request to the backend: with `rewrite`, that takes the place of the matched prefix. There is one
 * slash between the two, and never two at the start, which many read as the name of a host.
 */
export function rewritePath({ rewrite }: HttpRoute, { prefix, path, query }: MatchedPath): string {
  if (rewrite === undefined || path === "*") return path + query;
  const rest = path.slice(prefix.length);
  return (rest === "" ? rewrite : join(withoutSlash(rewrite), rest)) + query;
}

/** Where something is served: as a URL has it. */
export interface Origin {
  readonly scheme: string;
  /** With the port, unless it is the scheme's own. */
  readonly authority: string;
}

/** How a response is mapped back to the client's view. */
export interface MappingContext {
  readonly route: HttpRoute;
  /** What the client asked for. */
  readonly client: Origin;
  /** The backend by its address. */
  readonly backend: Origin;
  /** What the backend got as Host. */
  readonly host: string;
}

/** `scheme://authority`, `//authority` or nothing; then the path; then the rest. */
const REFERENCE = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(.*)$/;
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:\/|$)/i;
const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: "80", https: "443" };

/**
 * A value of Location or Content-Location as the client has to see it: the backend's own host becomes the client's, and
 * the rewritten prefix becomes the route's path.
 *
 * @returns `undefined` where it stays as it is: other hosts, relative paths, and what is no URL.
 */
export function mapLocation(value: string, context: MappingContext): string | undefined {
  const [, scheme, authority, path = "", rest = ""] = REFERENCE.exec(value) ?? [];
  if (authority === undefined) {
    if (scheme !== undefined || !path.startsWith("/")) return undefined;
    return changed(value, mapPath(path, context.route) + rest);
  }
  if (scheme !== undefined && DEFAULT_PORTS[scheme.toLowerCase()] === undefined) return undefined;
  if (!isOwn({ scheme: scheme ?? context.backend.scheme, authority }, context)) return undefined;
  const prefix = scheme === undefined ? "//" : `${context.client.scheme}://`;
  const mapped = path === "" ? "" : mapPath(path, context.route);
  return changed(value, prefix + context.client.authority + mapped + rest);
}

/**
 * A value of Set-Cookie as the client has to see it, where the route asks for that: Domain with the backend's own host
 * becomes the client's host, and Path is mapped as in {@linkcode mapLocation}.
 *
 * @returns `undefined` where it stays as it is.
 */
export function mapCookie(value: string, context: MappingContext): string | undefined {
  if (context.route.rewriteCookies !== true) return undefined;
  const [pair = "", ...attributes] = value.split(";");
  const mapped = attributes.flatMap((attribute) => mapAttribute(attribute, context));
  return changed(value, [pair, ...mapped].join(";"));
}

function mapAttribute(attribute: string, { route, client, backend, host }: MappingContext): string[] {
  const [, name = "", text = ""] = /^\s*([^=\s]*)\s*=\s*(.*?)\s*$/.exec(attribute) ?? [];
  switch (name.toLowerCase()) {
    case "path": {
      const path = text.startsWith("/") ? mapPath(text, route) : text;
      return [path === text ? attribute : ` ${name}=${path}`];
    }
    case "domain": {
      const domain = text.replace(/^\./, "").toLowerCase();
      if (domain !== hostOf(backend.authority) && domain !== hostOf(host)) return [attribute];
      const own = hostOf(client.authority);
      // A cookie without Domain is for the host alone, which is all that there can be for an address.
      if (own.startsWith("[") || parseIp(own) !== undefined) return [];
      return [domain === own ? attribute : ` ${name}=${own}`];
    }
    default:
      return [attribute];
  }
}

/** The path of a backend as the client has to ask for it; the same where it is outside what the route leads to. */
function mapPath(path: string, { rewrite, match }: HttpRoute): string {
  if (rewrite === undefined) return path;
  // A path that climbs out of the rewritten one is resolved before it is compared.
  const resolved = DOT_SEGMENT.test(path) ? new URL(`http://x${path}`).pathname : path;
  const base = withoutSlash(rewrite);
  if (resolved !== base && !resolved.startsWith(`${base}/`)) return path;
  const target = withoutSlash(match.path ?? "/");
  const rest = resolved.slice(base.length);
  return rest === "" ? (target === "" ? "/" : target) : join(target, rest);
}

/** Both schemes and both hosts may be the backend's own: where it listens, and what it was asked as. */
function isOwn(origin: Origin, { client, backend, host }: MappingContext): boolean {
  const key = keyOf(origin);
  return key === keyOf(backend) || key === keyOf(client) ||
    key === keyOf({ scheme: backend.scheme, authority: host });
}

function keyOf({ scheme, authority }: Origin): string {
  const port = /:(\d+)$/.exec(authority)?.[1] ?? DEFAULT_PORTS[scheme.toLowerCase()];
  return `${hostOf(authority)}:${port}`;
}

/** In lower case, without the port. */
function hostOf(authority: string): string {
  return authority.toLowerCase().replace(/:\d*$/, "");
}

/** `rest` begins with a slash. */
function join(base: string, rest: string): string {
  return base === "" ? rest.replace(/^\/+/, "/") : base + rest;
}

function withoutSlash(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}

function changed(value: string, mapped: string): string | undefined {
  return mapped === value ? undefined : mapped;
}
