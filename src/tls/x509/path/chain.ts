import { type Certificate } from "../certificate.ts";
import { MAX_CERTIFICATE_BYTES, parseFrame, rememberCertificate } from "../read_certificates.ts";
import type { CrlSet } from "../crl/set.ts";
import type { PathAuthorizer } from "./check.ts";
import { type ChainFinding, notReadable, PathSearch } from "./search.ts";
import type { PolicyInputs } from "./policy_check.ts";
import { rememberSigner } from "../signature/signature.ts";
import type { TrustStore } from "./trust_store.ts";

/** Why a chain is rejected. */
export type ChainRefusal =
  | "no-certificate"
  | "too-large"
  | "unknown-ca"
  | ChainFinding["reason"];

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
  /** What is asked of the policies of a chain. @default {nothing but what its CAs ask for} */
  readonly policy?: PolicyInputs | undefined;
  /** What else a path must be good for, and by which CRLs. */
  readonly authorizer?: PathAuthorizer | undefined;
}

/** More are not needed, and each costs its sender less than the verifier. */
const MAX_SENT = 10;
/** All that is sent. What is larger is refused before anything is read. */
export const MAX_CHAIN_BYTES = 32_768;

interface Refusal {
  readonly reason: ChainRefusal;
  readonly detail: string;
}

/**
 * Decides whether a chain (DER, the leaf first, the others in any order) is accepted now. It is
 * synchronous and takes some microseconds for certificates that were accepted recently: their contents and verified
 * signatures are cached; dates, usage and revocation are checked each time. Of those that
 * no trusted CA has signed nothing is cached, and little is read.
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
  const search = new PathSearch({
    trust: options.trust,
    sent: readable(others.slice(0, MAX_SENT)),
    usage: options.usage,
    nowMs: options.now.getTime(),
    crls: options.crls,
    policy: options.policy,
    authorizer: options.authorizer,
  });
  const path = search.from(leaf);
  // It is also cached for clients that are only not authorized.
  if (search.vouched !== undefined) remember(search.vouched);
  if (path !== undefined) return { trusted: true, path: remember(path) };
  return refuse(search.finding ?? unknownIssuer(leaf), leaf);
}

function unknownIssuer(leaf: Certificate): Refusal {
  try {
    return { reason: "unknown-ca", detail: `${leaf.subjectName}: its issuer is not trusted` };
  } catch (error) {
    return notReadable(error);
  }
}

/** Whether there is more than any honest peer sends. Its length is all that is looked at. */
function checkSize(chainDer: readonly Uint8Array[]): Refusal | undefined {
  const largest = Math.max(...chainDer.map(({ length }) => length));
  if (largest > MAX_CERTIFICATE_BYTES) {
    const detail =
      `a certificate of ${largest} bytes was sent; at most ${MAX_CERTIFICATE_BYTES} are accepted`;
    return { reason: "too-large", detail };
  }
  const total = chainDer.reduce((sum, { length }) => sum + length, 0);
  if (total <= MAX_CHAIN_BYTES) return undefined;
  const detail = `certificates of ${total} bytes were sent; at most ${MAX_CHAIN_BYTES} are accepted`;
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

/** Remembers what a good path has shown: a trusted CA has signed every byte of it. */
function remember(path: readonly Certificate[]): readonly Certificate[] {
  for (const [index, certificate] of path.entries()) {
    rememberCertificate(certificate);
    const issuer = path[index + 1];
    if (issuer !== undefined) rememberSigner(certificate, issuer);
  }
  return path;
}

function refuse(finding: Refusal, leaf?: Certificate): Verdict {
  return { trusted: false, reason: finding.reason, detail: finding.detail, leaf };
}
