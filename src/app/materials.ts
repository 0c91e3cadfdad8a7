import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/problem.ts";
import type { BufferPool } from "../net/buffers.ts";
import type { RuntimeTls } from "../net/listen.ts";
import type { TlsConnect } from "../tls/tls_dial.ts";
import type { TlsGate } from "../tls/tls_gate.ts";
import type { EtcdTls } from "../upstream/discover/etcd_options.ts";
import {
  type AdminMaterial,
  type CertificateInUse,
  type CrlInUse,
  MaterialLoader,
} from "./material_loader.ts";

/** What a configuration's certificates, keys, CAs and CRLs make: read, checked, ready for use. */
export interface Materials {
  /** By the service's name. */
  readonly gates: ReadonlyMap<string, TlsGate>;
  /** For the services whose TLS the runtime can speak, by the service's name. */
  readonly runtimeTls: ReadonlyMap<string, RuntimeTls>;
  /** How the upstreams are reached that speak TLS, by the upstream's name. */
  readonly connects: ReadonlyMap<string, TlsConnect>;
  /** For the upstreams whose etcd is asked by TLS with settings of ours, by the upstream's name. */
  readonly etcdTls: ReadonlyMap<string, EtcdTls>;
  /** Absent: the admin listener speaks no TLS, or there is none. */
  readonly admin?: AdminMaterial;
  readonly certificates: readonly CertificateInUse[];
  readonly crls: readonly CrlInUse[];
  /** What should be looked after, though it works; a line each. */
  readonly warnings: readonly string[];
}

/** For a configuration without TLS. */
export const NO_MATERIALS: Materials = {
  gates: new Map(),
  runtimeTls: new Map(),
  connects: new Map(),
  etcdTls: new Map(),
  certificates: [],
  crls: [],
  warnings: [],
};

/** Options of {@linkcode loadMaterials}. */
export interface LoadMaterialsOptions {
  /** What messages call the configuration. */
  readonly name: string;
  readonly buffers: BufferPool;
}

/**
 * Reads and checks all files that a configuration names.
 *
 * @throws {ConfigError} with every file that can't be read or used. A CRL is no such file: one that is bad makes a gate
 * that lets nobody in, and a warning.
 */
export async function loadMaterials(config: Config, options: LoadMaterialsOptions): Promise<Materials> {
  const loader = new MaterialLoader(options.buffers);
  const gates = new Map<string, TlsGate>();
  const connects = new Map<string, TlsConnect>();
  const etcdTls = new Map<string, EtcdTls>();
  for (const [index, { name, tls }] of config.services.entries()) {
    const gate = await loader.gate(tls, { path: `services[${index}].tls`, who: `service ${name}` });
    if (gate === undefined) continue;
    gates.set(name, gate);
    if (tls!.native) loader.native(name, tls!);
  }
  for (const [name, { tls, discover }] of config.upstreams) {
    const connect = await loader.connect(tls, { path: `upstreams.${name}.tls`, who: `upstream ${name}` });
    if (connect !== undefined) connects.set(name, connect);
    const place = { path: `upstreams.${name}.discover.etcd.tls`, who: `etcd of upstream ${name}` };
    const ofEtcd = await loader.etcdTls(discover?.etcd?.tls, place);
    if (ofEtcd !== undefined) etcdTls.set(name, ofEtcd);
  }
  const admin = await loader.admin(config.admin?.tls);
  const { runtimeTls, certificates, crls, problems, warnings } = loader;
  if (problems.length > 0) throw new ConfigError(options.name, problems);
  const found = { gates, runtimeTls, connects, etcdTls, certificates, crls, warnings };
  return admin === undefined ? found : { ...found, admin };
}
