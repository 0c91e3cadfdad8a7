/** One path of the API with one method. */
export interface Endpoint<H> {
  readonly method: "GET" | "POST" | "PUT";
  /** `/api/upstreams/:upstream/backends/*address/drain`: `:name` is one segment, `*name` one or more. */
  readonly pattern: string;
  /** Whether requests have a JSON body. Without, a body is rejected. @default {false} */
  readonly body?: boolean;
  /** Whether it needs no rule of `admin.allow`, as probes do. @default {false} */
  readonly open?: boolean;
  readonly run: H;
}

/** The result of {@linkcode findEndpoint}. */
export type EndpointMatch<H> =
  | {
    readonly kind: "found";
    readonly endpoint: Endpoint<H>;
    readonly parameters: Readonly<Record<string, string>>;
  }
  /** The path exists with these methods only. */
  | { readonly kind: "wrong-method"; readonly allowed: readonly string[] }
  | { readonly kind: "none" };

/** Finds the endpoint of a request. `path` is not decoded. HEAD matches the endpoints of GET. */
export function findEndpoint<H>(
  endpoints: readonly Endpoint<H>[],
  { method, path }: { method: string; path: string },
): EndpointMatch<H> {
  const wanted = method === "HEAD" ? "GET" : method;
  const allowed = new Set<string>();
  for (const endpoint of endpoints) {
    const parameters = matchPath(endpoint.pattern, path);
    if (parameters === undefined) continue;
    if (endpoint.method === wanted) return { kind: "found", endpoint, parameters };
    allowed.add(endpoint.method);
    if (endpoint.method === "GET") allowed.add("HEAD");
  }
  return allowed.size === 0 ? { kind: "none" } : { kind: "wrong-method", allowed: [...allowed] };
}

/**
 * The decoded parameters of a path, or `undefined` if it does not match. An encoded slash is part of its segment;
 * `*name` also matches plain slashes, so that `unix:/run/app.sock` need not be encoded.
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
      return undefined; // The percent-encoding is not UTF-8.
    }
  }
  return parameters;
}
