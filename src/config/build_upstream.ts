import { resolve } from "node:path";
import type { HealthOptions } from "../upstream/check/options.ts";
import type { BackendSpec } from "../upstream/options.ts";
import type { DiscoverConfig, EtcdTlsPaths, UpstreamConfig, UpstreamTls } from "./config.ts";
import type { DiscoverSection } from "./schema/discover_schema.ts";
import { resolveRules } from "./resolve_rules.ts";
import { resolveAddress } from "./rules/resolve_address.ts";
import type { BackendSection, UpstreamSection } from "./schema/upstream_schema.ts";

/** What names and paths of an upstream are relative to. */
export interface BuildUpstreamOptions {
  readonly name: string;
  readonly folder: string;
}

/** Makes an upstream of a document that has been found good. */
export function buildUpstream(upstream: UpstreamSection, options: BuildUpstreamOptions): UpstreamConfig {
  const { name, folder } = options;
  const { backends = [], balance, pool, retries, onRemove, onDown, proxyProtocol, tls, discover } = upstream;
  const { idleTimeout: idleTimeoutMs, ...bounds } = pool;
  const health = buildHealth(upstream.health);
  return {
    name,
    backends: backends.map((backend) => buildBackend(backend, folder)),
    balance,
    pool: { ...bounds, idleTimeoutMs },
    retries,
    queue: { max: upstream.queue.max, timeoutMs: upstream.queue.timeout },
    onRemove,
    onDown,
    proxyProtocol,
    ...(health === undefined ? {} : { health }),
    outlier: {
      failures: upstream.outlier.failures,
      ejectionMs: upstream.outlier.ejection,
      maxEjected: upstream.outlier.maxEjected,
    },
    slowStartMs: upstream.slowStart,
    ...(discover === undefined ? {} : { discover: buildDiscover(discover, folder) }),
    ...(tls === undefined ? {} : { tls: buildUpstreamTls(tls, folder) }),
  };
}

/** Makes a backend of one that has been found good. */
export function buildBackend(backend: BackendSection, folder: string): BackendSpec {
  return { ...backend, address: resolveAddress(backend.address, folder) };
}

function buildHealth(health: UpstreamSection["health"]): HealthOptions | undefined {
  const { type, interval: intervalMs, timeout: timeoutMs, ...others } = health;
  return type === "none" ? undefined : { type, intervalMs, timeoutMs, ...others };
}

function buildDiscover(discover: DiscoverSection, folder: string): DiscoverConfig {
  const { dns, file, etcd, within, keepOnEmpty } = discover;
  return {
    ...(dns === undefined ? {} : { dns: buildDns(dns) }),
    ...(file === undefined ? {} : { filePath: resolve(folder, file) }),
    ...(etcd === undefined ? {} : { etcd: buildEtcd(etcd, folder) }),
    ...(within === undefined ? {} : { within }),
    keepOnEmpty,
  };
}

function buildDns(
  { interval, ...dns }: NonNullable<DiscoverSection["dns"]>,
): NonNullable<DiscoverConfig["dns"]> {
  return { ...dns, intervalMs: interval };
}

function buildEtcd(
  { passwordFile, tls, ...etcd }: NonNullable<DiscoverSection["etcd"]>,
  folder: string,
): NonNullable<DiscoverConfig["etcd"]> {
  return {
    ...etcd,
    ...(passwordFile === undefined ? {} : { passwordPath: resolve(folder, passwordFile) }),
    ...(tls === undefined ? {} : { tls: resolveTlsPaths(tls, folder) }),
  };
}

/** Makes TLS settings of a section that has been found good. */
export function buildUpstreamTls(tls: NonNullable<UpstreamSection["tls"]>, folder: string): UpstreamTls {
  const { serverName, minVersion, maxVersion, alpn, starttls, verify, allow } = tls;
  return {
    ...resolveTlsPaths(tls, folder),
    ...(serverName === undefined ? {} : { serverName }),
    minVersion,
    maxVersion,
    alpn,
    ...(starttls === undefined ? {} : { starttls }),
    verify,
    ...(allow === undefined ? {} : { allow: resolveRules(allow, folder) }),
  };
}

/** The paths of a section that has been found good, resolved. */
export function resolveTlsPaths(
  { ca, cert, key }: { ca?: string; cert?: string; key?: string },
  folder: string,
): EtcdTlsPaths {
  return {
    ...(ca === undefined ? {} : { caPath: resolve(folder, ca) }),
    ...(cert === undefined ? {} : { certPath: resolve(folder, cert) }),
    ...(key === undefined ? {} : { keyPath: resolve(folder, key) }),
  };
}
