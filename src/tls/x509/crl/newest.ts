import type { Crl } from "./crl.ts";

/**
 * Of CRLs of one issuer the one of each scope that counts at this moment: of those that hold already, the one with the
 * highest CRL number. Where none holds yet, the newest.
 */
export function newestOfEachScope(crls: readonly Crl[], nowMs: number): readonly Crl[] {
  if (crls.length < 2) return crls;
  const byScope = Map.groupBy(crls, ({ scope }) => scope?.key);
  return [...byScope.values()].map((each) => {
    const inForce = each.filter(({ thisUpdateMs }) => thisUpdateMs <= nowMs);
    return (inForce.length > 0 ? inForce : each).reduce((best, crl) => isNewer(crl, best) ? crl : best);
  });
}

/** RFC 5280 section 5.2.3: CRL numbers increase. Those without one are compared by their dates. */
function isNewer(crl: Crl, other: Crl): boolean {
  const isNumbered = crl.number !== undefined && other.number !== undefined;
  if (isNumbered && crl.number !== other.number) return crl.number! > other.number!;
  return crl.thisUpdateMs > other.thisUpdateMs;
}
