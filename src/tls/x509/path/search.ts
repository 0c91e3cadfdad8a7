import { CulvertError, describeError } from "../../../core/errors.ts";
import type { Certificate } from "../certificate.ts";
import { MAX_NAME_COMPARISONS } from "./name_check.ts";
import { type AuthorizationFinding, checkPath, type PathFinding, type PathPurpose } from "./check.ts";
import { isKnownSigner, isSlowToCheck, signatureFault } from "../signature/signature.ts";
import { checkTrustDomain } from "./trust_domain.ts";

/** What stands against a path, whatever it is. */
export interface ChainFinding {
  readonly reason:
    | "bad-signature"
    | "unsupported-signature"
    | PathFinding["reason"]
    | AuthorizationFinding["reason"];
  /** The same in words, with the name of the certificate that is at fault. */
  readonly detail: string;
}

/** What is searched for, and where. */
export type PathSearchOptions = Omit<PathPurpose, "names">;

/** The leaf, and at most so many CAs above it. */
const MAX_DEPTH = 8;
/**
 * How many signatures one chain may make us check, those that are remembered aside: cross-signed CAs can be woven
 * into exponentially many paths, and each signature takes half a millisecond.
 */
const MAX_SIGNATURES = 16;
/** How many of these may be such that they are checked in JavaScript, which takes up to 20 ms each. */
const MAX_SLOW_SIGNATURES = 4;
/** How many pairs of certificates are looked at, those whose signature is remembered with them. */
const MAX_STEPS = 256;
/** How many whole paths are looked at. */
const MAX_PATHS = 16;

/**
 * The search for a good path from a leaf to a CA that is trusted (forward path building, RFC 4158), within bounds. All
 * paths over what was sent are tried; one that is good is enough.
 */
export class PathSearch {
  readonly #options: PathPurpose;
  #signaturesLeft = MAX_SIGNATURES;
  #slowLeft = MAX_SLOW_SIGNATURES;
  #stepsLeft = MAX_STEPS;
  #pathsLeft = MAX_PATHS;
  /** Signatures that are to be checked once the issuer is known to be good, as the two certificates. */
  readonly #pending = new Map<Certificate, Set<Certificate>>();
  #finding: ChainFinding | undefined;
  #vouched: readonly Certificate[] | undefined;

  constructor(options: PathSearchOptions) {
    this.#options = { ...options, names: { comparisons: MAX_NAME_COMPARISONS } };
  }

  /** The first of the findings that came furthest: a path that reached a CA says more than one that did not. */
  get finding(): ChainFinding | undefined {
    return this.#finding;
  }

  /** The first path that is good but for the authorizer, or also by that. */
  get vouched(): readonly Certificate[] | undefined {
    return this.#vouched;
  }

  /** A good path from this leaf, or `undefined`: then there is a {@linkcode finding}, unless no issuer is known. */
  from(leaf: Certificate): readonly Certificate[] | undefined {
    return this.#mayEnd(leaf) ? this.#extend([leaf]) : undefined;
  }

