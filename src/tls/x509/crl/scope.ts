import type { Certificate } from "../certificate.ts";
import type { Crl } from "./crl.ts";
import { ALL_REASONS, pointNames } from "../distribution_points.ts";

/**
 * For which reasons of revocation a CRL of the certificate's issuer speaks about this certificate, as bits: by RFC 5280
 * section 6.3.3 (b), (d) and (e). 0: it does not cover the certificate.
 *
 * A CRL with the name of a distribution point covers only certificates that name the same place in their
 * cRLDistributionPoints, as in OpenSSL.
 */
export function coveredReasons(crl: Crl, certificate: Certificate): number {
  const { scope, issuerDer } = crl;
  if (scope === undefined) return ALL_REASONS;
  const { names, covers, reasons } = scope;
  const isCa = certificate.basicConstraints?.isCa === true;
  if (covers !== "all" && covers !== (isCa ? "cas" : "users")) return 0;
  if (names === undefined) return reasons;
  let covered = 0;
  for (const { name, reasons: ofPoint, isIndirect } of certificate.distributionPoints) {
    if (name === undefined || isIndirect) continue;
    if (pointNames(name, issuerDer).some((each) => names.has(each))) covered |= ofPoint & reasons;
  }
  return covered;
}
