import { forEachInSlices } from "../../core/slices.ts";
import type { ServiceTls } from "../../config/config.ts";
import type { FileFault } from "../../config/file_faults.ts";
import { formatPath, type Path } from "../../config/problem/problem.ts";
import type { Certificate } from "../../tls/x509/certificate.ts";
import type { Crl, UnusableCrl } from "../../tls/x509/crl/crl.ts";
import type { ClientTrustOptions, TrustDomainOptions } from "../../tls/authorize/client_trust.ts";
import { type CrlProblem, CrlSet } from "../../tls/x509/crl/set.ts";
import { verifyCrls } from "../../tls/x509/crl/signature.ts";
import { formatAttributes } from "../../tls/x509/distinguished_name.ts";
import type { TlsGate } from "../../tls/gate.ts";
import { issuerFault } from "../../tls/x509/path/check.ts";
import { TrustStore } from "../../tls/x509/path/trust_store.ts";
import { type CrlFile, readCrlFiles } from "./crl_files.ts";
import type { CredentialReader } from "./credential_reader.ts";
import { fileAt, readRules, vainRuleWarnings } from "./rule_authorities.ts";

/** A file of CRLs that are enforced. */
export interface CrlInUse extends Pick<CrlFile, "path" | "content"> {
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
  readonly fingerprint: string;
  /** Why those CAs are still in use that were there before; absent: they are what the file says. */
  readonly fault?: string;
}

/** Who may come in by certificates. */
type ClientAuth = NonNullable<ServiceTls["clientAuth"]>;

/** Where something is named in the configuration, and what it is for. */
export interface Place {
  /** The key, such as that of `services[0].tls`. */
  readonly path: Path;
  /** Such as `service web`. */
  readonly who: string;
}

/** Where CRLs come from, and how they are used. */
type CrlSource = Pick<ClientAuth, "crlPaths" | "crlCheck" | "crlMaxAgeMs">;

/** CAs in PEM, and what they have revoked. */
interface Bundle {
  readonly ca?: string;
  readonly crls?: CrlSet | undefined;
  readonly fingerprint?: unknown;
}

/** Reads by what clients' certificates are looked at: CAs and CRLs. */
export class TrustLoader {
  readonly crls: CrlInUse[] = [];
  /** By who uses it, such as `service web`. */
  readonly trust = new Map<string, TrustInUse>();
  /** What can't be read or used of CRLs, which make gates that refuse everybody. */
  readonly crlFaults: FileFault[] = [];
  readonly #reader: CredentialReader;

  /** `reader` notes what else is wrong, and what to warn of. */
  constructor(reader: CredentialReader) {
    this.#reader = reader;
  }

  /**
   * What `clientAuth` names; `undefined` where CAs can't be used, which is a fault. With `before`, the CAs that are in
   * use stay in their place.
   */
  async load(
    clientAuth: ClientAuth,
    { path, who, before }: Place & { before?: TlsGate },
  ): Promise<ClientTrustOptions | undefined> {
    const at = [...path, "clientAuth"];
    const used = before?.trust.options;
    const own = await this.#bundle(clientAuth, { path: at, who, used: used?.ca });
    const domains = await this.#domains(clientAuth, { path: [...at, "trustDomains"], who, before });
    const rules = { reader: this.#reader, path: [...at, "allow"], before: used?.allow };
    const allow = await readRules(clientAuth.allow, rules);
    if (own === undefined || domains === undefined || allow === undefined) return undefined;
    const { ca, crls } = own;
    const trust = { ca, crls, trustDomains: clientAuth.trustDomains && domains.bundles, allow };
    for (const warning of vainRuleWarnings(trust, clientAuth)) {
      this.#reader.warnings.push(`${who}: ${warning}`);
    }
    this.trust.set(who, { fingerprint: JSON.stringify([own.fingerprint, domains.fingerprint, allow]) });
    return trust;
  }

  /**
   * A gate that is in use with the CAs and CRLs of its clients as they are now, and with all else as it is. CAs that
   * can't be used are a warning and no fault: those of the gate stay.
   */
  async renew(gate: TlsGate, { clientAuth, who }: { clientAuth: ClientAuth; who: string }): Promise<TlsGate> {
    const known = this.#reader.faults.length;
    const trust = await this.load(clientAuth, { path: [], who, before: gate });
    const next = gate.withTrust(trust!);
    const texts = this.#reader.faults.splice(known).map(({ path, cannot, why }) =>
      `cannot ${cannot} "${fileAt(clientAuth, path)}": ${why}`
    );
    if (texts.length > 0) {
      const fault = texts.join("; ");
      this.#reader.warnings.push(`${who}: the clients' CAs from before stay: ${fault}`);
      this.trust.set(who, { ...this.trust.get(who)!, fault });
    }
    this.warnOfProblem(next, who);
    return next;
  }

