import type { HistogramSnapshot } from "../../core/histogram.ts";
import type { Reason } from "../../service/reason.ts";
import type { RevocationFinding } from "../../tls/x509/crl/set.ts";
import { type Metric, metricsOf, type Part, type Reading } from "./metric.ts";
import type { ServiceStatus } from "../status.ts";

/** For which clients are kept out, and are not to blame. */
type CrlReason = `tls-${Exclude<RevocationFinding["reason"], "revoked">}`;
type KnownReason = Exclude<Reason, `tls-${string}`> | CrlReason;

/**
 * Which metric counts a reason. All of these are told from the start, at 0: what first appears at 1 has not risen
 * as far as `increase` and `rate` know. The others of TLS are too many for that.
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
  "cut": "ended",
};

const READINGS: readonly Reading<ServiceStatus>[] = [
  {
    name: "culvert_service_active_connections",
    type: "gauge",
    help: "Admitted connections that live now.",
    read: ({ active }) => active,
  },
  {
    name: "culvert_service_handshakes",
    type: "gauge",
    help:
      "Admitted connections whose clients have not yet said what they must: TLS, PROXY header, server name.",
    read: ({ handshakes }) => handshakes,
  },
  {
    name: "culvert_service_connections_total",
    type: "counter",
    help: "Admitted connections, those included that were turned away for what they said first.",
    read: ({ total }) => total,
  },
  {
    name: "culvert_service_rejected_connections_total",
    type: "counter",
    help: "Connections that were turned away, by reason.",
    read: ({ refused }) => byReason("refused", refused),
  },
  {
    name: "culvert_service_accept_failures_total",
    type: "counter",
    help:
      "Connections that could not be accepted: reset by the client before (scans), or no descriptor for them.",
    read: ({ acceptFailures }) =>
      Object.entries(acceptFailures).map(([why, value]) => ({ value, labels: { why } })),
  },
  {
    name: "culvert_service_ended_connections_total",
    type: "counter",
    help: "Admitted connections that have ended and were not turned away, by reason.",
    read: ({ ended }) => byReason("ended", ended),
  },
  {
    name: "culvert_service_bytes_total",
    type: "counter",
    help: "Bytes delivered to backends (up) and to clients (down), those of live connections included.",
    read: ({ bytesUp, bytesDown }) => [
      { value: bytesUp, labels: { direction: "up" } },
      { value: bytesDown, labels: { direction: "down" } },
    ],
  },
  {
    name: "culvert_service_connection_duration_seconds",
    type: "histogram",
    help: "How long the admitted connections that have ended had lived.",
    read: ({ durationSeconds }) => histogram(durationSeconds),
  },
  {
    name: "culvert_service_connect_duration_seconds",
    type: "histogram",
    help: "How long it took to find a backend, all tries included.",
    read: ({ connectSeconds }) => histogram(connectSeconds),
  },
];

/** The metrics of the services. */
export function serviceMetrics(services: readonly ServiceStatus[]): readonly Metric[] {
  return metricsOf(READINGS, services.map((thing) => ({ labels: { service: thing.name }, thing })));
}

function byReason(metric: "refused" | "ended", counts: Readonly<Record<string, number>>): Part[] {
  const known = Object.entries(COUNTED).filter(([, counted]) => counted === metric).map(([reason]) => reason);
  const reasons = new Set([...known, ...Object.keys(counts)]);
  return [...reasons].map((reason) => ({ value: counts[reason] ?? 0, labels: { reason } }));
}

function histogram({ bounds, counts, sum, count }: HistogramSnapshot): Part[] {
  return [
    ...bounds.map((le, i): Part => ({ suffix: "_bucket", value: counts[i]!, labels: { le } })),
    { suffix: "_bucket", value: count, labels: { le: "+Inf" } },
    { suffix: "_sum", value: sum, labels: {} },
    { suffix: "_count", value: count, labels: {} },
  ];
}
