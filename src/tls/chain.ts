import { CulvertError, describeError } from "../core/errors.ts";
import { type Certificate, MAX_CERTIFICATE_BYTES, parseFrame, rememberCertificate } from "./certificate.ts";
import type { CrlSet } from "./crl_set.ts";
import { checkPath, type PathFinding, type PathPurpose } from "./path_check.ts";
import { isKnownSigner, isSignedBy, rememberSigner } from "./signature.ts";
import type { TrustStore } from "./trust_store.ts";

/** Why a chain is not let in. */
export type ChainRefusal =
  | "no-certificate"
  | "too-large"
  | "unknown-ca"
  | "bad-signature"
  | PathFinding["reason"];

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
/** All that is sent. What is larger is refused before anything is read. */
export const MAX_CHAIN_BYTES = 32_768;
/** The leaf, and at most so many CAs above it. */
const MAX_DEPTH = 8;
/**
 * How many signatures one chain may make us check, those that are remembered aside: cross-signed CAs can be woven
 * into exponentially many paths, and each signature takes half a millisecond.
 */
const MAX_SIGNATURES = 16;

interface Search extends PathPurpose {
  readonly trust: TrustStore;
  readonly sent: readonly Certificate[];
  signaturesLeft: number;
  /** The worst that was found on any path, in case that none is good. */
  finding: Finding | undefined;
}

interface Finding {
  readonly reason: ChainRefusal;
  readonly detail: string;
}

/**
 * Decides whether a chain (DER, the leaf first, the others in any order) would be let in now. It is
 * synchronous and takes some microseconds for certificates that were let in lately: what they say and whether
 * their signatures are good is remembered; dates, usage and revocation are looked at each time. Of those that
 * nobody trusted vouches for nothing is remembered, and little is read.
 *
 * All paths from the leaf over what was sent to what is trusted are tried, within bounds, and one that is
 * good is enough (RFC 4158 calls this forward path building). If none is, the verdict tells of the one that
 * came furthest. Names are compared by RFC 5280 section 7.1, and key identifiers, where both sides have one,
 * must agree.
 */
export function verifyChain(chainDer: readonly Uint8Array[], options: VerifyOptions): Verdict {
  const [first, ...others] = chainDer;
  if (first === undefined) return refuse({ reason: "no-certificate", detail: "no certificate was sent" });
  const tooLarge = checkSize(chainDer);
  if (tooLarge !== undefined) return refuse(tooLarge);
  let leaf: Certificate;
  try {
    leaf = parseFrame(first);
  } catch (error) {
    return refuse(notReadable(error));
  }
  const search: Search = {
    trust: options.trust,
    sent: readable(others.slice(0, MAX_SENT)),
    usage: options.usage,
    nowMs: options.now.getTime(),
    crls: options.crls,
    signaturesLeft: MAX_SIGNATURES,
    finding: undefined,
  };
  const path = extend([leaf], search);
  if (path !== undefined) return { trusted: true, path: remembered(path) };
  return refuse(search.finding ?? unknownIssuer(leaf), leaf);
}

function unknownIssuer(leaf: Certificate): Finding {
  try {
    return { reason: "unknown-ca", detail: `${leaf.subjectName}: its issuer is not known` };
  } catch (error) {
    return notReadable(error);
  }
}

/** Whether there is more than any honest peer sends. Its length is all that is looked at. */
function checkSize(chainDer: readonly Uint8Array[]): Finding | undefined {
  const largest = Math.max(...chainDer.map(({ length }) => length));
  if (largest > MAX_CERTIFICATE_BYTES) {
    const detail = `a certificate of ${largest} bytes was sent, and ${MAX_CERTIFICATE_BYTES} are the most`;
    return { reason: "too-large", detail };
  }
  const total = chainDer.reduce((sum, { length }) => sum + length, 0);
  if (total <= MAX_CHAIN_BYTES) return undefined;
  const detail = `certificates of ${total} bytes were sent, and ${MAX_CHAIN_BYTES} are the most`;
  return { reason: "too-large", detail };
}

/** What can't be read can't help either; it is the sender's loss. One that was sent twice counts once. */
function readable(chainDer: readonly Uint8Array[]): Certificate[] {
  const byFingerprint = new Map<string, Certificate>();
  for (const der of chainDer) {
    try {
      const certificate = parseFrame(der);
      byFingerprint.set(certificate.fingerprint, certificate);
    } catch (error) {
      notReadable(error);
    }
  }
  return [...byFingerprint.values()];
}

/** The finding that an error of reading is; any other goes on. */
function notReadable(error: unknown): Finding {
  if (!(error instanceof CulvertError)) throw error;
  return { reason: "bad-certificate", detail: describeError(error) };
}

/** Remembers what a good path has shown: every byte of it was signed by somebody who is trusted. */
function remembered(path: readonly Certificate[]): readonly Certificate[] {
  for (const [index, certificate] of path.entries()) {
    rememberCertificate(certificate);
    const issuer = path[index + 1];
    if (issuer !== undefined) rememberSigner(certificate, issuer);
  }
  return path;
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
  try {
    const { subjectKeyId } = issuer;
    const { authorityKeyId } = certificate;
    // Of several CAs of one name, this tells which is meant.
    if (subjectKeyId !== undefined && authorityKeyId !== undefined && subjectKeyId !== authorityKeyId) {
      return false;
    }
    if (isKnownSigner(issuer, certificate)) return true;
    if (search.signaturesLeft === 0) return false;
    search.signaturesLeft--;
    if (isSignedBy(certificate, issuer)) return true;
    note(
      { reason: "bad-signature", detail: `${certificate.subjectName}: its signature is not its issuer's` },
      search,
    );
  } catch (error) {
    note(notReadable(error), search);
  }
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
  if (search.finding === undefined || rank(finding) > rank(search.finding)) search.finding = finding;
}

function rank({ reason }: Finding): number {
  return reason === "bad-signature" ? 0 : 1;
}

function refuse(finding: Finding, leaf?: Certificate): Verdict {
  return { trusted: false, reason: finding.reason, detail: finding.detail, leaf };
}
