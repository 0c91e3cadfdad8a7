import { forEachInSlices } from "../../core/slices.ts";
import type { EtcdTlsPaths, ServiceTls, UpstreamTls } from "../../config/config.ts";
import type { FileFault } from "../../config/file_faults.ts";
import type { Path } from "../../config/problem/problem.ts";
import { showValue } from "../../config/problem/show_value.ts";
import { CulvertError } from "../../core/errors.ts";
import type { BufferPool } from "../../net/buffers.ts";
import { type Dial, dial } from "../../net/dial.ts";
import { canShareAddresses, type RuntimeTls } from "../../net/listen.ts";
import type { Certificate } from "../../tls/x509/certificate.ts";
import { checkCredentials, type CheckedCredentials } from "../../tls/session/credentials.ts";
import { issuerFault } from "../../tls/x509/path/check.ts";
import { checkEngine } from "../../tls/session/runtime_tls.ts";
import { type TlsConnect, tlsConnector } from "../../tls/dial.ts";
import { TlsGate } from "../../tls/gate.ts";
import { TrustStore } from "../../tls/x509/path/trust_store.ts";
import type { EtcdTls } from "../../upstream/discover/etcd/options.ts";
import { CredentialReader, type CredentialReaderOptions, faultOf } from "./credential_reader.ts";
import { readRules, vainRules } from "./rule_authorities.ts";
import { type Place, TrustLoader } from "./trust_loader.ts";

/** A certificate of ours that is in use. */
export interface CertificateInUse {
  readonly path: string;
  /** Such as `service web` or `upstream db`. */
  readonly usedBy: string;
  readonly leaf: Certificate;
}

/** The TLS of the admin listener. */
export interface AdminCredentials {
  readonly gate: TlsGate;
  /** The names of its certificate. */
  readonly names: readonly string[];
}

/** The TLS that is spoken with the backends of an upstream. */
export interface BackendTls {
  readonly connectTls: TlsConnect;
  /** All that it was made of, the key included: the same text stands for the same TLS. */
  readonly fingerprint: string;
}

/** Reads and checks files. Goes on after what can't be used, so that all of it is told in one go. */
export class CredentialsLoader {
  readonly runtimeTls = new Map<string, RuntimeTls>();
  readonly certificates: CertificateInUse[] = [];
  /** Reads the files. */
  readonly reader: CredentialReader;
  readonly #trust: TrustLoader;
  readonly #buffers: BufferPool;
  readonly #dial: Dial;
  /** What the certificates of services are shown as, by the path of the certificate. */
  readonly #own = new Map<string, CheckedCredentials>();

  /** `buffers` lends the read buffers of connections to backends, which `dial` opens. */
  constructor(buffers: BufferPool, options: CredentialReaderOptions & { dial?: Dial | undefined } = {}) {
    this.#buffers = buffers;
    this.#dial = options.dial ?? dial;
    this.reader = new CredentialReader(options);
    this.#trust = new TrustLoader(this.reader);
  }

  /** What can't be read or used; there is nothing to run with then. */
  get faults(): readonly FileFault[] {
    return this.reader.faults;
  }

  /** What should be looked after, though it works; a line each. */
  get warnings(): readonly string[] {
    return this.reader.warnings;
  }

  /** By what clients' certificates are looked at. */
  get trust(): Pick<TrustLoader, "crls" | "crlFaults" | "trust"> {
    return this.#trust;
  }

  /** Undefined without TLS, and where there is a problem. */
  async gate(tls: ServiceTls | undefined, { path, who }: Place): Promise<TlsGate | undefined> {
    if (tls === undefined) return undefined;
    const { minVersion, maxVersion, alpn, starttls, clientAuth } = tls;
    const own = await this.#credentials(tls, { path, who, usage: "server" });
    const trust = clientAuth && await this.#trust.load(clientAuth, { path, who });
    const client = clientAuth && { ...trust, clientAuth: clientAuth.mode };
    if (own === undefined || (clientAuth !== undefined && trust === undefined)) return undefined;
    const pems = { cert: own.certPem, key: own.keyPem };
    const checked = await this.reader.attempt([...path, "cert"], () => {
      checkEngine(pems, { native: tls.native ?? false });
      return true;
    });
    if (checked === undefined) return undefined;
    const gate = await this.reader.attempt(
      path,
      () => new TlsGate({ ...pems, minVersion, maxVersion, alpn, starttls, ...client }),
    );
    if (gate !== undefined) this.#trust.warnOfProblem(gate, who);
    return gate;
  }

