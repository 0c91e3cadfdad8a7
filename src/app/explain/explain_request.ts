import { InputBuffer } from "../../http/input_buffer.ts";
import type { RequestHead } from "../../http/request.ts";
import { findRoute, type FoundRoute } from "../../http_proxy/find_route.ts";
import type { HttpService } from "../../http_proxy/http_service.ts";
import { decideAnswer } from "../../http_proxy/own_answers.ts";
import { asProxyError } from "../../http_proxy/proxy_error.ts";
import type { Path } from "../../config/problem/problem.ts";
import type { ServicePlace } from "./explain_admission.ts";
import type { Outcome, Trace } from "./imagined.ts";

const URL_PARTS = /^https?:\/\/([^/?#]*)([^#]*)/i;
const encoder = new TextEncoder();

/** A request, and the client that sends it. */
export interface ImaginedRequest {
  readonly method: string;
  /** With scheme and host. */
  readonly url: string;
  /** The address of the client. */
  readonly from: string;
  readonly isTls: boolean;
  /** The name of its verified certificate. */
  readonly identity: string | undefined;
}

/** A request that ends here, or the route to its upstream. */
export type RequestDecision =
  | { readonly outcome: Outcome }
  | { readonly route: FoundRoute & { readonly upstream: string } };

/** Decides about a request: its form, route, rewriting, redirect or response. */
export function explainRequest(
  { plan }: HttpService,
  request: ImaginedRequest,
  { place, trace }: { place: ServicePlace; trace: Trace },
): RequestDecision {
  const [, authority = "", target = ""] = URL_PARTS.exec(request.url) ?? [];
  const { request: head } = plan.takeMessages();
  let found: FoundRoute;
  let step = "request";
  try {
    parse(head, `${request.method} ${target.startsWith("/") ? target : `/${target}`}`, authority);
    step = "route";
    trace.pass("request", `${head.method} ${head.path}${head.query} of ${head.host || "no host"}`);
    found = findRoute(plan, head);
  } catch (error) {
    const { message, code, status } = asProxyError(error as Error);
    trace.refuse(step, `${message}: ${status}`, [...place.path, step === "route" ? "routes" : "limits"]);
    return { outcome: { verdict: code, status } };
  }
  const { route } = found.route;
  const path = routePlace(place, plan.options.routes.indexOf(route));
  const { host = "any host", path: prefix = "/", methods } = route.match;
  trace.pass("route", `${host}, ${prefix}${methods === undefined ? "" : `, ${methods.join(", ")}`}`, path);
  if (route.upstream !== undefined) {
    if (route.rewrite !== undefined) trace.pass("rewrite", `to ${found.target}`, [...path, "rewrite"]);
    return { route: { ...found, upstream: route.upstream } };
  }
  const { from: ip, isTls, identity } = request;
  const facts = plan.forwarding.facts({
    peer: { ip, port: 0 },
    localPort: 0,
    isTls,
    ...(identity === undefined ? {} : { identity }),
  });
  const values = { ...plan.forwarding.origin(facts, head.authority), path: head.path, query: head.query };
  const { status, location, reason } = decideAnswer(found.route, values);
  trace.pass(reason, `${status}${location === undefined ? "" : ` to ${location}`}`, [...path, reason]);
  return { outcome: { verdict: reason, status, location } };
}

/** Reads the head as it would come from a client. */
function parse(head: RequestHead, start: string, authority: string): void {
  const bytes = encoder.encode(`${start} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  head.begin();
  head.parse(new InputBuffer(bytes, bytes.length));
}

/** A service without routes has one, to its upstream. */
function routePlace({ config, path }: ServicePlace, index: number): Path {
  const isCatchAll = config.http?.routes.length === 1 &&
    Object.keys(config.http.routes[0]!.match).length === 0;
  return isCatchAll ? path : [...path, "routes", index];
}
