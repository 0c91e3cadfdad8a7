import { type Metric, metricsOf, type Reading, timestamp } from "./metric.ts";
import type { BackendStatus, UpstreamStatus } from "../status.ts";

/** There may be ten thousand backends: each line here is so many lines in a scrape. */
const READINGS: readonly Reading<BackendStatus>[] = [
  {
    name: "culvert_backend_up",
    type: "gauge",
    help: "Whether a backend gets new connections; 0: it is drained, down or ejected.",
    read: ({ state }) => Number(state === "up" || state === "unknown"),
  },
  {
    name: "culvert_backend_drained",
    type: "gauge",
    help: "Whether a backend gets none on purpose: it has been taken out by hand, or its weight is 0.",
    read: ({ state }) => Number(state === "drained"),
  },
  {
    name: "culvert_backend_ejected_until_timestamp_seconds",
    type: "gauge",
    help: "While a backend is left alone as live connections failed: until when, in seconds since 1970.",
    read: ({ ejectedUntil }) => timestamp(ejectedUntil),
  },
  {
    name: "culvert_backend_weight",
    type: "gauge",
    help: "The configured share of new connections of a backend.",
    read: ({ weight }) => weight,
  },
  {
    name: "culvert_backend_effective_weight",
    type: "gauge",
    help: "The share of a backend at this moment: smaller during a slow start, 0 if it gets none.",
    read: ({ effectiveWeight }) => effectiveWeight,
  },
  {
    name: "culvert_backend_active_connections",
    type: "gauge",
    help: "Connections to a backend in use, or being dialled, now.",
    read: ({ active }) => active,
  },
  {
    name: "culvert_backend_max_connections",
    type: "gauge",
    help: "The most connections to a backend at once, where there is a bound.",
    read: ({ maxConnections }) => maxConnections === 0 ? undefined : maxConnections,
  },
  {
    name: "culvert_backend_connections_total",
    type: "counter",
    help: "Connections to a backend that were handed out.",
    read: ({ total }) => total,
  },
  {
    name: "culvert_backend_connect_failures_total",
    type: "counter",
    help: "Tries to connect to a backend that failed.",
    read: ({ failures }) => failures,
  },
  {
    name: "culvert_backend_pool_waits_total",
    type: "counter",
    help: "How many clients have had to wait for a connection to become free, as pool.maxOpen was reached.",
    read: ({ pool }) => pool.waits,
  },
  {
    name: "culvert_backend_check_ok",
    type: "gauge",
    help: "Whether the last active check of a backend was good.",
    read: ({ check }) => check?.ok === undefined ? undefined : Number(check.ok),
  },
  {
    name: "culvert_backend_check_timestamp_seconds",
    type: "gauge",
    help: "When the last active check of a backend ended, in seconds since 1970.",
    read: ({ check }) => timestamp(check?.lastAt),
  },
  {
    name: "culvert_backend_check_flips_total",
    type: "counter",
    help: "How often active checks have brought a backend down or up again.",
    read: ({ check }) => check?.flips,
  },
  {
    name: "culvert_backend_certificate_expiry_timestamp_seconds",
    type: "gauge",
    help: "Until when the certificate is good that a backend has shown to checks, in seconds since 1970.",
    read: ({ check }) => timestamp(check?.certificateValidTo),
  },
];

/** The metrics of each backend. */
export function backendMetrics(upstreams: readonly UpstreamStatus[]): readonly Metric[] {
  const backends = upstreams.flatMap(({ name: upstream, backends }) =>
    backends.map((thing) => ({ labels: { upstream, backend: thing.address }, thing }))
  );
  return metricsOf(READINGS, backends);
}
