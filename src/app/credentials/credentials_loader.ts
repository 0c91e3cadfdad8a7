import type { EtcdTlsPaths, ServiceTls, UpstreamTls } from "../../config/config.ts";
import type { FileFault } from "../../config/file_faults.ts";
import type { Path } from "../../config/problem/problem.ts";
import { showValue } from "../../config/problem/show_value.ts";
import { CulvertError } from "../../core/errors.ts";
import { forEachInSlices } from "../../core/slices.ts";
import {
  type BackendCredentials,
  buildConnector,
  buildGate,
  type ServerCredentials,
} from "../../dataplane/credentials.ts";
import { BufferPool } from "../../net/buffers.ts";
import { dial } from "../../net/dial.ts";
import { canShareAddresses } from "../../net/listen.ts";
import type { TlsGate } from "../../tls/gate.ts";
import { checkCredentials, type CheckedCredentials } from "../../tls/session/credentials.ts";
import { checkEngine } from "../../tls/session/runtime_tls.ts";
import type { Certificate } from "../../tls/x509/certificate.ts";
import { issuerFault } from "../../tls/x509/path/check.ts";
import { TrustStore } from "../../tls/x509/path/trust_store.ts";
import type { EtcdTls } from "../../upstream/discover/etcd/options.ts";
import { CredentialReader, type CredentialReaderOptions, faultOf } from "./credential_reader.ts";
import { readRules, uselessRules } from "./rule_authorities.ts";
import { type Place, TrustLoader } from "./trust_loader.ts";

/** A certificate of this program that is in use. */
export interface CertificateInUse {
  readonly path: string;
  /** Such as `service web` or `upstream db`. */
  readonly usedBy: string;
  readonly leaf: Certificate;
}

/** The TLS of the admin listener. */
export interface AdminCredentials {
  readonly credentials: ServerCredentials;
  readonly gate: TlsGate;
  /** The names of its certificate. */
  readonly names: readonly string[];
}

/** Reads and checks files. Goes on after one that can't be used, so that all faults are found. */
export class CredentialsLoader {
  readonly certificates: CertificateInUse[] = [];
  /** Reads the files. */
  readonly reader: CredentialReader;
  readonly #trust: TrustLoader;
  /** The certificates of services, by their path. */
  readonly #own = new Map<string, CheckedCredentials>();
  /** Pairs that have been checked, by files, content and use: many services may present the same one. */
  readonly #checked = new Map<string, CheckedCredentials>();
  /** Pairs that the TLS engine can use, in the same way. */
  readonly #usable = new Set<string>();

  /** Reads nothing yet. */
  constructor(options: CredentialReaderOptions = {}) {
    this.reader = new CredentialReader(options);
    this.#trust = new TrustLoader(this.reader);
  }

  /** What can't be read or used; there is nothing to run with then. */
  get faults(): readonly FileFault[] {
    return this.reader.faults;
  }

  /** What needs attention, though it works; a line each. */
  get warnings(): readonly string[] {
    return this.reader.warnings;
  }

  /** What clients' certificates are verified with. */
  get trust(): Pick<TrustLoader, "crls" | "crlFaults" | "trust"> {
    return this.#trust;
  }

