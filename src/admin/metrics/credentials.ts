import { type Labelled, type Metric, metricsOf, type Reading, timestamp } from "./metric.ts";
import type { CertificateStatus, CrlStatus } from "../status.ts";

const CERTIFICATE: readonly Reading<CertificateStatus>[] = [{
  name: "culvert_certificate_expiry_timestamp_seconds",
  type: "gauge",
  help: "Until when a certificate that is shown to peers is good, in seconds since 1970.",
  read: ({ notAfter }) => timestamp(notAfter),
}];

const CRL_FILE: readonly Reading<CrlStatus>[] = [{
  name: "culvert_crl_usable",
  type: "gauge",
  help: "Whether a file of lists of revoked certificates can be relied on; 0: clients are kept out.",
  read: ({ usable }) => Number(usable),
}];

const CRL: readonly Reading<CrlStatus>[] = [{
  name: "culvert_crl_next_update_timestamp_seconds",
  type: "gauge",
  help: "When a list of revoked certificates no longer holds, in seconds since 1970.",
  read: ({ nextUpdate }) => timestamp(nextUpdate),
}];

/** The metrics of certificates and of CRLs. */
export function materialMetrics(
  { certificates, crls }: {
    certificates: readonly CertificateStatus[];
    crls: readonly CrlStatus[];
  },
): readonly Metric[] {
  return [
    ...metricsOf(CERTIFICATE, certificates.map((thing) => ({ labels: ofFile(thing), thing }))),
    ...metricsOf(CRL_FILE, files(crls)),
    ...metricsOf(CRL, lists(crls)),
  ];
}

function ofFile({ path, usedBy }: CertificateStatus | CrlStatus): Record<string, string> {
  return { path, used_by: usedBy.join(", ") };
}

/** One for each file, which is usable as a whole or not at all. */
function files(crls: readonly CrlStatus[]): Labelled<CrlStatus>[] {
  const byPath = new Map(crls.map((crl) => [crl.path, crl]));
  return [...byPath.values()].map((thing) => ({ labels: ofFile(thing), thing }));
}

/** Of several lists of one issuer in a file the newest, which is the one that counts. */
function lists(crls: readonly CrlStatus[]): Labelled<CrlStatus>[] {
  const newest = new Map<string, CrlStatus>();
  for (const crl of crls) {
    const key = JSON.stringify([crl.path, crl.issuer]);
    const other = newest.get(key);
    if (other === undefined || crl.thisUpdate! > other.thisUpdate!) newest.set(key, crl);
  }
  return [...newest.values()].map((thing) => ({
    labels: { path: thing.path, issuer: thing.issuer ?? "" },
    thing,
  }));
}
