import type { ServiceConfig } from "./config.ts";

/** The names of all upstreams that a service leads to. A name may be there more than once. */
export function upstreamNames({ upstream, names, http }: ServiceConfig): string[] {
  const ofRoutes = http?.routes.map((route) => route.upstream) ?? [];
  return [upstream, ...names?.values() ?? [], ...ofRoutes].filter((name) => name !== undefined);
}
