import { hash } from "node:crypto";
import type { EtcdTlsPaths, ServiceTls, UpstreamTls } from "../config/config.ts";
import type { FileFault } from "../config/file_faults.ts";
import type { Path } from "../config/path.ts";
import { CulvertError, describeError } from "../core/errors.ts";
import type { BufferPool } from "../net/buffers.ts";
import { dial } from "../net/dial.ts";
import { canShareAddresses, type RuntimeTls } from "../net/listen.ts";
import type { Certificate } from "../tls/certificate.ts";
import { type Crl, parseCrls } from "../tls/crl.ts";
import { type CrlProblem, CrlSet } from "../tls/crl_set.ts";
import { type CheckedMaterial, checkServerMaterial } from "../tls/material.ts";
import { type TlsConnect, tlsConnector } from "../tls/tls_dial.ts";
import { TlsGate } from "../tls/tls_gate.ts";
import { formatAttributes } from "../tls/distinguished_name.ts";
import { TrustStore } from "../tls/trust_store.ts";
import type { EtcdTls } from "../upstream/discover/etcd_options.ts";

const UNREADABLE = "unreadable_file";
const SKIPPED = "skipped_file";

/** A certificate of ours that is in use. */
export interface CertificateInUse {
  readonly path: string;
  /** Such as `service web` or `upstream db`. */
  readonly usedBy: string;
  readonly leaf: Certificate;
}

/** CRLs that are enforced. */
export interface CrlInUse {
  readonly path: string;
  /** Such as `service web`. */
  readonly usedBy: string;
  /** What the file has; nothing, if it can't be read. */
  readonly crls: readonly Crl[];
  /** Whom they keep out, and why, at this moment (in milliseconds since 1970). */
  problem(nowMs: number): CrlProblem | undefined;
}

/** The CAs and CRLs that a gate looks at clients' certificates by. */
export interface TrustInUse {
  /** The same text stands for the same CAs and CRLs. */
  readonly madeOf: string;
  /** Why those CAs are still in use that were there before; absent: they are what the file says. */
  readonly fault?: string;
}

/** The TLS of the admin listener. */
export interface AdminMaterial {
  readonly gate: TlsGate;
  /** The names of its certificate. */
  readonly names: readonly string[];
}

/** The TLS that is spoken with the backends of an upstream. */
export interface BackendTls {
  readonly connectTls: TlsConnect;
  /** All that it was made of, the key included: the same text stands for the same TLS. */
  readonly madeOf: string;
}

/** Who may come in by certificates. */
type ClientAuth = NonNullable<ServiceTls["clientAuth"]>;

/** Where something is named in the configuration, and what it is for. */
interface Place {
  /** The key, such as that of `services[0].tls`. */
  readonly path: Path;
  /** Such as `service web`. */
  readonly who: string;
}

/** Options of {@linkcode MaterialLoader}. */
export interface MaterialLoaderOptions {
  /** Files that may not be read are passed over in silence, and nobody is asked for them. @default {false} */
  readonly permittedOnly?: boolean;
}

/** Reads and checks files. Goes on after what can't be used, so that all of it is told in one go. */
export class MaterialLoader {
  readonly runtimeTls = new Map<string, RuntimeTls>();
  readonly certificates: CertificateInUse[] = [];
  readonly crls: CrlInUse[] = [];
  /** By who uses it, such as `service web`. */
  readonly trust = new Map<string, TrustInUse>();
  /** What can't be read or used; there is nothing to run with then. */
  readonly faults: FileFault[] = [];
  /** The same of CRLs, which make gates that refuse everybody. */
  readonly crlFaults: FileFault[] = [];
  readonly warnings: string[] = [];
  readonly #buffers: BufferPool;
  readonly #permittedOnly: boolean;
  /** What the certificates of services are shown as, by the path of the certificate. */
  readonly #own = new Map<string, CheckedMaterial>();

  /** `buffers` lends the read buffers of connections to backends. */
  constructor(buffers: BufferPool, { permittedOnly = false }: MaterialLoaderOptions = {}) {
    this.#buffers = buffers;
    this.#permittedOnly = permittedOnly;
  }

