import type { HttpPlan, PlannedRoute } from "./plan.ts";
import { ProxyError, refusal } from "./proxy_error.ts";
import { rewritePath } from "./rewrite.ts";

/** What of a request its route depends on. */
export interface RoutedRequest {
  /** As it is compared with routes. */
  readonly host: string;
  /** In normal form. */
  readonly path: string;
  /** With its `?`; empty where there is none. */
  readonly query: string;
  readonly method: string;
}

/** The route of a request, and what its backend is asked for. */
export interface FoundRoute {
  readonly route: PlannedRoute;
  /** Path and query for the backend. */
  readonly target: string;
}

/**
 * Finds the route of a request.
 *
 * @throws {ProxyError} with the status for the client, if there is none.
 */
export function findRoute(plan: HttpPlan, { host, path, query, method }: RoutedRequest): FoundRoute {
  const result = plan.router.match(host, path, method);
  switch (result.kind) {
    case "route": {
      const { route, prefix } = result;
      return { route: plan.planned(route), target: rewritePath(route, { prefix, path, query }) };
    }
    case "method": {
      const message = `Cannot serve the request: its route does not take ${method}`;
      throw new ProxyError("no-method", message, { op: "route", status: 405, allow: result.allow });
    }
    case "ambiguous":
      throw refusal("bad-request", 400, "its path has an encoded slash");
    case "none":
      throw refusal("no-route", 404, "no route has its host and path");
  }
}
