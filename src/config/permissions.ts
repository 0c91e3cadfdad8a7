import { type Address, formatAddress } from "../net/address.ts";
import type { Config } from "./config.ts";

/** The permissions of Deno that something needs, each as its flag names it. No wider than needed. */
export interface PermissionNeed {
  /** For `--allow-net`: `0.0.0.0:5432`, `db.internal:5432`, `[::1]:80`, `unix:/run/app.sock`. */
  readonly net: readonly string[];
  /** For `--allow-read`. */
  readonly read: readonly string[];
  /** For `--allow-write`. */
  readonly write: readonly string[];
}

/**
 * What it takes to run `config`: to bind its listeners and to dial its backends. Reading the configuration itself
 * is up to whoever does it. A flag can name a unix socket only where its path is absolute, and so where the folder
 * that the configuration was read with is.
 */
export function requiredPermissions(config: Config): PermissionNeed {
  const listeners = config.services.flatMap(({ listen }) => listen);
  const backends = [...config.upstreams.values()].flatMap((upstream) => upstream.backends);
  const addresses = [...listeners, ...backends.map(({ address }) => address)];
  const sockets = addresses.flatMap((address) => address.kind === "unix" ? [address.path] : []);
  return {
    net: unique(addresses.flatMap(netNames)),
    read: unique([...sockets, ...materialPaths(config)]),
    write: unique(sockets),
  };
}

/**
 * The flags for `deno run`, ready for a shell: `--allow-net=0.0.0.0:5432,10.0.0.11:5432`. What a shell would take
 * apart is quoted. Empty where nothing is needed.
 */
export function formatPermissions({ net, read, write }: PermissionNeed): string {
  const flags = Object.entries({ "--allow-net": net, "--allow-read": read, "--allow-write": write });
  return flags
    .filter(([, values]) => values.length > 0)
    .map(([flag, values]) => quote(`${flag}=${values.join(",")}`))
    .join(" ");
}

/** Certificates, keys, CAs and CRLs. */
export function materialPaths(config: Config): string[] {
  const ofServices = config.services.flatMap(({ tls }) =>
    tls === undefined ? [] : [tls.certPath, tls.keyPath, tls.clientAuth?.caPath, tls.clientAuth?.crlPath]
  );
  const ofUpstreams = [...config.upstreams.values()].flatMap((
    { tls },
  ) => [tls?.caPath, tls?.certPath, tls?.keyPath]);
  return unique([...ofServices, ...ofUpstreams].filter((path) => path !== undefined));
}

function netNames(address: Address): string[] {
  if (address.kind === "unix" || address.host !== "") return [formatAddress(address)];
  // All addresses are bound as [::], which takes both families, or as 0.0.0.0 where there is no IPv6.
  return [`[::]:${address.port}`, `0.0.0.0:${address.port}`];
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}

/**
 * Leaves brackets alone: no shell finds files for such a word, and quotes would be in the way of
 * `deno run $(culvert permissions …)`, where they become part of the flag.
 */
function quote(word: string): string {
  return /^[\w\-=:./@%+,[\]]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
