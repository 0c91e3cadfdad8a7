import type { Certificate } from "./certificate.ts";
import type { Crl } from "./crl.ts";
import { formatAttributes } from "./distinguished_name.ts";
import { checkSignature } from "./signature.ts";

/** Why a certificate can't be let in, as far as revocation goes. */
export interface RevocationFinding {
  /** Stable, for counting. */
  readonly reason: "revoked" | "crl-missing" | "crl-expired" | "crl-not-yet-valid" | "crl-unreadable";
  /** The same in words. */
  readonly detail: string;
}

/** What is wrong with the CRLs of a listener. */
export interface CrlProblem extends RevocationFinding {
  /** Who can come in nevertheless: nobody, or some, whom another CA has issued. */
  readonly comesIn: "nobody" | "not everybody";
}

/**
 * All CRLs of a listener. It fails closed: an issuer without a CRL that is good now has nobody let in. Where
 * there are several of one issuer, the newest counts that holds already. Immutable.
 */
export class CrlSet {
  readonly #byIssuer = new Map<string, Crl[]>();
  readonly #unreadable: string | undefined;
  /** Whether the signature of a CRL is good, by the fingerprint of the issuer's certificate. */
  readonly #signatures = new WeakMap<Crl, Map<string, boolean>>();

  /** A set of these. None at all is a set that lets nobody in. */
  constructor(crls: readonly Crl[], unreadable?: string) {
    for (const crl of crls) {
      const others = this.#byIssuer.get(crl.issuer) ?? [];
      this.#byIssuer.set(crl.issuer, [...others, crl].toSorted((a, b) => b.thisUpdateMs - a.thisUpdateMs));
    }
    this.#unreadable = unreadable;
  }

  /** What stands in for CRLs that can't be read: nobody is let in, and `why` is told for a reason. */
  static unreadable(why: string): CrlSet {
    return new CrlSet([], why);
  }

  /** When the first of those that count expires, in milliseconds; `undefined` where there is none. */
  get nextUpdateMs(): number | undefined {
    const times = [...this.#byIssuer.values()].map(([newest]) => newest!.nextUpdateMs);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /**
   * What is wrong with the set itself at this moment, for readiness and the log: it can't be read, or the CRL
   * of an issuer has expired or does not hold yet.
   */
  problem(nowMs: number): RevocationFinding | undefined {
    if (this.#unreadable !== undefined) return { reason: "crl-unreadable", detail: this.#unreadable };
    for (const crls of this.#byIssuer.values()) {
      const finding = datesOf(crls.find(({ thisUpdateMs }) => thisUpdateMs <= nowMs) ?? crls[0]!, nowMs);
      if (finding !== undefined) return finding;
    }
    return undefined;
  }

  /**
   * The same for a listener that trusts `authorities`: it may also be that the set has no good CRL of any of these.
   *
   * @internal
   */
  problemOf(authorities: readonly Certificate[], nowMs: number): CrlProblem | undefined {
    const findings = authorities.map((authority) => this.standing(authority, nowMs));
    const everybodyIsOut = findings.every((finding) => finding !== undefined);
    const problem = this.problem(nowMs) ?? (everybodyIsOut ? findings[0] : undefined);
    return problem && { ...problem, comesIn: everybodyIsOut ? "nobody" : "not everybody" };
  }

  /**
   * Why nobody whom `issuer` has issued is let in; `undefined` if there is a good CRL of it.
   *
   * @internal
   */
  standing(issuer: Certificate, nowMs: number): RevocationFinding | undefined {
    const found = this.#crlOf(issuer, nowMs);
    return "reason" in found ? found : datesOf(found, nowMs);
  }

  /** Whether a CRL names this issuer. */
  hasIssuer(subject: string): boolean {
    return this.#unreadable !== undefined || this.#byIssuer.has(subject);
  }

  /**
   * What stands against `certificate`, which `issuer` has signed; `undefined` if it has not been revoked.
   *
   * @internal
   */
  check(certificate: Certificate, issuer: Certificate, nowMs: number): RevocationFinding | undefined {
    const crl = this.#crlOf(issuer, nowMs);
    if ("reason" in crl) return crl;
    const finding = datesOf(crl, nowMs);
    if (finding !== undefined) return finding;
    const entry = crl.find(certificate.serial);
    if (entry === undefined) return undefined;
    return { reason: "revoked", detail: `it was revoked on ${entry.at.toISOString()} (${entry.reason})` };
  }

  #crlOf(issuer: Certificate, nowMs: number): Crl | RevocationFinding {
    if (this.#unreadable !== undefined) return { reason: "crl-unreadable", detail: this.#unreadable };
    const named = this.#byIssuer.get(issuer.subject);
    if (named === undefined) {
      return { reason: "crl-missing", detail: `there is no CRL of ${formatAttributes(issuer.attributes)}` };
    }
    // One of the same name may be of another key: of a CA of that name, or of the same CA before it changed
    // its key.
    const signed = named.filter((crl) => this.#isSignedBy(crl, issuer));
    // One that is published ahead of its time takes nothing away from the one that holds until then.
    const inForce = signed.find(({ thisUpdateMs }) => thisUpdateMs <= nowMs) ?? signed[0];
    if (inForce !== undefined) return inForce;
    return {
      reason: "crl-unreadable",
      detail: `the CRL of ${named[0]!.issuerName} is not signed by its key`,
    };
  }

  #isSignedBy(crl: Crl, issuer: Certificate): boolean {
    // RFC 5280 section 6.3.3 (f).
    if (issuer.keyUsage !== undefined && !issuer.keyUsage.includes("cRLSign")) return false;
    const known = this.#signatures.get(crl) ?? new Map<string, boolean>();
    this.#signatures.set(crl, known);
    const key = issuer.fingerprint;
    const good = known.get(key) ?? checkSignature(crl.signed, issuer);
    known.set(key, good);
    return good;
  }
}

function datesOf(crl: Crl, nowMs: number): RevocationFinding | undefined {
  const { issuerName, thisUpdateMs, nextUpdateMs } = crl;
  if (nowMs > nextUpdateMs) {
    const when = new Date(nextUpdateMs).toISOString();
    return { reason: "crl-expired", detail: `the CRL of ${issuerName} has expired on ${when}` };
  }
  if (nowMs < thisUpdateMs) {
    const when = new Date(thisUpdateMs).toISOString();
    return { reason: "crl-not-yet-valid", detail: `the CRL of ${issuerName} holds from ${when} on` };
  }
  return undefined;
}
