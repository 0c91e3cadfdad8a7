import { type Metric, metricsOf, type Part, type Reading, timestamp } from "./metric.ts";
import type { BackendState, BackendStatus, DiscoveryStatus, UpstreamStatus } from "../status.ts";

const STATES: readonly BackendState[] = ["drained", "down", "ejected", "unknown", "up"];

const UPSTREAM: readonly Reading<UpstreamStatus>[] = [
  {
    name: "culvert_upstream_backends",
    type: "gauge",
    help: "Backends of an upstream, by state.",
    read: ({ backends }) => byState(backends),
  },
  {
    name: "culvert_upstream_available_backends",
    type: "gauge",
    help: "Backends that a new connection could go to now.",
    read: ({ available }) => available,
  },
  {
    name: "culvert_upstream_pool_idle_connections",
    type: "gauge",
    help: "Connections to the backends of an upstream that wait to be used.",
    read: ({ backends }) => backends.reduce((sum, { pool }) => sum + pool.idle, 0),
  },
  {
    name: "culvert_upstream_pool_waiting",
    type: "gauge",
    help: "Clients that wait now for a connection to become free, as pool.maxOpen is reached.",
    read: ({ backends }) => backends.reduce((sum, { pool }) => sum + pool.waiting, 0),
  },
  {
    name: "culvert_upstream_queue_waiting",
    type: "gauge",
    help: "Connections that wait for a backend now, as every one is at its maxConnections.",
    read: ({ queue }) => queue.waiting,
  },
  {
    name: "culvert_upstream_queued_connections_total",
    type: "counter",
    help: "Connections that had to wait in the queue.",
    read: ({ queue }) => queue.queued,
  },
  {
    name: "culvert_upstream_queue_refused_connections_total",
    type: "counter",
    help: "Connections that the queue refused: it was full, or they had waited too long.",
    read: ({ queue: { full, timedOut } }) => [
      { value: full, labels: { why: "full" } },
      { value: timedOut, labels: { why: "timeout" } },
    ],
  },
];

const DISCOVERY: readonly Reading<DiscoveryStatus>[] = [
  {
    name: "culvert_discovery_up",
    type: "gauge",
    help: "Whether the last word of a source of backends is in use; 0: it has none yet, or can't be asked.",
    read: ({ state }) => Number(state === "ok" || state === "ended"),
  },
  {
    name: "culvert_discovery_failures_total",
    type: "counter",
    help: "How often a source of backends could not be asked.",
    read: ({ failures }) => failures,
  },
  {
    name: "culvert_discovery_last_set_timestamp_seconds",
    type: "gauge",
    help: "When a source last gave a set, whether that was another one or not, in seconds since 1970.",
    read: ({ lastSetAt }) => timestamp(lastSetAt),
  },
  {
    name: "culvert_discovery_backends",
    type: "gauge",
    help: "Backends in the last set of a source.",
    read: ({ size }) => size,
  },
];

/** The metrics of the upstreams and of what their sets come from. */
export function upstreamMetrics(upstreams: readonly UpstreamStatus[]): readonly Metric[] {
  const sources = upstreams.flatMap(({ name: upstream, discovery = [] }) =>
    discovery.map((thing) => ({ labels: { upstream, source: thing.name }, thing }))
  );
  return [
    ...metricsOf(UPSTREAM, upstreams.map((thing) => ({ labels: { upstream: thing.name }, thing }))),
    ...metricsOf(DISCOVERY, sources),
  ];
}

function byState(backends: readonly BackendStatus[]): Part[] {
  const counts = { drained: 0, down: 0, ejected: 0, unknown: 0, up: 0 };
  for (const { state } of backends) counts[state]++;
  return STATES.map((state) => ({ value: counts[state], labels: { state } }));
}
