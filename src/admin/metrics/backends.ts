import type { BackendStatus, UpstreamStatus } from "../status/upstream.ts";
import { type MetricFamily, type Subject, unixTime } from "./metric_family.ts";

/** The metrics of each backend. There may be ten thousand backends, and a scrape has a line for each in each family. */
export const BACKEND_METRICS: readonly MetricFamily<BackendStatus>[] = [
  {
    name: "culvert_backend_up",
    type: "gauge",
    help: "1 if the backend receives new connections, 0 if it is drained, down or ejected.",
    read: ({ state }) => Number(state === "up" || state === "unknown"),
  },
  {
    name: "culvert_backend_drained",
    type: "gauge",
    help: "1 if the backend is drained by the admin API or by weight 0, otherwise 0.",
    read: ({ state }) => Number(state === "drained"),
  },
  {
    name: "culvert_backend_ejected_until_timestamp_seconds",
    type: "gauge",
    help: "Unix time until which the backend is ejected; present only while it is ejected.",
    read: ({ ejectedUntil }) => unixTime(ejectedUntil),
  },
  {
    name: "culvert_backend_ejections_total",
    type: "counter",
    help: "How often the backend was ejected.",
    read: ({ ejections = 0 }) => ejections,
  },
  {
    name: "culvert_backend_weight",
    type: "gauge",
    help: "Configured weight of the backend.",
    read: ({ weight }) => weight,
  },
  {
    name: "culvert_backend_effective_weight",
    type: "gauge",
    help: "Current weight of the backend: lower during slow start, 0 if it receives no new connections.",
    read: ({ effectiveWeight }) => effectiveWeight,
  },
  {
    name: "culvert_backend_active_connections",
    type: "gauge",
    help: "Connections to the backend that are in use or being established.",
    read: ({ active }) => active,
  },
  {
    name: "culvert_backend_max_connections",
    type: "gauge",
    help: "Configured maxConnections of the backend; present only if there is a limit.",
    read: ({ maxConnections }) => maxConnections === 0 ? undefined : maxConnections,
  },
  {
    name: "culvert_backend_connections_total",
    type: "counter",
    help: "Client connections that were assigned to the backend.",
    read: ({ total }) => total,
  },
  {
    name: "culvert_backend_connect_failures_total",
    type: "counter",
    help: "Failed attempts to connect to the backend.",
    read: ({ failures }) => failures,
  },
  {
    name: "culvert_backend_pool_waits_total",
    type: "counter",
    help: "Clients that had to wait for a pooled connection because pool.maxOpen was reached.",
    read: ({ pool }) => pool.waits,
  },
  {
    name: "culvert_backend_check_ok",
    type: "gauge",
    help: "1 if the last health check succeeded, 0 if it failed; present only after a health check.",
    read: ({ check }) => check?.ok === undefined ? undefined : Number(check.ok),
  },
  {
    name: "culvert_backend_check_timestamp_seconds",
    type: "gauge",
    help: "Unix time at which the last health check ended.",
    read: ({ check }) => unixTime(check?.lastAt),
  },
  {
    name: "culvert_backend_check_flips_total",
    type: "counter",
    help: "Transitions of the backend between up and down that health checks caused.",
    read: ({ check }) => check?.flips,
  },
  {
    name: "culvert_backend_certificate_expiry_timestamp_seconds",
    type: "gauge",
    help: "Unix time at which the certificate that the backend presented to health checks expires.",
    read: ({ check }) => unixTime(check?.certificateValidTo),
  },
];

/** The backends of all upstreams. */
export function backendSubjects(upstreams: readonly UpstreamStatus[]): readonly Subject<BackendStatus>[] {
  return upstreams.flatMap(({ name: upstream, backends }) =>
    backends.map((value) => ({ labels: { upstream, backend: value.address }, value }))
  );
}
