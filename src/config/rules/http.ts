import { hostPattern, routePath } from "../../http_proxy/match_patterns.ts";
import { isMapping } from "../schema/fields.ts";
import { type Finding, withNearest } from "../schema/findings.ts";
import { httpKeys, ownHttpTimeouts } from "../schema/http_schema.ts";
import { findRepeats, type Located } from "./conflicts.ts";
import type { DocumentNode } from "./document_node.ts";

/** What the keys of a route need. */
const ACTIONS = ["upstream", "redirect", "respond"];
const OF_UPSTREAMS = ["rewrite", "rewriteCookies", "hostHeader", "headers", "retries", "timeouts"];
const WITHOUT_BODY: readonly unknown[] = [204, 205, 304];

/** Whether it is a service with `protocol: http`. */
export function isHttp(service: DocumentNode): boolean {
  return service.at("protocol").value === "http";
}

/** What is wrong between the protocol of a service and its other keys, and in its routes. */
export function checkProtocol(service: DocumentNode, upstreams: DocumentNode): Finding[] {
  if (!isMapping(service.value)) return [];
  return isHttp(service) ? checkHttp(service, upstreams) : checkTcp(service);
}

/** Keys of HTTP would make believe that the bytes are read. */
function checkTcp(service: DocumentNode): Finding[] {
  const places = [
    ...Object.keys(httpKeys).map((key) => service.at(key)),
    ...Object.keys(ownHttpTimeouts).map((key) => service.at("timeouts").at(key)),
  ];
  return places.filter(isThere).map((place) => bad(place, "none, unless protocol is http"));
}

function checkHttp(service: DocumentNode, upstreams: DocumentNode): Finding[] {
  const routes = service.at("routes").items();
  const tcpOnly = [service.at("sni"), service.at("tls").at("starttls")].filter(isThere);
  return [
    ...tcpOnly.map((place) => bad(place, "none with protocol: http")),
    ...checkAlpn(service.at("tls").at("alpn")),
    ...checkTarget(service),
    ...checkBackends(service, upstreams),
    ...routes.flatMap((route) => checkRoute(route, upstreams)),
    ...findRepeats(routes.flatMap(keysOf), "a host, a path and methods of its own"),
    ...checkFieldNames(routes),
  ];
}

/** A client that would speak another protocol must not be offered it. */
function checkAlpn(alpn: DocumentNode): Finding[] {
  return alpn.items().filter(({ value }) => value !== "http/1.1")
    .map((item) => bad(item, '"http/1.1", the one protocol that is served'));
}

/** Without routes all requests go to one upstream. */
function checkTarget(service: DocumentNode): Finding[] {
  const [routes, upstream] = [service.at("routes"), service.at("upstream")];
  if (isThere(routes) && isThere(upstream)) {
    const expected = "none, where there are routes: one without match is for all other requests";
    return [bad(upstream, expected)];
  }
  if (isThere(routes) || isThere(upstream)) return [];
  return [{ kind: "missing", ...routes, expected: "routes, or an upstream for all requests" }];
}

/** Upstreams whose backends can't be asked in HTTP. */
function checkBackends(service: DocumentNode, upstreams: DocumentNode): Finding[] {
  const places = [
    service.at("upstream"),
    ...service.at("routes").items().map((route) => route.at("upstream")),
  ];
  return places.flatMap((place) => {
    const upstream = typeof place.value === "string" ? upstreams.at(place.value) : place;
    if (!isThere(upstream.at("tls").at("starttls"))) return [];
    const value = typeof place.value === "string" ? place.value : undefined;
    return [{
      ...bad(place, "an upstream without tls.starttls, which is for other protocols than HTTP"),
      value,
    }];
  });
}

function checkRoute(route: DocumentNode, upstreams: DocumentNode): Finding[] {
  if (!isMapping(route.value)) return [];
  const actions = ACTIONS.map((key) => route.at(key)).filter(isThere);
  const [first, ...others] = actions;
  if (first === undefined) {
    return [{
      kind: "missing",
      ...route,
      value: undefined,
      expected: "one of upstream, redirect and respond",
    }];
  }
  const findings = others.map((place) => bad(place, `one of upstream, redirect and respond, not several`));
  const { value } = route.at("upstream");
  if (typeof value === "string" && !upstreams.keys().includes(value)) {
    const finding = bad(route.at("upstream"), "the name of one of the upstreams");
    findings.push(withNearest(finding, upstreams.keys()));
  }
  if (!isThere(route.at("upstream"))) {
    const vain = OF_UPSTREAMS.map((key) => route.at(key)).filter(isThere);
    findings.push(...vain.map((place) => bad(place, "none without upstream")));
  }
  return [...findings, ...checkRespond(route.at("respond"))];
}

function checkRespond(respond: DocumentNode): Finding[] {
  const [status, body] = [respond.at("status").value, respond.at("body")];
  const isVain = WITHOUT_BODY.includes(status) && isThere(body) && body.value !== "";
  return isVain ? [bad(body, `none with the status ${status}`)] : [];
}

/** Each host, path and method that a route is for, in one text. */
function keysOf(route: DocumentNode): Located<string>[] {
  const match = route.at("match");
  const { host, path, methods } = {
    host: textOf(match.at("host"), ""),
    path: textOf(match.at("path"), "/"),
    methods: match.at("methods"),
  };
  if (!isMapping(route.value) || host === undefined || path === undefined) return [];
  const key = `${hostPattern(host) ?? host} ${routePath(path) ?? path}`;
  const place = isThere(match) ? match : route;
  if (!isThere(methods)) return [{ ...place, as: key }];
  return methods.items().map((method) => ({ ...method, as: `${key} ${method.value}` }));
}

/** The same name in two spellings: the one would take the place of the other. */
function checkFieldNames(routes: readonly DocumentNode[]): Finding[] {
  return routes.flatMap((route) => [
    route.at("headers").at("request").at("set"),
    route.at("headers").at("response").at("set"),
    route.at("respond").at("headers"),
  ]).flatMap((fields) => {
    const names = fields.keys().map((key) => ({
      path: fields.at(key).path,
      value: key,
      as: key.toLowerCase(),
    }));
    return findRepeats(names, "a name of its own");
  });
}

function textOf({ value }: DocumentNode, otherwise: string): string | undefined {
  return value === undefined ? otherwise : typeof value === "string" ? value : undefined;
}

function isThere({ value }: DocumentNode): boolean {
  return value !== undefined;
}

function bad({ path, value }: DocumentNode, expected: string): Finding {
  return { kind: "bad_value", path, value, expected };
}