  /** The TLS of a service; undefined without TLS, and where there is a fault. */
  async service(tls: ServiceTls | undefined, place: Place): Promise<ServerCredentials | undefined> {
    return tls && (await this.#server(tls, place))?.credentials;
  }

  /** As {@linkcode service}, for the admin listener. */
  async admin(tls: ServiceTls | undefined): Promise<AdminCredentials | undefined> {
    const server = tls && await this.#server(tls, { path: ["admin", "tls"], who: "admin" });
    if (server === undefined) return undefined;
    const { dnsNames, ips } = this.#own.get(tls!.certPath)!.identity;
    return { ...server, names: [...dnsNames, ...ips] };
  }

  /** The TLS of an upstream; undefined without TLS, and where there is a fault. */
  async upstream(
    tls: UpstreamTls | undefined,
    { path, who }: Place,
  ): Promise<BackendCredentials | undefined> {
    if (tls === undefined) return undefined;
    const { serverName, minVersion, maxVersion, alpn, starttls, verify } = tls;
    if (!verify) {
      this.reader.warnings.push(`${who}: the backends' certificates are NOT verified (tls.verify: false)`);
    }
    const pems = await this.#clientPems(tls, { path, who });
    if (pems === undefined) return undefined;
    const allow = tls.allow && await readRules(tls.allow, { reader: this.reader, path: [...path, "allow"] });
    if (tls.allow !== undefined && allow === undefined) return undefined;
    for (const index of pems.ca === undefined ? [] : uselessRules(allow ?? [], new TrustStore(pems.ca))) {
      const rule = tls.allow![index]!;
      const why = `no CA of "${rule.ca}" is one of those of tls.ca`;
      this.reader.warnings.push(`${who}: the rule ${showValue(rule)} matches no backend: ${why}`);
    }
    const credentials = { ...pems, serverName, minVersion, maxVersion, alpn, starttls, verify, allow };
    // Only to find faults: the data plane makes its own.
    const parts = { dial, buffers: new BufferPool() };
    const connector = await this.reader.attempt(path, () => buildConnector(credentials, parts));
    return connector && credentials;
  }

  /** The TLS of an etcd; undefined without settings, and where there is a fault. */
  async etcd(tls: EtcdTlsPaths | undefined, place: Place): Promise<EtcdTls | undefined> {
    return tls && await this.#clientPems(tls, place);
  }

  async #server(
    tls: ServiceTls,
    { path, who }: Place,
  ): Promise<{ credentials: ServerCredentials; gate: TlsGate } | undefined> {
    const { minVersion, maxVersion, alpn, starttls, clientAuth, certPath } = tls;
    const own = await this.#certificate(tls, { path, who, usage: "server" });
    const trust = clientAuth && await this.#trust.load(clientAuth, { path, who });
    if (own === undefined || (clientAuth !== undefined && trust === undefined)) return undefined;
    const pems = { cert: own.certPem, key: own.keyPem };
    if (await this.#checkEngine(pems, { path, native: tls.native ?? false }) === undefined) return undefined;
    const native = this.#isNative(tls, who) ? { certPath } : undefined;
    const credentials = { ...pems, minVersion, maxVersion, alpn, starttls, native, clientAuth: trust };
    const gate = await this.reader.attempt(path, () => buildGate(credentials));
    if (gate === undefined) return undefined;
    this.#trust.warnOfProblem(gate, who);
    return { credentials, gate };
  }

  async #checkEngine(
    pems: { cert: string; key: string },
    { path, native }: { path: Path; native: boolean },
  ): Promise<true | undefined> {
    const pair = `${native} ${pems.cert} ${pems.key}`;
    return await this.reader.attempt([...path, "cert"], () => {
      if (!this.#usable.has(pair)) checkEngine(pems, { native });
      this.#usable.add(pair);
      return true;
    });
  }

  /** Whether the runtime speaks the TLS of a service. */
  #isNative({ native = false }: ServiceTls, who: string): boolean {
    if (!native || who === "admin" || canShareAddresses) return native && who !== "admin";
    // A listener that can't give way to the next one without a gap must not change with the certificate.
    this.reader.warnings.push(`${who}: tls.native needs --unstable-net, and is not used`);
    return false;
  }

  /** A CA, and the client's certificate, where these are given. Undefined where there is a fault. */
  async #clientPems(
    { caPath, certPath, keyPath }: EtcdTlsPaths,
    { path, who }: Place,
  ): Promise<{ ca: string | undefined; cert?: string; key?: string } | undefined> {
    const ca = await this.reader.ca(caPath, [...path, "ca"]);
    const paths = certPath === undefined || keyPath === undefined ? undefined : { certPath, keyPath };
    const own = paths && await this.#certificate(paths, { path, who, usage: "client" });
    if (ca !== undefined) await this.#warnOfUseless(ca, who);
    if ((caPath !== undefined && ca === undefined) || (paths !== undefined && own === undefined)) {
      return undefined;
    }
    return { ca, ...(own === undefined ? {} : { cert: own.certPem, key: own.keyPem }) };
  }

  /** Warns of CAs that can't verify any backend. */
  async #warnOfUseless(ca: string, who: string): Promise<void> {
    await forEachInSlices(new TrustStore(ca).certificates, (authority) => {
      if (authority.basicConstraints?.isCa !== true) return;
      const fault = issuerFault(authority, { usage: "server", nowMs: Date.now() });
      if (fault === undefined) return;
      const name = authority.subjectName;
      this.reader.warnings.push(`${who}: tls.ca has ${name}, which verifies no backend: ${fault}`);
    });
  }

  /** A certificate of this program and its key. */
  async #certificate(
    { certPath, keyPath }: { certPath: string; keyPath: string },
    { path, who, usage }: Place & { usage: "server" | "client" },
  ): Promise<CheckedCredentials | undefined> {
    const cert = await this.reader.attempt([...path, "cert"], () => this.reader.text(certPath));
    const key = await this.reader.attempt([...path, "key"], () => this.reader.text(keyPath));
    if (cert === undefined || key === undefined) return undefined;
    const input = { certPem: cert, keyPem: key, certLabel: certPath, keyLabel: keyPath, usage };
    const pair = Object.values(input).join(" ");
    let checked: CheckedCredentials;
    try {
      checked = this.#checked.get(pair) ?? checkCredentials(input, new Date());
      this.#checked.set(pair, checked);
    } catch (error) {
      this.reader.faults.push(certificateFault(error, { path, cert: certPath, key: keyPath }));
      return undefined;
    }
    for (const warning of checked.warnings) this.reader.warnings.push(`${who}: ${warning}`);
    this.#own.set(certPath, checked);
    this.certificates.push({ path: certPath, usedBy: who, leaf: checked.chain[0]! });
    return checked;
  }
}

/** The message begins with the name of the one of the two that is wrong. */
function certificateFault(
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