  /** CAs and their CRLs; nothing where there is no file of CAs. */
  async #bundle(
    files: CrlSource & { readonly caPath?: string },
    { path, who, used }: Place & { used: string | undefined },
  ): Promise<Bundle | undefined> {
    const { caPath, crlPaths } = files;
    if (caPath === undefined) return {};
    const ca = await this.#reader.ca(caPath, [...path, "ca"]) ?? used;
    const authorities = ca === undefined ? [] : new TrustStore(ca).certificates;
    await this.#warnOfUseless(authorities, { who, key: keyOf(path) });
    const crlPlace = { path: [...path, "crl"], who, authorities };
    const crls = crlPaths === undefined ? undefined : await this.#crlSet(files, crlPlace);
    const fingerprint = [authorities.map(({ fingerprint }) => fingerprint), crls?.fingerprint];
    return ca === undefined ? undefined : { ca, crls: crls?.set, fingerprint };
  }

  async #domains(
    { trustDomains = {}, crlCheck, crlMaxAgeMs }: ClientAuth,
    { path, who, before }: Place & { before: TlsGate | undefined },
  ): Promise<{ bundles: Record<string, TrustDomainOptions>; fingerprint: unknown } | undefined> {
    const bundles: [name: string, TrustDomainOptions][] = [];
    const fingerprint: unknown[] = [];
    for (const [name, files] of Object.entries(trustDomains)) {
      const used = before?.trust.options.trustDomains?.[name]?.ca;
      const source = { ...files, ...(crlCheck && { crlCheck }), ...(crlMaxAgeMs && { crlMaxAgeMs }) };
      const bundle = await this.#bundle(source, { path: [...path, name], who, used });
      if (bundle?.ca === undefined) continue;
      bundles.push([name, { ca: bundle.ca, crls: bundle.crls }]);
      fingerprint.push([name, bundle.fingerprint]);
    }
    const isWhole = bundles.length === Object.keys(trustDomains).length;
    return isWhole ? { bundles: Object.fromEntries(bundles), fingerprint } : undefined;
  }

  /** Warns of CRLs that keep clients out. */
  warnOfProblem(gate: TlsGate, who: string): void {
    const { problem } = gate;
    if (problem !== undefined) {
      this.#reader.warnings.push(`${who}: ${problem.comesIn} can come in: ${problem.detail}`);
    }
  }

  /** A certificate that may not issue others lets nobody in but, it may be, itself. */
  async #warnOfUseless(
    authorities: readonly Certificate[],
    { who, key }: { who: string; key: string },
  ): Promise<void> {
    await forEachInSlices(authorities, (authority) => {
      const { basicConstraints, version, subjectName } = authority;
      const isCa = basicConstraints?.isCa ?? version === 1;
      const fault = isCa ? issuerFault(authority, { usage: "client", nowMs: Date.now() }) : undefined;
      if (isCa && fault === undefined) return;
      const why = fault === undefined ? "which is no CA" : `which cannot vouch for any client: ${fault}`;
      this.#reader.warnings.push(`${who}: ${key} has ${subjectName}, ${why}`);
    });
  }

  /** CRLs fail closed: clients of an issuer without a good CRL are refused. */
  async #crlSet(
    { crlPaths = [], crlCheck = "chain", crlMaxAgeMs }: CrlSource,
    { path, who, authorities }: Place & { authorities: readonly Certificate[] },
  ): Promise<{ set: CrlSet; fingerprint: readonly string[] }> {
    const { files, faults } = await readCrlFiles({ paths: crlPaths, key: path }, this.#reader);
    this.crlFaults.push(...faults);
    const crls = files.flatMap(({ reading }) => reading.crls);
    const unusable = files.flatMap(({ reading }) => reading.unusable);
    await verifyCrls(crls, authorities);
    const set = new CrlSet(crls, { unusable, checks: crlCheck, maxAgeMs: crlMaxAgeMs });
    for (const file of files) {
      const problem = (nowMs: number) => set.problemOf(authorities, nowMs, file.reading);
      this.crls.push({ ...file, usedBy: who, crls: file.reading.crls, problem });
    }
    this.#warnOfGaps(set, { authorities, who });
    for (const each of unusable) this.#warnOfUnused(set, { unusable: each, who });
    return {
      set,
      fingerprint: [`${crlCheck} ${crlMaxAgeMs}`, ...files.map(({ fingerprint }) => fingerprint)],
    };
  }

  /** A CRL that keeps nobody out, as there is another good one of the issuer. */
  #warnOfUnused(set: CrlSet, { unusable, who }: { unusable: UnusableCrl; who: string }): void {
    if (set.problem(Date.now(), { crls: [], unusable: [unusable] }) !== undefined) return;
    this.#reader.warnings.push(`${who}: a CRL of ${unusable.issuerName} is not used: ${unusable.why}`);
  }

  /** Where some CAs have their CRL, and others have none that is good. */
  #warnOfGaps(set: CrlSet, { authorities, who }: { authorities: readonly Certificate[]; who: string }): void {
    if (set.problemOf(authorities, Date.now()) !== undefined) return; // The whole set is warned of already.
    for (const authority of authorities) {
      const finding = set.standing(authority, { authorities, nowMs: Date.now() });
      if (finding === undefined) continue;
      const name = formatAttributes(authority.attributes);
      this.#reader.warnings.push(`${who}: nobody whom ${name} has issued can come in: ${finding.detail}`);
    }
  }
}

/** How the key of CAs is called in warnings: `clientAuth.ca`, or that of a trust domain. */
function keyOf(path: Path): string {
  return formatPath([...path.slice(path.indexOf("clientAuth")), "ca"]);
}
