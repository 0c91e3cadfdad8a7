import { resolve } from "node:path";
import {
  DEFAULT_IDENTITY_HEADER,
  type FieldRules,
  type HttpRoute,
  type HttpTimeouts,
} from "../http_proxy/options.ts";
import type { HttpServiceConfig } from "./config.ts";
import { defaultLimits, type RouteSection } from "./schema/http_schema.ts";
import type { ConfigDocument, ServiceSection } from "./schema/schema.ts";

/** What an HTTP service of a document that has been found good does. Relative paths are relative to `folder`. */
export function buildHttp(
  service: ServiceSection,
  { timeouts, folder }: { timeouts: ConfigDocument["timeouts"]; folder: string },
): HttpServiceConfig {
  const { errors = {}, via, identityHeader = DEFAULT_IDENTITY_HEADER } = service;
  return {
    routes: service.routes?.map(buildRoute) ??
      // All requests go to the one upstream.
      [{ match: {}, upstream: typeof service.upstream === "string" ? service.upstream : service.name }],
    limits: service.limits ?? defaultLimits,
    timeouts: { responseMs: timeouts.response, requestMs: timeouts.request },
    forwarded: service.forwarded ?? "x",
    trusted: service.trusted,
    underscores: service.underscores ?? "drop",
    encodedSlashes: service.encodedSlashes ?? "reject",
    errorPaths: Object.fromEntries(
      Object.entries(errors).map(([status, file]) => [status, resolve(folder, file)]),
    ),
    ...(via === undefined ? {} : { via }),
    requestId: service.requestId ?? false,
    clientCert: service.clientCert ?? true,
    ...(identityHeader === false ? {} : { identityHeader }),
  };
}

function buildRoute(section: RouteSection): HttpRoute {
  const { match, timeouts, headers, upstream, redirect, respond, retries } = section;
  const { rewrite, rewriteCookies, hostHeader } = section;
  return {
    match,
    ...(upstream === undefined ? {} : { upstream }),
    ...(redirect === undefined ? {} : { redirect }),
    ...(respond === undefined ? {} : { respond }),
    ...(rewrite === undefined ? {} : { rewrite }),
    ...(rewriteCookies === undefined ? {} : { rewriteCookies }),
    ...(hostHeader === undefined ? {} : { hostHeader }),
    ...(headers === undefined ? {} : { headers: buildHeaders(headers) }),
    ...(retries === undefined ? {} : { retries }),
    ...(timeouts === undefined ? {} : { timeouts: buildTimeouts(timeouts) }),
  };
}

function buildHeaders({ request, response }: NonNullable<RouteSection["headers"]>): {
  request?: FieldRules;
  response?: FieldRules;
} {
  return { ...(request === undefined ? {} : { request }), ...(response === undefined ? {} : { response }) };
}

function buildTimeouts({ response, request }: NonNullable<RouteSection["timeouts"]>): Partial<HttpTimeouts> {
  return {
    ...(response === undefined ? {} : { responseMs: response }),
    ...(request === undefined ? {} : { requestMs: request }),
  };
}
