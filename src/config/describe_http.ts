import { formatDuration, formatSize } from "../core/units.ts";
import {
  DEFAULT_HTTP_RETRIES,
  type FieldRules,
  type HttpLimits,
  type HttpRoute,
  type HttpTimeouts,
} from "../http_proxy/options.ts";
import type { HttpServiceConfig } from "./config.ts";
import type { Row } from "./describe_upstream.ts";

/** As many routes are shown. */
const MAX_ROUTES = 50;

/** What an HTTP service does, for people to read. */
export function httpRows(http: HttpServiceConfig): Row[] {
  const pages = Object.entries(http.errorPaths).map(([status, path]) => `${status}: ${path}`);
  return [
    ["routes", routeLines(http.routes)],
    ["limits", [describeLimits(http.limits)]],
    ["requests", requestLines(http)],
    ["forwarded", forwardedLines(http)],
    ...(pages.length === 0 ? [] : [["error pages", pages] as Row]),
  ];
}

function routeLines(routes: readonly HttpRoute[]): string[] {
  const lines = routes.slice(0, MAX_ROUTES).flatMap((route) => [
    `${describeMatch(route.match)}: ${describeAction(route)}`,
    ...detailsOf(route).map((detail) => `  ${detail}`),
  ]);
  const more = routes.length - MAX_ROUTES;
  return more > 0 ? [...lines, `and ${more} more`] : lines;
}

function describeMatch({ host = "", path = "/", methods }: HttpRoute["match"]): string {
  return `${methods === undefined ? "" : `${methods.join(", ")} `}${host}${path}`;
}

function describeAction({ upstream, redirect, respond, rewrite }: HttpRoute): string {
  if (redirect !== undefined) return `redirect to ${redirect.to} (${redirect.status})`;
  if (respond !== undefined) {
    const { status, body = "", headers = {} } = respond;
    const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    return [`respond with ${status}`, `${JSON.stringify(body)}`, ...fields].join(", ");
  }
  return rewrite === undefined ? `upstream ${upstream}` : `upstream ${upstream}, as ${rewrite}`;
}

/** Only what is not as by default. */
function detailsOf(
  { rewriteCookies = false, hostHeader = "keep", headers, retries, timeouts }: HttpRoute,
): string[] {
  const { request = {}, response = {} } = headers ?? {};
  return [
    ...(rewriteCookies ? ["Path and Domain of cookies are mapped back"] : []),
    ...(hostHeader === "keep" ? [] : [
      hostHeader === "backend" ? "Host is the backend's address" : `Host is ${hostHeader}`,
    ]),
    ...describeRules(request).map((rule) => `requests: ${rule}`),
    ...describeRules(response).map((rule) => `responses: ${rule}`),
    ...(retries === undefined ? [] : [describeRetries(retries)]),
    ...(timeouts === undefined ? [] : [`timeouts: ${describeHttpTimeouts(timeouts)}`]),
  ];
}

function describeRules({ set = {}, add = {}, remove = [] }: FieldRules): string[] {
  return [
    ...(remove.length === 0 ? [] : [`remove ${remove.join(", ")}`]),
    ...Object.entries(set).map(([name, value]) => `set ${name}: ${value}`),
    ...Object.entries(add).map(([name, value]) => `add ${name}: ${value}`),
  ];
}

function describeRetries({ attempts, on, idempotencyKey }: typeof DEFAULT_HTTP_RETRIES): string {
  const key = idempotencyKey ? ", of requests with Idempotency-Key too" : "";
  return `${attempts} further tries on ${on.join(", ") || "nothing"}${key}`;
}

/** Both, or those that are there. */
export function describeHttpTimeouts({ responseMs, requestMs }: Partial<HttpTimeouts>): string {
  const off = (ms: number) => ms === 0 ? "off" : formatDuration(ms);
  return [
    ...(responseMs === undefined ? [] : [`response ${off(responseMs)}`]),
    ...(requestMs === undefined ? [] : [`request ${off(requestMs)}`]),
  ].join(", ");
}

function describeLimits({ headerSize, headers, bodySize }: HttpLimits): string {
  const body = bodySize === 0 ? "bodies of any size" : `bodies of ${formatSize(bodySize)} at most`;
  return `heads of ${formatSize(headerSize)} and ${headers} fields at most, ${body}`;
}

function requestLines({ underscores, encodedSlashes }: HttpServiceConfig): string[] {
  return [
    `encoded slashes are ${encodedSlashes === "reject" ? "refused" : "kept"}`,
    `known names of fields with underscores are ${underscores === "drop" ? "dropped" : "passed on"}`,
  ];
}

function forwardedLines(
  { forwarded, trusted, via, requestId, clientCert, identityHeader }: HttpServiceConfig,
): string[] {
  const styles = {
    x: "X-Forwarded-For, -Host, -Proto, -Port and X-Real-IP",
    rfc7239: "Forwarded",
    both: "X-Forwarded-For, -Host, -Proto, -Port, X-Real-IP and Forwarded",
    none: "nothing tells backends of the client",
  };
  const certificate = [...(clientCert ? ["Client-Cert"] : []), ...(identityHeader ? [identityHeader] : [])];
  return [
    styles[forwarded],
    trusted.length === 0 ? "those of clients are dropped" : `those of ${trusted.join(", ")} are believed`,
    ...(via === undefined ? [] : [`Via: ${via}`]),
    ...(requestId ? ["X-Request-Id"] : []),
    ...(certificate.length === 0 ? [] : [`${certificate.join(" and ")} for client certificates`]),
  ];
}
