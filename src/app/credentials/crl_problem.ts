import type { CrlProblem } from "../../tls/x509/crl/set.ts";

/** Which client certificates are rejected because of a CRL, in words. */
export function rejectedClients({ rejects }: CrlProblem): string {
  return `${rejects} client certificates are rejected`;
}
