import type { CertificateStatus, CrlStatus } from "../status/credentials.ts";
import { type Labels, type MetricFamily, type Subject, unixTime } from "./metric_family.ts";

/** The metrics of each certificate that is presented to peers. */
export const CERTIFICATE_METRICS: readonly MetricFamily<CertificateStatus>[] = [{
  name: "culvert_certificate_expiry_timestamp_seconds",
  type: "gauge",
  help: "Unix time at which a certificate that is presented to peers expires.",
  read: ({ notAfter }) => unixTime(notAfter),
}];

/** The metrics of each CRL file. */
export const CRL_FILE_METRICS: readonly MetricFamily<CrlStatus>[] = [{
  name: "culvert_crl_usable",
  type: "gauge",
  help: "1 if the CRL file is usable, 0 if it is not and every certificate from its CAs is rejected.",
  read: ({ usable }) => Number(usable),
}];

/** The metrics of each CRL. */
export const CRL_METRICS: readonly MetricFamily<CrlStatus>[] = [{
  name: "culvert_crl_next_update_timestamp_seconds",
  type: "gauge",
  help: "Unix time at which the CRL expires.",
  read: ({ nextUpdate }) => unixTime(nextUpdate),
}];

/** The certificates, by file. */
export function certificateSubjects(
  certificates: readonly CertificateStatus[],
): readonly Subject<CertificateStatus>[] {
  return certificates.map((value) => ({ labels: fileLabels(value), value }));
}

/** One for each CRL file, which is usable as a whole or not at all. */
export function crlFileSubjects(crls: readonly CrlStatus[]): readonly Subject<CrlStatus>[] {
  const byPath = new Map(crls.map((crl) => [crl.path, crl]));
  return [...byPath.values()].map((value) => ({ labels: fileLabels(value), value }));
}

/** The CRLs. Of several from one issuer in a file only the newest counts. */
export function crlSubjects(crls: readonly CrlStatus[]): readonly Subject<CrlStatus>[] {
  const newest = new Map<string, CrlStatus>();
  for (const crl of crls) {
    const key = JSON.stringify([crl.path, crl.issuer]);
    const other = newest.get(key);
    if (other === undefined || crl.thisUpdate! > other.thisUpdate!) newest.set(key, crl);
  }
  return [...newest.values()].map((value) => ({
    labels: { path: value.path, issuer: value.issuer ?? "" },
    value,
  }));
}

function fileLabels({ path, usedBy }: CertificateStatus | CrlStatus): Labels {
  return { path, used_by: usedBy.join(", ") };
}
