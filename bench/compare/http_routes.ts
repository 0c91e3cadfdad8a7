/** A host and the beginning of a path that a proxy forwards. */
export interface HostAndPath {
  readonly host: string;
  /** With a slash at its end. */
  readonly path: string;
}

const HOSTS = 20;
const PATHS_OF_A_HOST = 50;

/** The paths that each host has. */
export const PATHS: readonly string[] = Array.from({ length: PATHS_OF_A_HOST }, (_, i) => `/service${i}/`);
export const HOSTNAMES: readonly string[] = Array.from({ length: HOSTS }, (_, i) => `host${i}.example.org`);

/** 1,000 routes: every host with every path. */
export const ROUTES: readonly HostAndPath[] = HOSTNAMES.flatMap((host) =>
  PATHS.map((path) => ({ host, path }))
);

/** What is asked for: a route in the middle of the list. */
export const ASKED: HostAndPath = { host: "host10.example.org", path: "/service25/" };
