import {
  BACKEND_STATES,
  type BackendStatus,
  type DiscoveryStatus,
  type UpstreamStatus,
} from "../status/upstream.ts";
import { type MetricFamily, type Sample, type Subject, unixTime } from "./metric_family.ts";

/** The metrics of each upstream. */
export const UPSTREAM_METRICS: readonly MetricFamily<UpstreamStatus>[] = [
  {
    name: "culvert_upstream_backends",
    type: "gauge",
    help: "Backends of the upstream, by state.",
    read: ({ backends }) => byState(backends),
  },
  {
    name: "culvert_upstream_available_backends",
    type: "gauge",
    help: "Backends that a new connection can be assigned to now.",
    read: ({ available }) => available,
  },
  {
    name: "culvert_upstream_pool_idle_connections",
    type: "gauge",
    help: "Idle connections in the pools of all backends of the upstream.",
    read: ({ backends }) => backends.reduce((sum, { pool }) => sum + pool.idle, 0),
  },
  {
    name: "culvert_upstream_pool_waiting",
    type: "gauge",
    help: "Clients that wait for a pooled connection because pool.maxOpen is reached.",
    read: ({ backends }) => backends.reduce((sum, { pool }) => sum + pool.waiting, 0),
  },
  {
    name: "culvert_upstream_check_duration_seconds",
    type: "histogram",
    help: "Duration of the health checks of all backends of the upstream.",
    read: ({ checkSeconds }) => checkSeconds,
  },
  {
    name: "culvert_upstream_queue_waiting",
    type: "gauge",
    help: "Connections in the queue of the upstream, because every backend is at its maxConnections.",
    read: ({ queue }) => queue.waiting,
  },
  {
    name: "culvert_upstream_queued_connections_total",
    type: "counter",
    help: "Connections that were put into the queue.",
    read: ({ queue }) => queue.queued,
  },
  {
    name: "culvert_upstream_queue_refused_connections_total",
    type: "counter",
    help: "Connections that were refused because the queue was full, or after queue.timeout.",
    read: ({ queue: { full, timedOut } }) => [
      { value: full, labels: { why: "full" } },
      { value: timedOut, labels: { why: "timeout" } },
    ],
  },
];

/** The metrics of each source of backends. */
export const DISCOVERY_METRICS: readonly MetricFamily<DiscoveryStatus>[] = [
  {
    name: "culvert_discovery_up",
    type: "gauge",
    help: "1 if the last answer of the source is in use, 0 if there is none yet or the last query failed.",
    read: ({ state }) => Number(state === "ok" || state === "ended"),
  },
  {
    name: "culvert_discovery_failures_total",
    type: "counter",
    help: "Failed queries of the source.",
    read: ({ failures }) => failures,
  },
  {
    name: "culvert_discovery_last_set_timestamp_seconds",
    type: "gauge",
    help: "Unix time at which the source last returned a set of backends, whether or not it had changed.",
    read: ({ lastSetAt }) => unixTime(lastSetAt),
  },
  {
    name: "culvert_discovery_backends",
    type: "gauge",
    help: "Backends in the last set of the source.",
    read: ({ size }) => size,
  },
];

/** The upstreams, as subjects of metrics. */
export function upstreamSubjects(upstreams: readonly UpstreamStatus[]): readonly Subject<UpstreamStatus>[] {
  return upstreams.map((value) => ({ labels: { upstream: value.name }, value }));
}

/** The sources of backends of all upstreams. */
export function discoverySubjects(upstreams: readonly UpstreamStatus[]): readonly Subject<DiscoveryStatus>[] {
  return upstreams.flatMap(({ name: upstream, discovery = [] }) =>
    discovery.map((value) => ({ labels: { upstream, source: value.name }, value }))
  );
}

function byState(backends: readonly BackendStatus[]): readonly Sample[] {
  const counts = new Map(BACKEND_STATES.map((state) => [state, 0]));
  for (const { state } of backends) counts.set(state, counts.get(state)! + 1);
  return BACKEND_STATES.map((state) => ({ value: counts.get(state)!, labels: { state } }));
}
