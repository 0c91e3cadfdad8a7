import type { ServiceTls } from "../config/config.ts";
import type { FileFault } from "../config/file_faults.ts";
import type { Path } from "../config/path.ts";
import type { Certificate } from "../tls/certificate.ts";
import type { Crl, UnusableCrl } from "../tls/crl.ts";
import { type CrlProblem, CrlSet } from "../tls/crl_set.ts";
import { verifyCrls } from "../tls/crl_signature.ts";
import { formatAttributes } from "../tls/distinguished_name.ts";
import type { TlsGate } from "../tls/tls_gate.ts";
import { issuerFault } from "../tls/path_check.ts";
import { TrustStore } from "../tls/trust_store.ts";
import { type CrlFile, readCrlFiles } from "./crl_files.ts";
import type { MaterialReader } from "./material_reader.ts";

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
  readonly madeOf: string;
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

/** Reads by what clients' certificates are looked at: CAs and CRLs. */
export class TrustLoader {
  readonly crls: CrlInUse[] = [];
  /** By who uses it, such as `service web`. */
  readonly trust = new Map<string, TrustInUse>();
  /** What can't be read or used of CRLs, which make gates that refuse everybody. */
  readonly crlFaults: FileFault[] = [];
  readonly #reader: MaterialReader;

  /** `reader` notes what else is wrong, and what to warn of. */
  constructor(reader: MaterialReader) {
    this.#reader = reader;
  }

  /** What `clientAuth` names. Where its CAs can't be used, those of `before` are what the CRLs are for. */
  async load(
    clientAuth: ClientAuth,
    { path, who, before }: Place & { before?: TlsGate },
  ): Promise<{ ca: string | undefined; crls: CrlSet | undefined }> {
    const ca = await this.#reader.ca(clientAuth.caPath, [...path, "clientAuth", "ca"]);
    const found = ca === undefined ? [] : new TrustStore(ca).certificates;
    this.#warnOfUseless(found, who);
    const authorities = ca === undefined && before !== undefined ? before.authorities : found;
    const crlPlace = { path: [...path, "clientAuth", "crl"], who, authorities };
    const crls = clientAuth.crlPaths === undefined ? undefined : await this.#crlSet(clientAuth, crlPlace);
    const madeOf = JSON.stringify([authorities.map(({ fingerprint }) => fingerprint), crls?.madeOf]);
    this.trust.set(who, { madeOf });
    return { ca, crls: crls?.set };
  }

  /**
   * A gate that is in use with the CAs and CRLs of its clients as they are now, and with all else as it is. CAs that
   * can't be used are a warning and no fault: those of the gate stay.
   */
  async renew(gate: TlsGate, { clientAuth, who }: { clientAuth: ClientAuth; who: string }): Promise<TlsGate> {
    const trust = await this.load(clientAuth, { path: [], who, before: gate });
    const next = gate.withTrust(trust);
    if (trust.ca === undefined) {
      const { cannot, why } = this.#reader.faults.pop()!;
      const fault = `cannot ${cannot} "${clientAuth.caPath}": ${why}`;
      this.#reader.warnings.push(`${who}: the clients' CAs from before stay: ${fault}`);
      this.trust.set(who, { ...this.trust.get(who)!, fault });
    }
    this.warnOfProblem(next, who);
    return next;
  }

  /** Warns of CRLs that keep clients out. */
  warnOfProblem(gate: TlsGate, who: string): void {
    const { problem } = gate;
    if (problem !== undefined) {
      this.#reader.warnings.push(`${who}: ${problem.comesIn} can come in: ${problem.detail}`);
    }
  }

  /** A certificate that may not issue others lets nobody in but, it may be, itself. */
  #warnOfUseless(authorities: readonly Certificate[], who: string): void {
    for (const authority of authorities) {
      const { basicConstraints, version, subjectName } = authority;
      const isCa = basicConstraints?.isCa ?? version === 1;
      const fault = isCa ? issuerFault(authority, { usage: "client", nowMs: Date.now() }) : undefined;
      if (isCa && fault === undefined) continue;
      const why = fault === undefined ? "which is no CA" : `which cannot vouch for any client: ${fault}`;
      this.#reader.warnings.push(`${who}: clientAuth.ca has ${subjectName}, ${why}`);
    }
  }

  /** CRLs fail closed: clients of an issuer without a good CRL are refused. */
  async #crlSet(
    { crlPaths = [], crlCheck = "chain", crlMaxAgeMs }: ClientAuth,
    { path, who, authorities }: Place & { authorities: readonly Certificate[] },
  ): Promise<{ set: CrlSet; madeOf: readonly string[] }> {
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
    return { set, madeOf: [`${crlCheck} ${crlMaxAgeMs}`, ...files.map(({ madeOf }) => madeOf)] };
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