  /** Undefined without TLS, and where there is a problem. */
  async gate(tls: ServiceTls | undefined, { path, who }: Place): Promise<TlsGate | undefined> {
    if (tls === undefined) return undefined;
    const { minVersion, maxVersion, alpn, clientAuth } = tls;
    const own = await this.#material(tls, { path, who, usage: "server" });
    const trust = clientAuth && await this.#trust(clientAuth, { path, who });
    const client = clientAuth && { ...trust, clientAuth: clientAuth.mode, allow: clientAuth.allow };
    if (own === undefined || (clientAuth !== undefined && trust?.ca === undefined)) return undefined;
    const pems = { cert: own.certPem, key: own.keyPem };
    const gate = await this.#attempt(
      path,
      () => new TlsGate({ ...pems, minVersion, maxVersion, alpn, ...client }),
    );
    if (gate !== undefined) this.#warnOfProblem(gate, who);
    return gate;
  }

  /**
   * A gate that is in use with the CAs and CRLs of its clients as they are now, and with all else as it is. CAs that
   * can't be used are a warning and no fault: those of the gate stay.
   */
  async renew(gate: TlsGate, { clientAuth, who }: { clientAuth: ClientAuth; who: string }): Promise<TlsGate> {
    const trust = await this.#trust(clientAuth, { path: [], who, before: gate });
    const next = gate.withTrust(trust);
    if (trust.ca === undefined) {
      const { cannot, why } = this.faults.pop()!;
      const fault = `cannot ${cannot} "${clientAuth.caPath}": ${why}`;
      this.warnings.push(`${who}: the clients' CAs from before stay: ${fault}`);
      this.trust.set(who, { ...this.trust.get(who)!, fault });
    }
    this.#warnOfProblem(next, who);
    return next;
  }

  #warnOfProblem(gate: TlsGate, who: string): void {
    const { problem } = gate;
    if (problem !== undefined) {
      this.warnings.push(`${who}: ${problem.comesIn} can come in: ${problem.detail}`);
    }
  }

  /** What `clientAuth` names. Where its CAs can't be used, those of `before` are what the CRLs are for. */
  async #trust(
    { caPath, crlPath }: ClientAuth,
    { path, who, before }: Place & { before?: TlsGate },
  ): Promise<{ ca: string | undefined; crls: CrlSet | undefined }> {
    const ca = await this.#ca(caPath, [...path, "clientAuth", "ca"]);
    const found = ca === undefined ? [] : new TrustStore(ca).certificates;
    this.#warnOfLeaves(found, who);
    const authorities = ca === undefined && before !== undefined ? before.authorities : found;
    const crlPlace = { path: [...path, "clientAuth", "crl"], who, authorities };
    const { set: crls, content } = crlPath === undefined ? {} : await this.#crlSet(crlPath, crlPlace);
    const madeOf = JSON.stringify([authorities.map(({ fingerprint }) => fingerprint), content]);
    this.trust.set(who, { madeOf });
    return { ca, crls };
  }

  /** The runtime speaks the TLS of a service that has its gate already. */
  native(name: string, { certPath, alpn }: ServiceTls): void {
    const own = this.#own.get(certPath)!;
    // Where its listener can't give way to the next one without a gap, TLS of ours is spoken.
    if (canShareAddresses) this.runtimeTls.set(name, { cert: own.certPem, key: own.keyPem, alpn });
    else this.warnings.push(`service ${name}: tls.native needs --unstable-net, and is not used`);
  }

  /** As {@linkcode gate}, for the admin listener. */
  async admin(tls: ServiceTls | undefined): Promise<AdminMaterial | undefined> {
    const gate = await this.gate(tls, { path: ["admin", "tls"], who: "admin" });
    if (gate === undefined) return undefined;
    const { dnsNames, ips } = this.#own.get(tls!.certPath)!.identity;
    return { gate, names: [...dnsNames, ...ips] };
  }

  /** Undefined without TLS, and where there is a problem. */
  async connect(tls: UpstreamTls | undefined, { path, who }: Place): Promise<BackendTls | undefined> {
    if (tls === undefined) return undefined;
    const { serverName, verify, allow } = tls;
    if (!verify) {
      this.warnings.push(`${who}: the backends' certificates are NOT verified (tls.verify: false)`);
    }
    const pems = await this.#clientPems(tls, { path, who });
    if (pems === undefined) return undefined;
    const buffers = this.#buffers;
    const options = { ...pems, serverName, verify, allow };
    const connectTls = await this.#attempt(path, () => tlsConnector({ ...options, dial, buffers }));
    return connectTls && { connectTls, madeOf: JSON.stringify(options) };
  }

  /** Undefined without settings, and where there is a problem. */
  async etcdTls(tls: EtcdTlsPaths | undefined, place: Place): Promise<EtcdTls | undefined> {
    return tls && await this.#clientPems(tls, place);
  }

  /** A CA, and a certificate of ours, where these are given. Undefined where there is a problem. */
  async #clientPems(
    { caPath, certPath, keyPath }: EtcdTlsPaths,
    { path, who }: Place,
  ): Promise<{ ca: string | undefined; cert?: string; key?: string } | undefined> {
    const ca = await this.#ca(caPath, [...path, "ca"]);
    const paths = certPath === undefined || keyPath === undefined ? undefined : { certPath, keyPath };
    const own = paths && await this.#material(paths, { path, who, usage: "client" });
    if ((caPath !== undefined && ca === undefined) || (paths !== undefined && own === undefined)) {
      return undefined;
    }
    return { ca, ...(own === undefined ? {} : { cert: own.certPem, key: own.keyPem }) };
  }

  /** A certificate of ours and its key. */
  async #material(
    { certPath, keyPath }: { certPath: string; keyPath: string },
    { path, who, usage }: Place & { usage: "server" | "client" },
  ): Promise<CheckedMaterial | undefined> {
    const cert = await this.#attempt([...path, "cert"], () => this.#readText(certPath));
    const key = await this.#attempt([...path, "key"], () => this.#readText(keyPath));
    if (cert === undefined || key === undefined) return undefined;
    const material = { certPem: cert, keyPem: key, certLabel: certPath, keyLabel: keyPath, usage };
    let checked: CheckedMaterial;
    try {
      checked = checkServerMaterial(material, new Date());
    } catch (error) {
      this.faults.push(materialFault(error, { path, cert: certPath, key: keyPath }));
      return undefined;
    }
    for (const warning of checked.warnings) this.warnings.push(`${who}: ${warning}`);
    this.#own.set(certPath, checked);
    this.certificates.push({ path: certPath, usedBy: who, leaf: checked.chain[0]! });
    return checked;
  }

  async #ca(file: string | undefined, path: Path): Promise<string | undefined> {
    if (file === undefined) return undefined;
    return await this.#attempt(path, async () => {
      const text = await this.#readText(file);
      new TrustStore(text);
      return text;
    });
  }

  /** A certificate that may not issue others lets nobody in but, it may be, itself. */
  #warnOfLeaves(authorities: readonly Certificate[], who: string): void {
    for (const { basicConstraints, version, attributes } of authorities) {
      if (basicConstraints?.isCa ?? version === 1) continue;
      this.warnings.push(`${who}: clientAuth.ca has ${formatAttributes(attributes)}, which is no CA`);
    }
  }

  /** Notes what goes wrong, and gives nothing then. */
  async #attempt<T>(path: Path, work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof CulvertError)) throw error;
      if (error.code !== SKIPPED) this.faults.push(faultOf(error, path));
      return undefined;
    }
  }

  /** CRLs fail closed: what can't be read lets nobody in. */
  async #crlSet(
    file: string,
    { path, who, authorities }: Place & { authorities: readonly Certificate[] },
  ): Promise<{ set: CrlSet; content: string }> {
    let crls: readonly Crl[] = [];
    let set: CrlSet;
    let content: string;
    try {
      const bytes = await this.#readBytes(file);
      crls = parseCrls(bytes);
      set = new CrlSet(crls);
      content = hash("sha256", bytes);
    } catch (error) {
      const fault = faultOf(error, path);
      content = `cannot ${fault.cannot} "${file}": ${fault.why}`;
      set = CrlSet.unreadable(content);
      if (!(error instanceof CulvertError && error.code === SKIPPED)) this.crlFaults.push(fault);
    }
    const problem = (nowMs: number) => set.problemOf(authorities, nowMs);
    this.crls.push({ path: file, usedBy: who, crls, problem });
    if (problem(Date.now()) === undefined) this.#warnOfGaps(set, { authorities, who });
    return { set, content };
  }

  /** Where some CAs have their CRL, and others have none that is good. */
  #warnOfGaps(set: CrlSet, { authorities, who }: { authorities: readonly Certificate[]; who: string }): void {
    for (const authority of authorities) {
      const finding = set.standing(authority, Date.now());
      if (finding === undefined) continue;
      const name = formatAttributes(authority.attributes);
      this.warnings.push(`${who}: nobody whom ${name} has issued can come in: ${finding.detail}`);
    }
  }

  async #readText(path: string): Promise<string> {
    return new TextDecoder().decode(await this.#readBytes(path));
  }

  async #readBytes(path: string): Promise<Uint8Array> {
    if (this.#permittedOnly && (await Deno.permissions.query({ name: "read", path })).state !== "granted") {
      throw new CulvertError(SKIPPED, `Cannot read "${path}": it may not be read`);
    }
    try {
      // One that is no file, such as a FIFO, could be waited for without end.
      const { isFile } = await Deno.stat(path);
      if (isFile) return await Deno.readFile(path);
    } catch (cause) {
      const why = cause instanceof Deno.errors.NotFound ? "no such file" : describeError(cause);
      throw new CulvertError(UNREADABLE, why, { cause });
    }
    throw new CulvertError(UNREADABLE, "it is no file");
  }
}

/** The message begins with the name of the one of the two that is wrong. */
function materialFault(
  error: unknown,
  { path, ...files }: { path: Path; cert: string; key: string },
): FileFault {
  if (!(error instanceof CulvertError)) throw error;
  for (const [key, file] of Object.entries(files)) {
    const start = `Cannot use ${file}: `;
    if (!error.message.startsWith(start) || files.cert === files.key) continue;
    return { path: [...path, key], cannot: "use", why: error.message.slice(start.length) };
  }
  return faultOf(error, path);
}

function faultOf(error: unknown, path: Path): FileFault {
  const isUnreadable = error instanceof CulvertError && error.code === UNREADABLE;
  const why = describeError(error).replace(/^Cannot use the CA bundle: /, "");
  return { path, cannot: isUnreadable ? "read" : "use", why };
}
