import type { Certificate } from "../certificate.ts";
import type { Crl, CrlReading, UnusableCrl } from "./crl.ts";
import { coveredReasons } from "./scope.ts";
import { formatAttributes } from "../distinguished_name.ts";
import { ALL_REASONS } from "../distribution_points.ts";
import { isCrlSignedBy } from "./signature.ts";
import { newestOfEachScope } from "./newest.ts";

/** Why revocation checking rejects a certificate. */
export interface RevocationFinding {
  /** Stable, for counting. */
  readonly reason: "revoked" | "crl-missing" | "crl-expired" | "crl-not-yet-valid" | "crl-unreadable";
  /** The same in words. */
  readonly detail: string;
}

/** What is wrong with the CRLs of a listener. */
export interface CrlProblem extends RevocationFinding {
  /** Which client certificates are rejected: all, or only some. */
  readonly rejects: "all" | "some";
}

/** Options of {@linkcode CrlSet}. */
export interface CrlSetOptions {
  /** CRLs that can't be used. Clients of their issuers are refused, unless there is another good CRL of the issuer. */
  readonly unusable?: readonly UnusableCrl[];
  /** Which certificates of a chain are checked: all but the trusted CA, or the client's alone. @default {"chain"} */
  readonly checks?: "chain" | "leaf";
  /**
   * How long a CRL without nextUpdate may be used after its thisUpdate, in milliseconds.
   *
   * @default such a CRL is not used
   */
  readonly maxAgeMs?: number | undefined;
}

/** The issuer of a certificate, and the possible signers of the CRLs that cover it. */
export interface CrlCheckOptions {
  readonly issuer: Certificate;
  /** Other certificates of the issuer, with keys that it had before or has for CRLs alone. They must be verified. */
  readonly signers?: readonly Certificate[];
  readonly nowMs: number;
}

/**
 * All CRLs of a listener. It fails closed: a certificate that no good CRL of its issuer covers is refused. Immutable.
 *
 * - Of several CRLs of one issuer, key and scope (issuingDistributionPoint), the one with the highest CRL number
 *   counts, and of those without a number the newest. A CRL that does not hold yet takes nothing away from the one
 *   that holds until then.
 * - CRLs of different scopes complement each other.
 * - A CRL is taken if the issuer's key has signed it, or another key of the same issuer whose certificate leads to the
 *   same trust anchor: RFC 5280 section 6.3.3 (f).
 *   Where CRLs of several keys cover a certificate, each of them can revoke it.
 */
export class CrlSet {
  /** Which certificates of a chain are checked. */
  readonly checks: "chain" | "leaf";
  readonly #crls: readonly Crl[];
  readonly #byIssuer: ReadonlyMap<string, readonly Crl[]>;
  readonly #unusable: readonly UnusableCrl[];
  readonly #maxAgeMs: number | undefined;

  /** A set of these. A set without any CRL refuses every certificate. */
  constructor(crls: readonly Crl[], { unusable = [], checks = "chain", maxAgeMs }: CrlSetOptions = {}) {
    this.checks = checks;
    // Those of attribute certificates alone say nothing about any certificate here.
    this.#crls = crls.filter(({ scope }) => scope?.covers !== "attributes");
    this.#byIssuer = Map.groupBy(this.#crls, ({ issuer }) => issuer);
    this.#unusable = unusable;
    this.#maxAgeMs = maxAgeMs;
  }

  /** What stands for CRLs that can't be read: every certificate is refused, with `why` as the reason in words. */
  static unreadable(why: string): CrlSet {
    return new CrlSet([], { unusable: [{ why }] });
  }

