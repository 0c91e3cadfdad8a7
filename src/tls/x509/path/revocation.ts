import { CulvertError } from "../../../core/errors.ts";
import type { Certificate } from "../certificate.ts";
import type { CrlSet, RevocationFinding } from "../crl/set.ts";
import { isSignedBy } from "../signature/signature.ts";
import type { TrustStore } from "./trust_store.ts";

/** How many certificates of CRL signers one chain may make us verify. */
const MAX_SENT_SIGNERS = 2;
/** How many trusted CAs above the trust anchor of a path are looked for. */
const MAX_TRUSTED_ABOVE = 4;

/** Where the keys come from that CRLs are signed with. */
export interface RevocationOptions {
  readonly crls: CrlSet;
  readonly trust: TrustStore;
  /** What the peer has sent besides the leaf; nothing of it has been verified. */
  readonly sent: readonly Certificate[];
  readonly nowMs: number;
}

/** What stands against a certificate of a path. */
export interface PathRevocation {
  readonly certificate: Certificate;
  readonly finding: RevocationFinding;
}

/**
 * Looks for what CRLs say against a path that is good otherwise, from the leaf to a certificate that is trusted:
 * RFC 5280 section 6.3. Each certificate but the trusted one needs CRLs of its issuer that cover it.
 */
export function checkRevocation(
  path: readonly Certificate[],
  options: RevocationOptions,
): PathRevocation | undefined {
  const { crls, nowMs } = options;
  const [leaf] = path;
  if (path.length === 1) {
    // A trust anchor has no issuer here. But where it has a CRL of its own, that may name it.
    if (!crls.hasIssuer(leaf!.subject)) return undefined;
    const finding = crls.check(leaf!, { issuer: leaf!, nowMs });
    return finding && { certificate: leaf!, finding };
  }
  const last = crls.checks === "leaf" ? 1 : path.length - 1;
  for (let index = 0; index < last; index++) {
    const finding = checkOne(path, { ...options, index });
    if (finding !== undefined) return { certificate: path[index]!, finding };
  }
  return undefined;
}

function checkOne(
  path: readonly Certificate[],
  options: RevocationOptions & { readonly index: number },
): RevocationFinding | undefined {
  const { crls, nowMs, index } = options;
  const certificate = path[index]!;
  const issuer = path[index + 1]!;
  const signers = verifiedSigners(path, options);
  const finding = crls.check(certificate, { issuer, signers, nowMs });
  if (finding === undefined || finding.reason === "revoked") return finding;
  // A key that signs CRLs alone has a certificate of its own, which the peer may have sent.
  const sent = sentSigners(path, { ...options, signers });
  if (sent.length === 0) return finding;
  return crls.check(certificate, { issuer, signers: [...signers, ...sent], nowMs });
}

/**
 * Other certificates with the issuer's name that are verified: those further up the path, and trusted ones that lead to
 * the same trust anchor or hold another key of the trusted root that is the issuer.
 */
function verifiedSigners(
  path: readonly Certificate[],
  { trust, nowMs, index }: RevocationOptions & { readonly index: number },
): Certificate[] {
  const issuer = path[index + 1]!;
  const isTrustedRoot = isSelfIssued(issuer) && trust.has(issuer);
  const isCandidate = (other: Certificate) =>
    other.subject === issuer.subject && other.fingerprint !== issuer.fingerprint && holds(other, nowMs);
  const trusted = trust.bySubject(issuer.subject).filter(isCandidate);
  const above = trusted.length === 0 ? [] : authoritiesAbove(path, { trust, index });
  const related = trusted.filter((other) =>
    (isTrustedRoot && isSelfIssued(other)) || parentOf(other, above) !== undefined
  );
  const all = [...path.slice(index + 2).filter(isCandidate), ...related];
  return [...new Map(all.map((each) => [each.fingerprint, each])).values()];
}

/** Those that were sent, lead to the trust anchor of the path and are named by no CRL. */
function sentSigners(
  path: readonly Certificate[],
  options: RevocationOptions & { readonly index: number; readonly signers: readonly Certificate[] },
): Certificate[] {
  const { crls, sent, nowMs, index, signers } = options;
  const issuer = path[index + 1]!;
  let signaturesLeft = MAX_SENT_SIGNERS;
  return sent.filter((signer) => {
    if (signer.subject !== issuer.subject || path.includes(signer) || !holds(signer, nowMs)) return false;
    if (signer.unsupported.length > 0 || signer.keyUsage?.includes("cRLSign") !== true) return false;
    if (signaturesLeft-- <= 0) return false;
    const parent = parentOf(signer, authoritiesAbove(path, options));
    return parent !== undefined && crls.check(signer, { issuer: parent, signers, nowMs }) === undefined;
  });
}

/**
 * The CAs above a certificate of a path, up to its trust anchor, and trusted CAs that have issued that one. The path of
 * a CRL's signer must end at the same trust anchor: RFC 5280 section 6.3.3 (f).
 */
function authoritiesAbove(
  path: readonly Certificate[],
  { trust, index }: { readonly trust: TrustStore; readonly index: number },
): Certificate[] {
  const above = path.slice(index + 1);
  let depth = 0;
  for (let anchor = path.at(-1); anchor !== undefined && depth < MAX_TRUSTED_ABOVE; depth++) {
    const { issuer } = anchor;
    anchor = parentOf(anchor, trust.bySubject(issuer).filter((each) => !above.includes(each)));
    if (anchor !== undefined) above.push(anchor);
  }
  return above;
}

/** The CA among these that has signed a certificate. */
function parentOf(certificate: Certificate, authorities: readonly Certificate[]): Certificate | undefined {
  return authorities.find((each) =>
    each.subject === certificate.issuer && each.basicConstraints?.isCa === true &&
    isSignedBy(certificate, each)
  );
}

function isSelfIssued({ subject, issuer }: Certificate): boolean {
  return subject === issuer;
}

/** Whether a certificate can be read and is valid now. */
function holds(certificate: Certificate, nowMs: number): boolean {
  try {
    certificate.readWhole();
  } catch (error) {
    if (!(error instanceof CulvertError)) throw error;
    return false;
  }
  return certificate.notBeforeMs <= nowMs && nowMs <= certificate.notAfterMs;
}
