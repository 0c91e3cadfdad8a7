/** One path of the API, with one method. */
export interface Route<H> {
  readonly method: "GET" | "POST" | "PUT";
  /** `/api/upstreams/:upstream/backends/*address/drain`: `:name` is one segment, `*name` one or more. */
  readonly pattern: string;
  /** Whether a request has a body: then it must have one, in JSON, and otherwise none. @default {false} */
  readonly body?: boolean;
  readonly run: H;
}

/** What a path leads to. */
export type Match<H> =
  | {
    readonly kind: "route";
    readonly route: Route<H>;
    readonly parameters: Readonly<Record<string, string>>;
  }
  /** The path exists, with these methods only. */
  | { readonly kind: "wrong-method"; readonly allowed: readonly string[] }
  | { readonly kind: "none" };

/** Finds what a request leads to. `path` is not decoded; a HEAD leads where a GET does. */
export function findRoute<H>(
  routes: readonly Route<H>[],
  { method, path }: { method: string; path: string },
): Match<H> {
  const wanted = method === "HEAD" ? "GET" : method;
  const allowed = new Set<string>();
  for (const route of routes) {
    const parameters = matchPath(route.pattern, path);
    if (parameters === undefined) continue;
    if (route.method === wanted) return { kind: "route", route, parameters };
    allowed.add(route.method);
    if (route.method === "GET") allowed.add("HEAD");
  }
  return allowed.size === 0 ? { kind: "none" } : { kind: "wrong-method", allowed: [...allowed] };
}

/**
 * The parameters of a path, decoded, or `undefined` if the pattern does not fit. Slashes that are encoded are part of
 * a segment; `*name` takes plain ones too, so that `unix:/run/app.sock` need not be encoded.
 */
function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split("/");
  const segments = path.split("/");
  const star = wanted.findIndex((part) => part.startsWith("*"));
  const extra = segments.length - wanted.length;
  if (star === -1 ? extra !== 0 : extra < 0) return undefined;
  if (star !== -1) segments.splice(star, extra + 1, segments.slice(star, star + extra + 1).join("/"));
  const parameters: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const segment = segments[index]!;
    if (!/^[:*]/.test(part)) {
      if (part !== segment) return undefined;
      continue;
    }
    if (segment === "") return undefined;
    try {
      parameters[part.slice(1)] = decodeURIComponent(segment);
    } catch {
      return undefined; // Not UTF-8, percent-encoded.
    }
  }
  return parameters;
}
