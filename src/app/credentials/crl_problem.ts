import type { CrlProblem } from "../../tls/x509/crl/set.ts";

/** Which client certificates are rejected because of a CRL, in words. */
export function rejectedClients({ comesIn }: CrlProblem): string {
  return `${comesIn === "nobody" ? "all" : "some"} client certificates are rejected`;
}
