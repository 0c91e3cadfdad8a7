import { ConfigError } from "../../config/problem/problem.ts";
import type { ConfigReading } from "../../config/reading.ts";
import type { TlsSections } from "../../config/tls_sections.ts";
import type { BufferPool } from "../../net/buffers.ts";
import type { Dial } from "../../net/dial.ts";
import type { RuntimeTls } from "../../net/listen.ts";
import type { TlsGate } from "../../tls/gate.ts";
import type { EtcdTls } from "../../upstream/discover/etcd/options.ts";
import {
  type AdminCredentials,
  type BackendTls,
  type CertificateInUse,
  CredentialsLoader,
} from "./credentials_loader.ts";
import type { ErrorPage } from "../../http_proxy/options.ts";
import { loadErrorPages } from "./error_pages.ts";
import type { CrlInUse, TrustInUse } from "./trust_loader.ts";

/** What a configuration's certificates, keys, CAs and CRLs make: read, checked, ready for use. */
export interface Credentials {
  /** By the service's name. */
  readonly gates: ReadonlyMap<string, TlsGate>;
  /** For the services whose TLS the runtime can speak, by the service's name. */
  readonly runtimeTls: ReadonlyMap<string, RuntimeTls>;
  /** How the upstreams are reached that speak TLS, by the upstream's name. */
  readonly connects: ReadonlyMap<string, BackendTls>;
  /** For the upstreams whose etcd is asked by TLS with settings of ours, by the upstream's name. */
  readonly etcdTls: ReadonlyMap<string, EtcdTls>;
  /** Absent: the admin listener speaks no TLS, or there is none. */
  readonly admin?: AdminCredentials;
  readonly certificates: readonly CertificateInUse[];
  readonly crls: readonly CrlInUse[];
  /** The pages of HTTP services for answers of the proxy itself, by the service's name and the status. */
  readonly errorPages: ReadonlyMap<string, Readonly<Record<number, ErrorPage>>>;
  /** By who uses it, such as `service web`. */
  readonly trust: ReadonlyMap<string, TrustInUse>;
  /** What should be looked after, though it works; a line each. */
  readonly warnings: readonly string[];
}

/** For a configuration without TLS. */
export const NO_CREDENTIALS: Credentials = {
  gates: new Map(),
  runtimeTls: new Map(),
  connects: new Map(),
  etcdTls: new Map(),
  certificates: [],
  crls: [],
  errorPages: new Map(),
  trust: new Map(),
  warnings: [],
};

/** Options of {@linkcode loadCredentials}. */
export interface LoadCredentialsOptions {
  /** What messages call the configuration. */
  readonly name: string;
  readonly buffers: BufferPool;
  /** Opens the connections to backends. @default {dial} */
  readonly dial?: Dial;
}

/**
 * Reads and checks all files that a good configuration names.
 *
 * @throws {ConfigError} with every file that can't be read or used. A CRL alone is no such file: one that is bad makes
 * a gate that lets nobody in, and a warning.
 */
export async function loadCredentials(
  reading: ConfigReading,
  options: LoadCredentialsOptions,
): Promise<Credentials> {
  const loader = new CredentialsLoader(options.buffers, { dial: options.dial });
  const made = await load(reading.tls, loader);
  const errorPages = await loadErrorPages(reading.errorFiles, loader.reader);
  const { runtimeTls, certificates, faults, trust: { crls, trust, crlFaults } } = loader;
  if (faults.length > 0) throw new ConfigError(options.name, reading.problems([...faults, ...crlFaults]));
  const warnings = [...reading.warnings, ...loader.warnings];
  return { ...made, runtimeTls, certificates, crls, errorPages, trust, warnings };
}

/**
 * The error for a bad configuration, with everything that is wrong with it. The files that it names are looked at too,
 * as far as they can be told and may be read.
 */
export async function badConfig(
  reading: ConfigReading,
  options: LoadCredentialsOptions,
): Promise<ConfigError> {
  const loader = new CredentialsLoader(options.buffers, { permittedOnly: true });
  await load(reading.tls, loader);
  await loadErrorPages(reading.errorFiles, loader.reader);
  return new ConfigError(options.name, reading.problems([...loader.faults, ...loader.trust.crlFaults]));
}

async function load(
  sections: TlsSections,
  loader: CredentialsLoader,
): Promise<Pick<Credentials, "gates" | "connects" | "etcdTls" | "admin">> {
  const gates = new Map<string, TlsGate>();
  const connects = new Map<string, BackendTls>();
  const etcdTls = new Map<string, EtcdTls>();
  for (const { path, name, tls } of sections.services) {
    const gate = await loader.gate(tls, { path, who: `service ${name}` });
    if (gate === undefined) continue;
    gates.set(name, gate);
    if (tls.native) loader.native(name, tls);
  }
  for (const { path, name, tls } of sections.upstreams) {
    const connect = await loader.connect(tls, { path, who: `upstream ${name}` });
    if (connect !== undefined) connects.set(name, connect);
  }
  for (const { path, name, tls } of sections.etcd) {
    const ofEtcd = await loader.etcdTls(tls, { path, who: `etcd of upstream ${name}` });
    if (ofEtcd !== undefined) etcdTls.set(name, ofEtcd);
  }
  const admin = await loader.admin(sections.admin[0]?.tls);
  return { gates, connects, etcdTls, ...(admin === undefined ? {} : { admin }) };
}
