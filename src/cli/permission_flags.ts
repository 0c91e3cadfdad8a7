import type { ConfigSource } from "../app/config_source.ts";
import type { Config } from "../config/config.ts";
import {
  credentialPaths,
  discoveryNeed,
  formatPermissions,
  requiredPermissions,
} from "../config/required_permissions.ts";
import { canShareAddresses } from "../net/listen.ts";
import { workerReads } from "./worker_reads.ts";
import { readNeed, watchedReads } from "./permissions.ts";

/** Options of {@linkcode permissionFlags}. */
export interface PermissionFlagsOptions {
  /** Whether changes of the files are to be noticed, which takes the right to read their folders. */
  readonly watch?: boolean;
  /** The name servers of the system, as far as they may be known. */
  readonly nameServers: readonly string[];
  /** The main module of the program. @default {Deno.mainModule} */
  readonly mainModule?: string;
}

/** The flags of `deno run` for this configuration, on one line: what `culvert permissions` prints. */
export function permissionFlags(
  config: Config,
  source: ConfigSource,
  { watch = false, nameServers, mainModule }: PermissionFlagsOptions,
): string {
  const need = requiredPermissions(config);
  const { read } = readNeed(source);
  const found = discoveryNeed(config, nameServers);
  const net = found.net === "any" ? found.net : [...new Set([...need.net, ...found.net])];
  const reads = [...read, ...need.read, ...found.read, ...workerReads(config, mainModule)];
  const files = new Set([...read, ...filePaths(config)]);
  const flags = formatPermissions({ ...need, net, read: watch ? watchedReads(reads, files) : reads });
  return sharesAddresses(config) && !canShareAddresses ? `--unstable-net ${flags}` : flags;
}

/** Whether it has listeners of several threads, or of the runtime's TLS, on one address. */
function sharesAddresses({ workers, services }: Config): boolean {
  return workers !== 1 || services.some(({ tls }) => tls?.native === true);
}

/** The files that a configuration names, lists of backends included. */
function filePaths(config: Config): string[] {
  const lists = [...config.upstreams.values()].map(({ discover }) => discover?.filePath);
  return [...credentialPaths(config), ...lists.filter((path) => path !== undefined)];
}
