import { runInSlices, type Steps } from "../../../core/slices.ts";
import type { Certificate } from "../certificate.ts";
import type { Crl } from "./crl.ts";
import { type HashedPart, hashInSteps, signatureFault } from "../signature/signature.ts";

/** More issuers' certificates than this are not remembered for one CRL. */
const MAX_REMEMBERED = 256;

/** Whether the signature of a CRL is good, by the fingerprint of the issuer's certificate. */
const signatures = new WeakMap<Crl, Map<string, boolean>>();
/** CRLs that have been hashed for a check of their signature that is still to come; each is good for one check. */
const hashed = new WeakMap<Crl, HashedPart>();

/** Whether this issuer has signed a CRL, and may sign CRLs: RFC 5280 section 6.3.3 (f) and (g). Remembers the answer. */
export function isCrlSignedBy(crl: Crl, issuer: Certificate): boolean {
  if (!maySign(issuer)) return false;
  const known = signatures.get(crl)?.get(issuer.fingerprint);
  if (known !== undefined) return known;
  const part = hashed.get(crl) ?? crl.signed;
  hashed.delete(crl);
  return remember(crl, issuer, signatureFault(part, issuer) === undefined);
}

/**
 * Checks the signatures of CRLs by the issuers that are known, in slices, so that no client waits for it. CRLs of
 * other issuers, whose certificates peers send, are hashed at least: that is what takes long.
 */
export async function verifyCrls(crls: readonly Crl[], issuers: readonly Certificate[]): Promise<void> {
  for (const crl of crls) {
    const own = issuers.filter((issuer) => issuer.subject === crl.issuer && maySign(issuer));
    for (const issuer of own) await runInSlices(verifySteps(crl, issuer));
    if (own.length === 0 && !signatures.has(crl) && !hashed.has(crl)) await runInSlices(prepareSteps(crl));
  }
}

function* verifySteps(crl: Crl, issuer: Certificate): Steps<void> {
  if (signatures.get(crl)?.has(issuer.fingerprint)) return;
  yield* prepareSteps(crl);
  isCrlSignedBy(crl, issuer);
}

function* prepareSteps(crl: Crl): Steps<void> {
  hashed.set(crl, yield* hashInSteps(crl.signed));
}

function maySign({ keyUsage }: Certificate): boolean {
  return keyUsage === undefined || keyUsage.includes("cRLSign");
}

function remember(crl: Crl, { fingerprint }: Certificate, isGood: boolean): boolean {
  let known = signatures.get(crl);
  if (known === undefined) signatures.set(crl, known = new Map());
  if (known.size >= MAX_REMEMBERED) known.clear();
  known.set(fingerprint, isGood);
  return isGood;
}
