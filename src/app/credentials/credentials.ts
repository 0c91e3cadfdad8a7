import { ConfigError } from "../../config/problem/problem.ts";
import type { ConfigReading } from "../../config/reading.ts";
import type { TlsSections } from "../../config/tls_sections.ts";
import type {
  BackendCredentials,
  ClientAuthCredentials,
  ServerCredentials,
} from "../../dataplane/credentials.ts";
import type { ErrorPage } from "../../http_proxy/options.ts";
import type { EtcdTls } from "../../upstream/discover/etcd/options.ts";
import { type AdminCredentials, type CertificateInUse, CredentialsLoader } from "./credentials_loader.ts";
import { loadErrorPages } from "./error_pages.ts";
import type { CrlInUse, TrustInUse } from "./trust_loader.ts";

/** The certificates, keys, CAs and CRLs of a configuration, read and checked. */
export interface Credentials {
  /** By the service's name. */
  readonly services: ReadonlyMap<string, ServerCredentials>;
  /** By the upstream's name. */
  readonly upstreams: ReadonlyMap<string, BackendCredentials>;
  /** By the upstream's name. */
  readonly etcd: ReadonlyMap<string, EtcdTls>;
  /** Absent: the admin listener speaks no TLS, or there is none. */
  readonly admin?: AdminCredentials;
  /** The pages of HTTP services for answers of the proxy itself, by the service's name and the status. */
  readonly errorPages: ReadonlyMap<string, Readonly<Record<number, ErrorPage>>>;
  readonly certificates: readonly CertificateInUse[];
  readonly crls: readonly CrlInUse[];
  /** By what uses it, such as `service web`. */
  readonly trust: ReadonlyMap<string, TrustInUse>;
  /** What needs attention, though it works; a line each. */
  readonly warnings: readonly string[];
}

/** For a configuration without TLS. */
export const NO_CREDENTIALS: Credentials = {
  services: new Map(),
  upstreams: new Map(),
  etcd: new Map(),
  errorPages: new Map(),
  certificates: [],
  crls: [],
  trust: new Map(),
  warnings: [],
};

/**
 * Reads and checks all files that a good configuration names. `name` is what messages call the configuration.
 *
 * @throws {ConfigError} with every file that can't be read or used. A CRL alone is no such file: clients of its issuer
 * are rejected, and a warning says so.
 */
export async function loadCredentials(reading: ConfigReading, name: string): Promise<Credentials> {
  const loader = new CredentialsLoader();
  const loaded = await load(reading.tls, loader);
  const errorPages = await loadErrorPages(reading.errorFiles, loader.reader);
  const { certificates, faults, trust: { crls, trust, crlFaults } } = loader;
  if (faults.length > 0) throw new ConfigError(name, reading.problems([...faults, ...crlFaults]));
  const warnings = [...reading.warnings, ...loader.warnings];
  return { ...loaded, errorPages, certificates, crls, trust, warnings };
}

/**
 * The error for a bad configuration, with everything that is wrong with it. The files that it names are read too,
 * as far as their paths are known and the permissions allow.
 */
export async function badConfig(reading: ConfigReading, name: string): Promise<ConfigError> {
  const loader = new CredentialsLoader({ permittedOnly: true });
  await load(reading.tls, loader);
  await loadErrorPages(reading.errorFiles, loader.reader);
  return new ConfigError(name, reading.problems([...loader.faults, ...loader.trust.crlFaults]));
}

/** The same without the contents of CRL files, which are large, and are read again when they are needed. */
export function withoutCrls(credentials: Credentials): Credentials {
  const services = [...credentials.services].map(([name, server]) => [name, withoutCrlsOf(server)] as const);
  const { admin } = credentials;
  return {
    ...credentials,
    services: new Map(services),
    ...(admin && { admin: { ...admin, credentials: withoutCrlsOf(admin.credentials) } }),
  };
}

function withoutCrlsOf(server: ServerCredentials): ServerCredentials {
  const { clientAuth } = server;
  if (clientAuth === undefined) return server;
  const { crls: _, trustDomains, ...rest } = clientAuth;
  const domains = Object.entries(trustDomains ?? {}).map(([name, { ca }]) => [name, { ca }] as const);
  const slim: ClientAuthCredentials = {
    ...rest,
    ...(trustDomains === undefined ? {} : { trustDomains: Object.fromEntries(domains) }),
  };
  return { ...server, clientAuth: slim };
}

async function load(
  sections: TlsSections,
  loader: CredentialsLoader,
): Promise<Pick<Credentials, "services" | "upstreams" | "etcd" | "admin">> {
  const services = new Map<string, ServerCredentials>();
  const upstreams = new Map<string, BackendCredentials>();
  const etcd = new Map<string, EtcdTls>();
  for (const { path, name, tls } of sections.services) {
    const loaded = await loader.service(tls, { path, who: `service ${name}` });
    if (loaded !== undefined) services.set(name, loaded);
  }
  for (const { path, name, tls } of sections.upstreams) {
    const loaded = await loader.upstream(tls, { path, who: `upstream ${name}` });
    if (loaded !== undefined) upstreams.set(name, loaded);
  }
  for (const { path, name, tls } of sections.etcd) {
    const loaded = await loader.etcd(tls, { path, who: `etcd of upstream ${name}` });
    if (loaded !== undefined) etcd.set(name, loaded);
  }
  const admin = await loader.admin(sections.admin[0]?.tls);
  return { services, upstreams, etcd, ...(admin === undefined ? {} : { admin }) };
}
