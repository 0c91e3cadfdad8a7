import { CulvertError } from "../core/errors.ts";
import type { Certificate } from "./certificate.ts";
import type { CrlSet, RevocationFinding } from "./crl_set.ts";
import { isSignedBy } from "./signature.ts";
import type { TrustStore } from "./trust_store.ts";

/** How many certificates of CRL signers one chain may make us verify. */
const MAX_SENT_SIGNERS = 2;

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
    // Nobody is above what is trusted itself. But where it has a CRL of its own, that may name it.
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

/** Other certificates of the issuer's name further up the path, or trusted: those of keys that it had before. */
function verifiedSigners(
  path: readonly Certificate[],
  { trust, nowMs, index }: RevocationOptions & { readonly index: number },
): Certificate[] {
  const issuer = path[index + 1]!;
  const others = [...path.slice(index + 2), ...trust.bySubject(issuer.subject)];
  return unique(others).filter((other) =>
    other.subject === issuer.subject && other.fingerprint !== issuer.fingerprint && holds(other, nowMs)
  );
}

/** Those that were sent, if a certificate of the path or a trusted one has signed them, and no CRL names them. */
function sentSigners(
  path: readonly Certificate[],
  options: RevocationOptions & { readonly index: number; readonly signers: readonly Certificate[] },
): Certificate[] {
  const { crls, trust, sent, nowMs, index, signers } = options;
  const issuer = path[index + 1]!;
  let signaturesLeft = MAX_SENT_SIGNERS;
  return sent.filter((signer) => {
    if (signer.subject !== issuer.subject || path.includes(signer) || !holds(signer, nowMs)) return false;
    if (signer.unsupported.length > 0 || signer.keyUsage?.includes("cRLSign") !== true) return false;
    if (signaturesLeft-- <= 0) return false;
    const parents = [...path.slice(index + 1), ...trust.bySubject(signer.issuer)];
    const parent = unique(parents).find((each) =>
      each.subject === signer.issuer && each.basicConstraints?.isCa === true && isSignedBy(signer, each)
    );
    return parent !== undefined && crls.check(signer, { issuer: parent, signers, nowMs }) === undefined;
  });
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

function unique(certificates: readonly Certificate[]): Certificate[] {
  return [...new Map(certificates.map((each) => [each.fingerprint, each])).values()];
}
