import type { ClientAuthConfig } from "../../config/config.ts";
import { forEachInSlices } from "../../core/slices.ts";
import type { FileFault } from "../../config/file_faults.ts";
import { formatPath, type Path } from "../../config/problem/problem.ts";
import type {
  ClientAuthCredentials,
  ServerCredentials,
  TrustDomainCredentials,
} from "../../dataplane/credentials.ts";
import { buildCrlSet, type CrlSource } from "../../dataplane/crl_source.ts";
import type { TlsGate } from "../../tls/gate.ts";
import type { Certificate } from "../../tls/x509/certificate.ts";
import type { Crl, UnusableCrl } from "../../tls/x509/crl/crl.ts";
import type { CrlProblem, CrlSet } from "../../tls/x509/crl/set.ts";
import { formatAttributes } from "../../tls/x509/distinguished_name.ts";
import { issuerFault } from "../../tls/x509/path/check.ts";
import { TrustStore } from "../../tls/x509/path/trust_store.ts";
import type { CrlContent } from "../../dataplane/crl_content.ts";
import type { CredentialReader } from "./credential_reader.ts";
import { rejectedClients } from "./crl_problem.ts";
import { readCrlFiles } from "./crl_files.ts";
import { fileAt, readRules, uselessRuleWarnings } from "./rule_authorities.ts";

/** A file of CRLs that are enforced. */
export interface CrlInUse {
  readonly path: string;
  /** Such as `service web`. */
  readonly usedBy: string;
  /** What the file has; nothing, if it can't be read. */
  readonly crls: readonly Crl[];
  /** What was read, which stays in memory while it is referred to. */
  readonly content?: CrlContent | undefined;
  /** Which clients are rejected, and why, at this moment (in milliseconds since 1970). */
  problem(nowMs: number): CrlProblem | undefined;
}

/** The CAs and CRLs that a service verifies clients' certificates with. */
export interface TrustInUse {
  /** The same text stands for the same CAs and CRLs. */
  readonly fingerprint: string;
  /** Why the previous CAs are still in use; absent: they are what the file says. */
  readonly fault?: string;
}

/** Where something is named in the configuration, and what it is for. */
export interface Place {
  /** The key, such as that of `services[0].tls`. */
  readonly path: Path;
  /** Such as `service web`. */
  readonly who: string;
}

/** Where CRLs come from, and how they are used. */
type CrlConfig = Pick<ClientAuthConfig, "crlPaths" | "crlCheck" | "crlMaxAgeMs">;

/** CAs in PEM with their CRLs. */
interface Bundle {
  readonly ca?: string;
  readonly crls?: CrlSource | undefined;
  readonly fingerprint?: unknown;
}

/** Reads what clients' certificates are verified with: CAs and CRLs. */
export class TrustLoader {
  readonly crls: CrlInUse[] = [];
  /** By what uses it, such as `service web`. */
  readonly trust = new Map<string, TrustInUse>();
  /** What can't be read or used of CRLs. Clients of their issuers are rejected. */
  readonly crlFaults: FileFault[] = [];
  readonly #reader: CredentialReader;

  /** `reader` collects the other faults, and the warnings. */
  constructor(reader: CredentialReader) {
    this.#reader = reader;
  }

  /**
   * Reads what `clientAuth` names; `undefined` where CAs can't be used, which is a fault. With `before`, the CAs that
   * are in use take their place.
   */
  async load(
    clientAuth: ClientAuthConfig,
    { path, who, before }: Place & { before?: ClientAuthCredentials | undefined },
  ): Promise<ClientAuthCredentials | undefined> {
    const at = [...path, "clientAuth"];
    const own = await this.#bundle(clientAuth, { path: at, who, used: before?.ca });
    const domains = await this.#domains(clientAuth, { path: [...at, "trustDomains"], who, before });
    const rules = { reader: this.#reader, path: [...at, "allow"], before: before?.allow };
    const allow = await readRules(clientAuth.allow, rules);
    if (own === undefined || domains === undefined || allow === undefined) return undefined;
    const { ca, crls } = own;
    const trust: ClientAuthCredentials = {
      mode: clientAuth.mode,
      ca,
      crls,
      trustDomains: clientAuth.trustDomains && domains.bundles,
      allow,
    };
    for (const warning of uselessRuleWarnings(trust, clientAuth)) {
      this.#reader.warnings.push(`${who}: ${warning}`);
    }
    this.trust.set(who, { fingerprint: JSON.stringify([own.fingerprint, domains.fingerprint, allow]) });
    return trust;
  }

  /**
   * The same credentials with the CAs and CRLs of the clients as their files are now. CAs that can't be used are a
   * warning and no fault: those in use stay.
   */
  async renew(
    credentials: ServerCredentials,
    { clientAuth, who }: { clientAuth: ClientAuthConfig; who: string },
  ): Promise<ServerCredentials> {
    const known = this.#reader.faults.length;
    const before = credentials.clientAuth;
    const next = await this.load(clientAuth, { path: [], who, before });
    const texts = this.#reader.faults.splice(known).map(({ path, cannot, why }) =>
      `cannot ${cannot} "${fileAt(clientAuth, path)}": ${why}`
    );
    if (texts.length > 0) {
      const fault = texts.join("; ");
      this.#reader.warnings.push(`${who}: keeping the current CAs for client certificates: ${fault}`);
      this.trust.set(who, { ...this.trust.get(who)!, fault });
    }
    return { ...credentials, clientAuth: next! };
  }

