import { HTTP_REASONS } from "../../http_proxy/http_reason.ts";
import type { Reason } from "../../service/reason.ts";
import type { RevocationFinding } from "../../tls/x509/crl/set.ts";
import type { ServiceStatus } from "../status/service.ts";
import type { MetricFamily, Sample, Subject } from "./metric_family.ts";

/** A CRL is not usable. */
type CrlReason = `tls-${Exclude<RevocationFinding["reason"], "revoked">}`;
type KnownReason = Exclude<Reason, `tls-${string}`> | CrlReason;

/**
 * The metric that counts each reason. These reasons are present at 0 from the start, because `increase` and `rate` do
 * not see the first increment of a series that appears with it. The other `tls-` reasons are too many for that.
 */
const COUNTED: Readonly<Record<KnownReason, "refused" | "ended">> = {
  "refused-by-deny": "refused",
  "refused-by-allow": "refused",
  "refused-by-rate": "refused",
  "refused-by-limit": "refused",
  "refused-by-handshakes": "refused",
  "refused-by-descriptors": "refused",
  "refused-by-proxy": "refused",
  "refused-by-name": "refused",
  "tls-crl-missing": "refused",
  "tls-crl-expired": "refused",
  "tls-crl-not-yet-valid": "refused",
  "tls-crl-unreadable": "refused",
  "client-closed": "ended",
  "backend-closed": "ended",
  "client-reset": "ended",
  "backend-reset": "ended",
  "idle": "ended",
  "half-close": "ended",
  "lifetime": "ended",
  "handshake": "ended",
  "no-backend": "ended",
  "no-descriptors": "ended",
  "queue-full": "ended",
  "queue-timeout": "ended",
  "backends-down": "ended",
  "connect-failed": "ended",
  "backend-removed": "ended",
  "backend-down": "ended",
  "drained": "ended",
  "closed-by-admin": "ended",
  "worker-failed": "ended",
  "cut": "ended",
};

const STATUS_CLASSES = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
const HTTP_REASON_NAMES = Object.keys(HTTP_REASONS);

/** The metrics of each service. */
export const SERVICE_METRICS: readonly MetricFamily<ServiceStatus>[] = [
  {
    name: "culvert_service_active_connections",
    type: "gauge",
    help: "Admitted connections that are open.",
    read: ({ active }) => active,
  },
  {
    name: "culvert_service_handshakes",
    type: "gauge",
    help: "Admitted connections that have not completed the PROXY header, TLS handshake or server name.",
    read: ({ handshakes }) => handshakes,
  },
  {
    name: "culvert_service_connections_total",
    type: "counter",
    help: "Admitted connections, including those that were rejected during the handshake.",
    read: ({ total }) => total,
  },
  {
    name: "culvert_service_rejected_connections_total",
    type: "counter",
    help: "Rejected connections, by reason.",
    read: ({ refused }) => byReason("refused", refused),
  },
  {
    name: "culvert_service_connect_retries_total",
    type: "counter",
    help: "Further backends that connections tried because one could not be connected.",
    read: ({ retries = 0 }) => retries,
  },
  {
    name: "culvert_service_accept_failures_total",
    type: "counter",
    help:
      "Connections that could not be accepted: reset by the client, no file descriptor free, or another error.",
    read: ({ acceptFailures }) =>
      Object.entries(acceptFailures).map(([why, value]) => ({ value, labels: { why } })),
  },
  {
    name: "culvert_service_ended_connections_total",
    type: "counter",
    help: "Admitted connections that have ended and were not rejected, by reason.",
    read: ({ ended }) => byReason("ended", ended),
  },
  {
    name: "culvert_service_bytes_total",
    type: "counter",
    help: "Bytes sent to backends (up) and to clients (down), including those of open connections.",
    read: ({ bytesUp, bytesDown }) => [
      { value: bytesUp, labels: { direction: "up" } },
      { value: bytesDown, labels: { direction: "down" } },
    ],
  },
  {
    name: "culvert_service_connection_duration_seconds",
    type: "histogram",
    help: "Duration of admitted connections, recorded when they end.",
    read: ({ durationSeconds }) => durationSeconds,
  },
  {
    name: "culvert_service_connect_duration_seconds",
    type: "histogram",
    help: "Time to connect to a backend, including queueing and failed attempts, recorded once connected.",
    read: ({ connectSeconds }) => connectSeconds,
  },
  {
    name: "culvert_service_active_requests",
    type: "gauge",
    help: "HTTP requests that are under way.",
    read: ({ requests }) => requests?.active,
  },
  {
    name: "culvert_service_requests_total",
    type: "counter",
    help:
      "HTTP requests that have ended, by the class of their status; `none` where the client got no response.",
    read: ({ requests }) => requests && samples("status", requests.byStatus, STATUS_CLASSES),
  },
  {
    name: "culvert_service_ended_requests_total",
    type: "counter",
    help: "HTTP requests that have ended, by reason.",
    read: ({ requests }) => requests && samples("reason", requests.byReason, HTTP_REASON_NAMES),
  },
  {
    name: "culvert_service_retried_requests_total",
    type: "counter",
    help: "HTTP requests that were sent again, or to another backend.",
    read: ({ requests }) => requests?.retried,
  },
  {
    name: "culvert_service_request_duration_seconds",
    type: "histogram",
    help: "Time from the first byte of an HTTP request to the last byte of its response.",
    read: ({ requests }) => requests?.durationSeconds,
  },
];

/** The services, as subjects of metrics. */
export function serviceSubjects(services: readonly ServiceStatus[]): readonly Subject<ServiceStatus>[] {
  return services.map((value) => ({ labels: { service: value.name }, value }));
}

/** All that are known are there from the start, at 0. */
function samples(
  label: string,
  counts: Readonly<Record<string, number>>,
  names: readonly string[],
): readonly Sample[] {
  return names.map((name) => ({ value: counts[name] ?? 0, labels: { [label]: name } }));
}

function byReason(metric: "refused" | "ended", counts: Readonly<Record<string, number>>): readonly Sample[] {
  const known = Object.entries(COUNTED).filter(([, counted]) => counted === metric).map(([reason]) => reason);
  const reasons = new Set([...known, ...Object.keys(counts)]);
  return [...reasons].map((reason) => ({ value: counts[reason] ?? 0, labels: { reason } }));
}
