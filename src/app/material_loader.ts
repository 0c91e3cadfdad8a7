import type { ServiceTls, UpstreamTls } from "../config/config.ts";
import type { Problem } from "../config/problem.ts";
import { CulvertError, describeError } from "../core/errors.ts";
import type { BufferPool } from "../net/buffers.ts";
import { dial } from "../net/dial.ts";
import { canShareAddresses, type RuntimeTls } from "../net/listen.ts";
import type { Certificate } from "../tls/certificate.ts";
import { type Crl, parseCrls } from "../tls/crl.ts";
import { CrlSet } from "../tls/crl_set.ts";
import { type CheckedMaterial, checkServerMaterial } from "../tls/material.ts";
import { type TlsConnect, tlsConnector } from "../tls/tls_dial.ts";
import { TlsGate } from "../tls/tls_gate.ts";
import { TrustStore } from "../tls/trust_store.ts";
import type { EtcdTls } from "../upstream/discover/etcd_options.ts";

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
  readonly set: CrlSet;
  /** What the file has; nothing, if it can't be read. */
  readonly crls: readonly Crl[];
}

/** The TLS of the admin listener. */
export interface AdminMaterial {
  readonly gate: TlsGate;
  /** The names of its certificate. */
  readonly names: readonly string[];
}

/** Where something is named in the configuration, and what it is for. */
interface Place {
  /** The key, such as `services[0].tls`. */
  readonly path: string;
  /** Such as `service web`. */
  readonly who: string;
}

/** Reads and checks files. Goes on after what can't be used, so that all of it is told in one go. */
export class MaterialLoader {
  readonly runtimeTls = new Map<string, RuntimeTls>();
  readonly certificates: CertificateInUse[] = [];
  readonly crls: CrlInUse[] = [];
  readonly problems: Problem[] = [];
  readonly warnings: string[] = [];
  readonly #buffers: BufferPool;
  /** What the certificates of services are shown as, by the path of the certificate. */
  readonly #own = new Map<string, CheckedMaterial>();

  /** `buffers` lends the read buffers of connections to backends. */
  constructor(buffers: BufferPool) {
    this.#buffers = buffers;
  }

  /** Undefined without TLS, and where there is a problem. */
  async gate(tls: ServiceTls | undefined, { path, who }: Place): Promise<TlsGate | undefined> {
    if (tls === undefined) return undefined;
    const { minVersion, maxVersion, alpn, clientAuth } = tls;
    const own = await this.#material(tls, { path, who, usage: "server" });
    const ca = await this.#ca(clientAuth?.caPath, `${path}.clientAuth.ca`);
    const crls = clientAuth?.crlPath === undefined ? undefined : await this.#crlSet(clientAuth.crlPath, who);
    const client = clientAuth && { ca, clientAuth: clientAuth.mode, allow: clientAuth.allow, crls };
    if (own === undefined || (clientAuth !== undefined && ca === undefined)) return undefined;
    const pems = { cert: own.certPem, key: own.keyPem };
    const gate = await this.#attempt(
      path,
      () => new TlsGate({ ...pems, minVersion, maxVersion, alpn, ...client }),
    );
    const problem = gate?.problem;
    if (problem !== undefined) this.warnings.push(`${who}: nobody can come in: ${problem.detail}`);
    return gate;
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
    const gate = await this.gate(tls, { path: "admin.tls", who: "admin" });
    if (gate === undefined) return undefined;
    const { dnsNames, ips } = this.#own.get(tls!.certPath)!.identity;
    return { gate, names: [...dnsNames, ...ips] };
  }

  /** Undefined without TLS, and where there is a problem. */
  async connect(tls: UpstreamTls | undefined, { path, who }: Place): Promise<TlsConnect | undefined> {
    if (tls === undefined) return undefined;
    const { serverName, verify, allow } = tls;
    if (!verify) {
      this.warnings.push(`${who}: the backends' certificates are NOT verified (tls.verify: false)`);
    }
    const pems = await this.#clientPems(tls, { path, who });
    if (pems === undefined) return undefined;
    const buffers = this.#buffers;
    return await this.#attempt(
      path,
      () => tlsConnector({ ...pems, serverName, verify, allow, dial, buffers }),
    );
  }

  /** Undefined without settings, and where there is a problem. */
  async etcdTls(tls: Omit<UpstreamTls, "verify"> | undefined, place: Place): Promise<EtcdTls | undefined> {
    return tls && await this.#clientPems(tls, place);
  }

  /** A CA, and a certificate of ours, where these are given. Undefined where there is a problem. */
  async #clientPems(
    { caPath, certPath, keyPath }: Omit<UpstreamTls, "verify">,
    { path, who }: Place,
  ): Promise<{ ca: string | undefined; cert?: string; key?: string } | undefined> {
    const { length } = this.problems;
    const ca = await this.#ca(caPath, `${path}.ca`);
    const own = certPath === undefined || keyPath === undefined
      ? undefined
      : await this.#material({ certPath, keyPath }, { path, who, usage: "client" });
    if (this.problems.length > length) return undefined;
    return { ca, ...(own === undefined ? {} : { cert: own.certPem, key: own.keyPem }) };
  }

  /** A certificate of ours and its key. */
  async #material(
    { certPath, keyPath }: { certPath: string; keyPath: string },
    { path, who, usage }: Place & { usage: "server" | "client" },
  ): Promise<CheckedMaterial | undefined> {
    const cert = await this.#attempt(`${path}.cert`, () => readText(certPath));
    const key = await this.#attempt(`${path}.key`, () => readText(keyPath));
    if (cert === undefined || key === undefined) return undefined;
    const material = { certPem: cert, keyPem: key, certLabel: certPath, keyLabel: keyPath, usage };
    const checked = await this.#attempt(path, () => checkServerMaterial(material, new Date()));
    if (checked === undefined) return undefined;
    for (const warning of checked.warnings) this.warnings.push(`${who}: ${warning}`);
    this.#own.set(certPath, checked);
    this.certificates.push({ path: certPath, usedBy: who, leaf: checked.chain[0]! });
    return checked;
  }

  async #ca(file: string | undefined, path: string): Promise<string | undefined> {
    if (file === undefined) return undefined;
    return await this.#attempt(path, async () => {
      const text = await readText(file);
      try {
        new TrustStore(text);
      } catch (cause) {
        throw new CulvertError("bad_certificate", `"${file}": ${describeError(cause)}`, { cause });
      }
      return text;
    });
  }

  /** Notes what goes wrong, and gives nothing then. */
  async #attempt<T>(path: string, work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof CulvertError)) throw error;
      this.problems.push({
        kind: "bad_value",
        path,
        expected: "files that can be used",
        value: error.message,
      });
      return undefined;
    }
  }

  /** CRLs fail closed: what can't be read lets nobody in. */
  async #crlSet(path: string, usedBy: string): Promise<CrlSet> {
    let crls: readonly Crl[] = [];
    let set: CrlSet;
    try {
      crls = parseCrls(await readBytes(path));
      set = new CrlSet(crls);
    } catch (error) {
      set = CrlSet.unreadable(`"${path}" can't be used: ${describeError(error)}`);
    }
    this.crls.push({ path, usedBy, set, crls });
    return set;
  }
}

async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(path));
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotFound ? "there is no such file" : describeError(cause);
    throw new CulvertError("unreadable_file", `Cannot read "${path}": ${why}`, { cause });
  }
}