  /** CAs and their CRLs; nothing where there is no file of CAs. */
  async #bundle(
    files: CrlConfig & { readonly caPath?: string },
    { path, who, used }: Place & { used: string | undefined },
  ): Promise<Bundle | undefined> {
    const { caPath, crlPaths } = files;
    if (caPath === undefined) return {};
    const ca = await this.#reader.ca(caPath, [...path, "ca"]) ?? used;
    const authorities = ca === undefined ? [] : new TrustStore(ca).certificates;
    await this.#warnOfUseless(authorities, { who, key: keyOf(path) });
    const crlPlace = { path: [...path, "crl"], who, authorities };
    const crls = crlPaths === undefined ? undefined : await this.#crls(files, crlPlace);
    const fingerprint = [authorities.map((authority) => authority.fingerprint), crls?.fingerprint];
    return ca === undefined ? undefined : { ca, crls: crls?.source, fingerprint };
  }

  async #domains(
    { trustDomains = {}, crlCheck, crlMaxAgeMs }: ClientAuthConfig,
    { path, who, before }: Place & { before: ClientAuthCredentials | undefined },
  ): Promise<{ bundles: Record<string, TrustDomainCredentials>; fingerprint: unknown } | undefined> {
    const bundles: [name: string, TrustDomainCredentials][] = [];
    const fingerprint: unknown[] = [];
    for (const [name, files] of Object.entries(trustDomains)) {
      const used = before?.trustDomains?.[name]?.ca;
      const source = { ...files, ...(crlCheck && { crlCheck }), ...(crlMaxAgeMs && { crlMaxAgeMs }) };
      const bundle = await this.#bundle(source, { path: [...path, name], who, used });
      if (bundle?.ca === undefined) continue;
      bundles.push([name, { ca: bundle.ca, crls: bundle.crls }]);
      fingerprint.push([name, bundle.fingerprint]);
    }
    const isWhole = bundles.length === Object.keys(trustDomains).length;
    return isWhole ? { bundles: Object.fromEntries(bundles), fingerprint } : undefined;
  }

  /** Warns of CRLs because of which clients are rejected. */
  warnOfProblem(gate: TlsGate, who: string): void {
    const { problem } = gate;
    if (problem !== undefined) {
      this.#reader.warnings.push(`${who}: ${rejectedClients(problem)}: ${problem.detail}`);
    }
  }

  /** Warns of certificates that may not issue others: each verifies itself at most. */
  async #warnOfUseless(
    authorities: readonly Certificate[],
    { who, key }: { who: string; key: string },
  ): Promise<void> {
    await forEachInSlices(authorities, (authority) => {
      const { basicConstraints, version, subjectName } = authority;
      const isCa = basicConstraints?.isCa ?? version === 1;
      const fault = isCa ? issuerFault(authority, { usage: "client", nowMs: Date.now() }) : undefined;
      if (isCa && fault === undefined) return;
      const why = fault === undefined ? "which is no CA" : `which verifies no client: ${fault}`;
      this.#reader.warnings.push(`${who}: ${key} has ${subjectName}, ${why}`);
    });
  }

  /** CRLs fail closed: clients of an issuer without a usable CRL are rejected. */
  async #crls(
    { crlPaths = [], crlCheck = "chain", crlMaxAgeMs }: CrlConfig,
    { path, who, authorities }: Place & { authorities: readonly Certificate[] },
  ): Promise<{ source: CrlSource; fingerprint: readonly string[] }> {
    const { files, faults } = await readCrlFiles({ paths: crlPaths, key: path }, this.#reader);
    this.crlFaults.push(...faults);
    const source = { files: files.map((file) => file.source), checks: crlCheck, maxAgeMs: crlMaxAgeMs };
    const { set, readings } = await buildCrlSet(source, authorities);
    for (const [index, { source }] of files.entries()) {
      const reading = readings[index]!;
      const { crls, content } = reading;
      const problem = (nowMs: number) => set.problemOf(authorities, nowMs, reading);
      this.crls.push({ path: source.path, usedBy: who, crls, content, problem });
    }
    this.#warnOfGaps(set, { authorities, who });
    for (const { unusable } of readings) {
      for (const each of unusable) this.#warnOfUnused(set, { unusable: each, who });
    }
    const fingerprint = [`${crlCheck} ${crlMaxAgeMs}`, ...files.map((file) => file.fingerprint)];
    return { source, fingerprint };
  }

  /** Warns of a CRL that is not used, as there is another usable one of the issuer. */
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
      this.#reader.warnings.push(
        `${who}: every certificate that ${name} has issued is rejected: ${finding.detail}`,
      );
    }
  }
}

/** How the key of CAs is called in warnings: `clientAuth.ca`, or that of a trust domain. */
function keyOf(path: Path): string {
  return formatPath([...path.slice(path.indexOf("clientAuth")), "ca"]);
}
