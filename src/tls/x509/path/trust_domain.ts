import type { Certificate } from "../certificate.ts";
import { isSpiffeId } from "../identity.ts";

/** Why a path is not good for the SPIFFE ID of its leaf. */
export interface TrustDomainFinding {
  readonly reason: "wrong-trust-domain";
  /** The same in words, with the name of the certificate that is at fault. */
  readonly detail: string;
}

/** The form of a name of a trust domain: https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md, section 2.1. */
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
const ID = /^spiffe:\/\/([^/]*)/;

/** Whether this is the name of a trust domain, such as `example.org`, and no URI. */
export function isTrustDomain(name: string): boolean {
  return TRUST_DOMAIN.test(name);
}

/** The trust domain of a SPIFFE ID, such as `example.org`. The ID must be one by `isSpiffeId`. */
export function trustDomainOf(id: string): string {
  return ID.exec(id)![1]!;
}

/**
 * The trust domain of a leaf's SPIFFE ID. `undefined`: it has no URI of `spiffe:`; `null`: it has one that is no
 * SPIFFE ID, or is not its only URI (X509-SVID, section 2).
 */
export function leafTrustDomain(leaf: Certificate): string | null | undefined {
  const uris = urisOf(leaf);
  const claimed = uris.filter(isOfSpiffe);
  if (claimed.length === 0) return undefined;
  return uris.length === 1 && isSpiffeId(uris[0]!) ? trustDomainOf(uris[0]!) : null;
}

/**
 * Looks at the CAs of a path by the SPIFFE ID of its leaf: a CA that has a SPIFFE ID itself, which is that of its
 * trust domain (X509-SVID, section 3.2), issues no IDs of other domains. A CA without one is bound by nothing here.
 * `undefined` if the path is good, or its leaf has no SPIFFE ID.
 */
export function checkTrustDomain(path: readonly Certificate[]): TrustDomainFinding | undefined {
  const [leaf, ...issuers] = path;
  const domain = leafTrustDomain(leaf!);
  if (domain === undefined || domain === null) return undefined;
  for (const issuer of issuers) {
    const claimed = urisOf(issuer).filter(isOfSpiffe);
    const other = claimed.find((uri) => !isSpiffeId(uri) || trustDomainOf(uri) !== domain);
    if (other === undefined) continue;
    const detail =
      `its SPIFFE ID is of the trust domain ${domain}, and ${issuer.subjectName}, a CA above it, is ${other}`;
    return wrongTrustDomain(leaf!, detail);
  }
  return undefined;
}

/** The finding about this leaf. */
export function wrongTrustDomain(leaf: Certificate, detail: string): TrustDomainFinding {
  return { reason: "wrong-trust-domain", detail: `${leaf.subjectName}: ${detail}` };
}

function urisOf({ alternativeNames }: Certificate): string[] {
  return alternativeNames.flatMap((name) => name.kind === "uri" ? [name.value] : []);
}

function isOfSpiffe(uri: string): boolean {
  return /^spiffe:/i.test(uri);
}