  /**
   * Whether, by names alone, a path from this leaf could end at what is trusted: if not, no signature is checked. A
   * CAs of an untrusted peer, however they certify each other, cost next to nothing then.
   */
  #mayEnd(leaf: Certificate): boolean {
    const { trust, sent } = this.#options;
    const reached = new Set([leaf]);
    for (const certificate of reached) {
      if (trust.has(certificate)) return true;
      const { issuer } = certificate;
      if (trust.bySubject(issuer).length > 0) return true;
      for (const next of sent) if (next.subject === issuer) reached.add(next);
    }
    return false;
  }

  #extend(path: readonly Certificate[]): readonly Certificate[] | undefined {
    const { trust, sent, authorizer } = this.#options;
    const last = path.at(-1)!;
    if (trust.has(last)) {
      const good = this.#judge(path);
      // A authorizer may want what is above.
      if (good !== undefined || authorizer === undefined) return good;
    }
    if (path.length > MAX_DEPTH) return undefined;
    for (const anchor of trust.bySubject(last.issuer)) {
      if (path.includes(anchor) || !this.#hasIssued(last, { issuer: anchor, isTrusted: true })) continue;
      const good = this.#extend([...path, anchor]);
      if (good !== undefined) return good;
    }
    // The last place is kept for what is trusted.
    if (path.length >= MAX_DEPTH) return undefined;
    for (const next of sent) {
      if (next.subject !== last.issuer || path.includes(next)) continue;
      if (!this.#hasIssued(last, { issuer: next, isTrusted: trust.has(next) })) continue;
      const good = this.#extend([...path, next]);
      if (good !== undefined) return good;
    }
    return undefined;
  }

  #hasIssued(
    certificate: Certificate,
    { issuer, isTrusted }: { readonly issuer: Certificate; readonly isTrusted: boolean },
  ): boolean {
    try {
      if (this.#stepsLeft-- <= 0) return false;
      const { subjectKeyId } = issuer;
      const { authorityKeyId } = certificate;
      // Of several CAs of one name, this tells which is meant.
      if (subjectKeyId !== undefined && authorityKeyId !== undefined && subjectKeyId !== authorityKeyId) {
        return false;
      }
      if (isKnownSigner(issuer, certificate)) return true;
      if (this.#signaturesLeft-- <= 0) return false;
      // CAs of an untrusted peer must not cause slow signature checks.
      if (!isTrusted && isSlowToCheck(certificate.signed, issuer)) {
        this.#pendingOf(certificate).add(issuer);
        return true;
      }
      return this.#isSigned(certificate, issuer);
    } catch (error) {
      this.#note(notReadable(error));
    }
    return false;
  }

  #isSigned(certificate: Certificate, issuer: Certificate): boolean {
    if (isSlowToCheck(certificate.signed, issuer) && this.#slowLeft-- <= 0) return false;
    const fault = signatureFault(certificate.signed, issuer);
    if (fault === undefined) return true;
    const reason = fault.kind === "wrong" ? "bad-signature" : "unsupported-signature";
    this.#note({ reason, detail: `${certificate.subjectName}: ${fault.detail}` });
    return false;
  }

  #judge(path: readonly Certificate[]): readonly Certificate[] | undefined {
    if (this.#pathsLeft-- <= 0 || !this.#confirm(path)) return undefined;
    const finding = this.#check(path);
    if (finding === undefined) return path;
    this.#note(finding);
    return undefined;
  }

  #check(path: readonly Certificate[]): ChainFinding | undefined {
    try {
      const { authorizer, crls } = this.#options;
      const ofPath = authorizer?.crlsFor === undefined ? crls : authorizer.crlsFor(path);
      const finding = checkPath(path, { ...this.#options, crls: ofPath }) ?? checkTrustDomain(path);
      if (finding === undefined) this.#vouched ??= path;
      return finding ?? authorizer?.check(path);
    } catch (error) {
      return notReadable(error);
    }
  }

  /** Checks the signatures that are pending, from what is trusted on down, so that each issuer is good already. */
  #confirm(path: readonly Certificate[]): boolean {
    try {
      for (let at = path.length - 2; at >= 0; at--) {
        const [certificate, issuer] = [path[at]!, path[at + 1]!];
        const pending = this.#pendingOf(certificate);
        if (!pending.has(issuer)) continue;
        if (issuer.basicConstraints?.isCa !== true) {
          this.#note({ reason: "wrong-usage", detail: `${issuer.subjectName}: it is not a CA` });
          return false;
        }
        if (!this.#isSigned(certificate, issuer)) return false;
        pending.delete(issuer);
      }
      return true;
    } catch (error) {
      this.#note(notReadable(error));
      return false;
    }
  }

  #pendingOf(certificate: Certificate): Set<Certificate> {
    let pending = this.#pending.get(certificate);
    if (pending === undefined) this.#pending.set(certificate, pending = new Set());
    return pending;
  }

  #note(finding: ChainFinding): void {
    if (this.#finding === undefined || rank(finding) > rank(this.#finding)) this.#finding = finding;
  }
}

/** The finding that an error of reading is; any other goes on. */
export function notReadable(error: unknown): ChainFinding {
  if (!(error instanceof CulvertError)) throw error;
  return { reason: "bad-certificate", detail: describeError(error) };
}

function rank({ reason }: ChainFinding): number {
  if (reason === "bad-signature") return 0;
  if (reason === "unsupported-signature") return 1;
  return reason === "wrong-trust-domain" ? 3 : reason === "not-allowed" ? 4 : 2;
}
