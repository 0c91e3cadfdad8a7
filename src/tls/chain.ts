import { CulvertError, describeError } from "../core/errors.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import type { CrlSet } from "./crl_set.ts";
import { formatAttributes } from "./distinguished_name.ts";
import { checkPath, type PathFinding, type PathPurpose } from "./path_check.ts";
import { isSignedBy } from "./signature.ts";
import type { TrustStore } from "./trust_store.ts";

/** Why a chain is not let in. */
export type ChainRefusal = "no-certificate" | "unknown-ca" | "bad-signature" | PathFinding["reason"];

/** What has been found out about a chain. */
export type Verdict =
  | {
    readonly trusted: true;
    /** From the leaf to the CA that is trusted. */
    readonly path: readonly Certificate[];
  }
  | {
    readonly trusted: false;
    readonly reason: ChainRefusal;
    /** The same in words, with the name of the certificate that is at fault. */
    readonly detail: string;
    /** The leaf, where there was one that could be read. */
    readonly leaf: Certificate | undefined;
  };

/** What a chain is measured against. */
export interface VerifyOptions {
  readonly trust: TrustStore;
  /**
   * Absent: revocation is not looked at. A set without a CRL for an issuer refuses all that it has issued.
   */
  readonly crls?: CrlSet | undefined;
  /** The moment at which the chain must hold. */
  readonly now: Date;
  readonly usage: "client" | "server";
}

/** Nobody needs more; each costs its sender less than us. */
const MAX_SENT = 10;
/** The leaf, and at most so many CAs above it. */
const MAX_DEPTH = 8;
/**
 * How many signatures one chain may make us check: cross-signed CAs can be woven into exponentially many
 * paths.
 */
const MAX_SIGNATURES = 64;

interface Search extends PathPurpose {
  readonly trust: TrustStore;
  readonly sent: readonly Certificate[];
  signaturesLeft: number;
  /** The worst that was found on any path, in case that none is good. */
  finding: Finding;
}

interface Finding {
  readonly reason: ChainRefusal;
  readonly detail: string;
}

/**
 * Decides whether a chain (DER, the leaf first, the others in any order) would be let in now. It is
 * synchronous and takes some microseconds for certificates that were seen lately: what they say and whether
 * their signatures are good is remembered; dates, usage and revocation are looked at each time.
 *
 * All paths from the leaf over what was sent to what is trusted are tried, within bounds, and one that is
 * good is enough (RFC 4158 calls this forward path building). If none is, the verdict tells of the one that
 * came furthest. Names are compared by their DER, and key identifiers, where both sides have one, must agree.
 */
export function verifyChain(chainDer: readonly Uint8Array[], options: VerifyOptions): Verdict {
  const [first, ...others] = chainDer;
  if (first === undefined) return refuse({ reason: "no-certificate", detail: "no certificate was sent" });
  let leaf: Certificate;
  try {
    leaf = parseCertificate(first);
  } catch (error) {
    if (!(error instanceof CulvertError)) throw error;
    return refuse({ reason: "bad-certificate", detail: describeError(error) });
  }
  const search: Search = {
    trust: options.trust,
    sent: readable(others.slice(0, MAX_SENT)),
    usage: options.usage,
    nowMs: options.now.getTime(),
    crls: options.crls,
    signaturesLeft: MAX_SIGNATURES,
    finding: { reason: "unknown-ca", detail: `${nameOf(leaf)}: its issuer is not known` },
  };
  const path = extend([leaf], search);
  return path === undefined ? refuse(search.finding, leaf) : { trusted: true, path };
}

/** What can't be read can't help either; it is the sender's loss. */
function readable(chainDer: readonly Uint8Array[]): Certificate[] {
  return chainDer.flatMap((der) => {
    try {
      return [parseCertificate(der)];
    } catch (error) {
      if (!(error instanceof CulvertError)) throw error;
      return [];
    }
  });
}

/** Looks for a good path that begins with `path`; notes in `search` why there is none. */
function extend(path: readonly Certificate[], search: Search): readonly Certificate[] | undefined {
  const last = path.at(-1)!;
  if (search.trust.has(last)) return judge(path, search);
  for (const anchor of search.trust.bySubject(last.issuer)) {
    if (!hasIssued(anchor, last, search)) continue;
    const good = judge([...path, anchor], search);
    if (good !== undefined) return good;
  }
  // The last place is kept for what is trusted.
  if (path.length >= MAX_DEPTH) return undefined;
  for (const next of search.sent) {
    if (next.subject !== last.issuer || path.includes(next) || !hasIssued(next, last, search)) continue;
    const good = extend([...path, next], search);
    if (good !== undefined) return good;
  }
  return undefined;
}

function hasIssued(issuer: Certificate, certificate: Certificate, search: Search): boolean {
  const { subjectKeyId } = issuer;
  const { authorityKeyId } = certificate;
  // Of several CAs of one name, this tells which is meant.
  if (subjectKeyId !== undefined && authorityKeyId !== undefined && subjectKeyId !== authorityKeyId) {
    return false;
  }
  if (search.signaturesLeft === 0) return false;
  search.signaturesLeft--;
  if (isSignedBy(certificate, issuer)) return true;
  note(
    { reason: "bad-signature", detail: `${nameOf(certificate)}: its signature is not its issuer's` },
    search,
  );
  return false;
}

function judge(path: readonly Certificate[], search: Search): readonly Certificate[] | undefined {
  const finding = checkPath(path, search);
  if (finding === undefined) return path;
  note(finding, search);
  return undefined;
}

/**
 * Keeps the first of the findings that came furthest: a path that reached a CA says more than one that did
 * not.
 */
function note(finding: Finding, search: Search): void {
  if (rank(finding) > rank(search.finding)) search.finding = finding;
}

function rank({ reason }: Finding): number {
  if (reason === "unknown-ca") return 0;
  return reason === "bad-signature" ? 1 : 2;
}

function nameOf(certificate: Certificate): string {
  return formatAttributes(certificate.attributes);
}

function refuse(finding: Finding, leaf?: Certificate): Verdict {
  return { trusted: false, reason: finding.reason, detail: finding.detail, leaf };
}