  /** The runtime speaks the TLS of a service that has its gate already. */
  native(name: string, { certPath, alpn }: ServiceTls): void {
    const own = this.#own.get(certPath)!;
    // Where its listener can't give way to the next one without a gap, TLS of ours is spoken.
    if (canShareAddresses) this.runtimeTls.set(name, { cert: own.certPem, key: own.keyPem, alpn, certPath });
    else this.reader.warnings.push(`service ${name}: tls.native needs --unstable-net, and is not used`);
  }

  /** As {@linkcode gate}, for the admin listener. */
  async admin(tls: ServiceTls | undefined): Promise<AdminCredentials | undefined> {
    const gate = await this.gate(tls, { path: ["admin", "tls"], who: "admin" });
    if (gate === undefined) return undefined;
    const { dnsNames, ips } = this.#own.get(tls!.certPath)!.identity;
    return { gate, names: [...dnsNames, ...ips] };
  }

  /** Undefined without TLS, and where there is a problem. */
  async connect(tls: UpstreamTls | undefined, { path, who }: Place): Promise<BackendTls | undefined> {
    if (tls === undefined) return undefined;
    const { serverName, minVersion, maxVersion, alpn, starttls, verify } = tls;
    if (!verify) {
      this.reader.warnings.push(`${who}: the backends' certificates are NOT verified (tls.verify: false)`);
    }
    const pems = await this.#clientPems(tls, { path, who });
    if (pems === undefined) return undefined;
    const [buffers, dial] = [this.#buffers, this.#dial];
    const allow = tls.allow && await readRules(tls.allow, { reader: this.reader, path: [...path, "allow"] });
    if (tls.allow !== undefined && allow === undefined) return undefined;
    for (const index of pems.ca === undefined ? [] : vainRules(allow ?? [], new TrustStore(pems.ca))) {
      const rule = tls.allow![index]!;
      const why = `no CA of "${rule.ca}" is one of those of tls.ca`;
      this.reader.warnings.push(`${who}: the rule ${showValue(rule)} lets no backend be used: ${why}`);
    }
    const options = { ...pems, serverName, minVersion, maxVersion, alpn, starttls, verify, allow };
    const connectTls = await this.reader.attempt(path, () => tlsConnector({ ...options, dial, buffers }));
    return connectTls && { connectTls, fingerprint: JSON.stringify(options) };
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
    const ca = await this.reader.ca(caPath, [...path, "ca"]);
    const paths = certPath === undefined || keyPath === undefined ? undefined : { certPath, keyPath };
    const own = paths && await this.#credentials(paths, { path, who, usage: "client" });
    if (ca !== undefined) await this.#warnOfUseless(ca, who);
    if ((caPath !== undefined && ca === undefined) || (paths !== undefined && own === undefined)) {
      return undefined;
    }
    return { ca, ...(own === undefined ? {} : { cert: own.certPem, key: own.keyPem }) };
  }

  /** Warns of CAs that cannot vouch for any backend. */
  async #warnOfUseless(ca: string, who: string): Promise<void> {
    await forEachInSlices(new TrustStore(ca).certificates, (authority) => {
      if (authority.basicConstraints?.isCa !== true) return;
      const fault = issuerFault(authority, { usage: "server", nowMs: Date.now() });
      if (fault === undefined) return;
      const name = authority.subjectName;
      this.reader.warnings.push(`${who}: tls.ca has ${name}, which cannot vouch for any backend: ${fault}`);
    });
  }

  /** A certificate of ours and its key. */
  async #credentials(
    { certPath, keyPath }: { certPath: string; keyPath: string },
    { path, who, usage }: Place & { usage: "server" | "client" },
  ): Promise<CheckedCredentials | undefined> {
    const cert = await this.reader.attempt([...path, "cert"], () => this.reader.text(certPath));
    const key = await this.reader.attempt([...path, "key"], () => this.reader.text(keyPath));
    if (cert === undefined || key === undefined) return undefined;
    const input = { certPem: cert, keyPem: key, certLabel: certPath, keyLabel: keyPath, usage };
    let checked: CheckedCredentials;
    try {
      checked = checkCredentials(input, new Date());
    } catch (error) {
      this.reader.faults.push(credentialsFault(error, { path, cert: certPath, key: keyPath }));
      return undefined;
    }
    for (const warning of checked.warnings) this.reader.warnings.push(`${who}: ${warning}`);
    this.#own.set(certPath, checked);
    this.certificates.push({ path: certPath, usedBy: who, leaf: checked.chain[0]! });
    return checked;
  }
}

/** The message begins with the name of the one of the two that is wrong. */
function credentialsFault(
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
