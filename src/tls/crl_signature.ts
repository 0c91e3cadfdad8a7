import type { Certificate } from "./certificate.ts";
import type { Crl } from "./crl.ts";
import { checkSignature } from "./signature.ts";

/** More issuers' certificates than this are not remembered for one CRL. */
const MAX_REMEMBERED = 256;

/** Whether the signature of a CRL is good, by the fingerprint of the issuer's certificate. */
const signatures = new WeakMap<Crl, Map<string, boolean>>();

/** Whether this issuer has signed a CRL, and may sign CRLs: RFC 5280 section 6.3.3 (f) and (g). Remembers the answer. */
export function isCrlSignedBy(crl: Crl, issuer: Certificate): boolean {
  if (issuer.keyUsage !== undefined && !issuer.keyUsage.includes("cRLSign")) return false;
  let known = signatures.get(crl);
  if (known === undefined) signatures.set(crl, known = new Map());
  const remembered = known.get(issuer.fingerprint);
  if (remembered !== undefined) return remembered;
  const isGood = checkSignature(crl.signed, issuer);
  if (known.size >= MAX_REMEMBERED) known.clear();
  known.set(issuer.fingerprint, isGood);
  return isGood;
}