  /** When the first of those that count expires, in milliseconds; `undefined` where there is none. */
  get nextUpdateMs(): number | undefined {
    const times = [...this.#byIssuer.values()].flatMap((crls) =>
      newestOfEachScope(crls, Infinity).map((crl) => this.#expiry(crl))
    );
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /**
   * What is wrong with the set itself at this moment, for readiness and the log: a CRL can't be used, has expired or
   * does not hold yet, and there is no other one in its place. With `of`, only these of its CRLs are looked at.
   */
  problem(nowMs: number, of?: CrlReading): RevocationFinding | undefined {
    const { crls = this.#crls, unusable = this.#unusable } = of ?? {};
    for (const each of unusable) {
      const others = each.issuer === undefined ? [] : this.#byIssuer.get(each.issuer) ?? [];
      if (!others.some((crl) => this.#datesOf(crl, nowMs) === undefined)) return unusableFinding(each);
    }
    for (const crl of crls) {
      // One in whose place there is another CRL does not matter.
      const newest = newestOfEachScope(this.#byIssuer.get(crl.issuer) ?? [], nowMs);
      const finding = newest.includes(crl) ? this.#datesOf(crl, nowMs) : undefined;
      if (finding !== undefined) return finding;
    }
    return undefined;
  }

  /**
   * The same for a listener that trusts `authorities`: it may also be that the set has no good CRL of any of these.
   *
   * @internal
   */
  problemOf(authorities: readonly Certificate[], nowMs: number, of?: CrlReading): CrlProblem | undefined {
    const findings = authorities.map((authority) => this.standing(authority, { authorities, nowMs }));
    const rejectsAll = findings.every((finding) => finding !== undefined);
    const problem = this.problem(nowMs, of) ?? (rejectsAll ? findings[0] : undefined);
    return problem && { ...problem, rejects: rejectsAll ? "all" : "some" };
  }

  /**
   * Why no certificate of `issuer`, one of the `authorities`, is accepted; `undefined` if there is a usable CRL of it.
   *
   * @internal
   */
  standing(
    issuer: Certificate,
    { authorities, nowMs }: { authorities: readonly Certificate[]; nowMs: number },
  ): RevocationFinding | undefined {
    const named = this.#byIssuer.get(issuer.subject);
    if (named === undefined) return this.#missing(issuer);
    // A CRL of another CA's certificate of the same name does not count: RFC 5280 section 6.3.3 (f).
    const signers = authorities.filter((other) =>
      other.subject === issuer.subject && other.issuer === issuer.issuer &&
      other.notBeforeMs <= nowMs && nowMs <= other.notAfterMs
    );
    const signed = [issuer, ...signers].flatMap((signer) =>
      newestOfEachScope(named.filter((crl) => isCrlSignedBy(crl, signer)), nowMs)
    );
    if (signed.length === 0) return this.#notSigned(issuer);
    const findings = signed.map((crl) => this.#datesOf(crl, nowMs));
    return findings.includes(undefined) ? undefined : findings[0];
  }

  /** Whether a CRL names this issuer, or could. */
  hasIssuer(subject: string): boolean {
    const couldName = ({ issuer }: UnusableCrl) => issuer === undefined || issuer === subject;
    return this.#byIssuer.has(subject) || this.#unusable.some(couldName);
  }

  /**
   * What stands against a certificate; `undefined` if good CRLs cover it, and none names it.
   *
   * @internal
   */
  check(certificate: Certificate, options: CrlCheckOptions): RevocationFinding | undefined {
    const { issuer, signers = [], nowMs } = options;
    const named = this.#byIssuer.get(issuer.subject);
    if (named === undefined) return this.#missing(issuer);
    const covering = named.filter((crl) => coveredReasons(crl, certificate) !== 0);
    if (covering.length === 0) return this.#notCovered(issuer);
    let covered = 0;
    let signed = false;
    let finding: RevocationFinding | undefined;
    for (const signer of [issuer, ...signers]) {
      const own = covering.filter((crl) => isCrlSignedBy(crl, signer));
      for (const crl of newestOfEachScope(own, nowMs)) {
        signed = true;
        const entry = crl.find(certificate.serial);
        if (entry !== undefined) return revoked(entry);
        const dates = this.#datesOf(crl, nowMs);
        finding ??= dates;
        if (dates === undefined) covered |= coveredReasons(crl, certificate);
      }
    }
    if (covered === ALL_REASONS) return undefined;
    if (finding !== undefined || !signed) return finding ?? this.#notSigned(issuer);
    const detail = `the CRLs of ${nameOf(issuer)} cover only some reasons of revocation (onlySomeReasons)`;
    return { reason: "crl-missing", detail };
  }

  #expiry({ nextUpdateMs, thisUpdateMs }: Crl): number {
    return nextUpdateMs ?? thisUpdateMs + (this.#maxAgeMs ?? -Infinity);
  }

  #datesOf(crl: Crl, nowMs: number): RevocationFinding | undefined {
    const { issuerName, thisUpdateMs, nextUpdateMs } = crl;
    if (nextUpdateMs === undefined && this.#maxAgeMs === undefined) {
      const what = `the CRL of ${issuerName} does not say when the next one is due (nextUpdate)`;
      return { reason: "crl-unreadable", detail: `${what}; crlMaxAge says how long such a CRL may be used` };
    }
    const expiryMs = this.#expiry(crl);
    if (nowMs > expiryMs) {
      const when = new Date(expiryMs).toISOString();
      const how = nextUpdateMs === undefined ? "was too old by crlMaxAge" : "has expired";
      return { reason: "crl-expired", detail: `the CRL of ${issuerName} ${how} on ${when}` };
    }
    if (nowMs < thisUpdateMs) {
      const when = new Date(thisUpdateMs).toISOString();
      return { reason: "crl-not-yet-valid", detail: `the CRL of ${issuerName} is not valid before ${when}` };
    }
    return undefined;
  }

  #missing(issuer: Certificate): RevocationFinding {
    return this.#unusableOf(issuer) ??
      { reason: "crl-missing", detail: `there is no CRL of ${nameOf(issuer)}` };
  }

  #notCovered(issuer: Certificate): RevocationFinding {
    const detail =
      `no CRL of ${nameOf(issuer)} covers it: they are for other kinds of certificates, or for ` +
      "distribution points that it does not name";
    return this.#unusableOf(issuer) ?? { reason: "crl-missing", detail };
  }

  #notSigned(issuer: Certificate): RevocationFinding {
    const detail = `the CRL of ${nameOf(issuer)} is not signed by its key`;
    return this.#unusableOf(issuer) ?? { reason: "crl-unreadable", detail };
  }

  /** The unusable CRL that says why there is no good one of this issuer; one of an unknown issuer comes second. */
  #unusableOf({ subject }: Certificate): RevocationFinding | undefined {
    const own = this.#unusable.find(({ issuer }) => issuer === subject);
    const found = own ?? this.#unusable.find(({ issuer }) => issuer === undefined);
    return found && unusableFinding(found);
  }
}

function unusableFinding({ issuerName, why }: UnusableCrl): RevocationFinding {
  const detail = issuerName === undefined ? why : `the CRL of ${issuerName} cannot be used: ${why}`;
  return { reason: "crl-unreadable", detail };
}

function revoked({ at, reason }: { at: Date; reason: string }): RevocationFinding {
  return { reason: "revoked", detail: `it was revoked on ${at.toISOString()} (${reason})` };
}

function nameOf({ attributes }: Certificate): string {
  return formatAttributes(attributes);
}
