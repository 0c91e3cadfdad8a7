import { canonicalName } from "./header_rules.ts";
import type { FieldRules, HttpRoute } from "./options.ts";

/**
 * What is done with the fields of the responses of backends: nothing, or what rules say; `true` hides what runs behind
 * the proxy: `Server` and `X-Powered-By` are removed, and `X-Proxy-By: culvert` is set.
 *
 * @example
 * ```ts
 * import { HttpPool } from "@culvert/culvert";
 *
 * new HttpPool({ responseHeaders: true });
 * new HttpPool({ responseHeaders: { remove: ["Server"], set: { "X-Proxy-By": "front" } } });
 * ```
 */
export type ResponseHeaders = boolean | FieldRules;

const HIDING: FieldRules = { remove: ["Server", "X-Powered-By"], set: { "X-Proxy-By": "culvert" } };

/** The same routes, with `responseHeaders` for all that have backends. What a route says itself comes first. */
export function withResponseHeaders(
  routes: readonly HttpRoute[],
  responseHeaders: ResponseHeaders,
): readonly HttpRoute[] {
  const rules = responseHeaders === true ? HIDING : responseHeaders;
  if (rules === false) return routes;
  return routes.map((route) => {
    if (route.upstream === undefined) return route;
    const { headers } = route;
    return { ...route, headers: { ...headers, response: merged(rules, headers?.response ?? {}) } };
  });
}

function merged(rules: FieldRules, own: FieldRules): FieldRules {
  const names = [...Object.keys(own.set ?? {}), ...(own.remove ?? [])].map(canonicalName);
  const others = (fields: FieldRules["set"]) =>
    Object.fromEntries(Object.entries(fields ?? {}).filter(([name]) => !names.includes(canonicalName(name))));
  return {
    remove: [...(rules.remove ?? []), ...(own.remove ?? [])],
    set: { ...others(rules.set), ...own.set },
    add: { ...others(rules.add), ...own.add },
  };
}
