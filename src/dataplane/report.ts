import type { Steps } from "../core/slices.ts";
import type { Address } from "../net/address.ts";
import type { RequestCounters } from "../http_proxy/http_stats.ts";
import type { ServiceCounters } from "../service/service_stats.ts";
import type { Backend, BackendState } from "../upstream/backend.ts";
import type { QueueStats } from "../upstream/backend_queue.ts";
import type { BalanceName } from "../upstream/balance/balancer.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { HostedService } from "./hosted_service.ts";
import type { BoundAddresses } from "./listeners.ts";

// What a data plane tells of itself: plain data, as snapshots are.

/** Everything that a data plane has done. Each service and each backend is of one moment. */
export interface DataPlaneReport {
  /** In the order of the snapshot. */
  readonly services: readonly ServiceReport[];
  /** In the order of the snapshot. */
  readonly upstreams: readonly UpstreamReport[];
}

/** One service. */
export interface ServiceReport extends ServiceCounters {
  readonly name: string;
  /** The bound addresses, with the ports that the system has picked. */
  readonly listeners: readonly Address[];
  /** The upstream for clients whose name leads nowhere else; absent: these are refused. */
  readonly upstream?: string;
  /** The names of all upstreams that it leads to. */
  readonly upstreams: readonly string[];
  /** The counters of its requests; absent: it serves none. */
  readonly requests?: RequestCounters;
}

/** One upstream. */
export interface UpstreamReport {
  readonly name: string;
  readonly balance: BalanceName;
  /** The backends that a new connection could go to. */
  readonly available: number;
  readonly queue: QueueStats;
  /** In the order of the set. */
  readonly backends: readonly BackendReport[];
}

/** One backend. */
export interface BackendReport {
  /** The address as text, which identifies it within its upstream. */
  readonly key: string;
  readonly state: BackendState;
  /** When the state began, in milliseconds since 1970. */
  readonly stateSince: number;
  /** Whether it was disabled by hand. */
  readonly disabled: boolean;
  readonly weight: number;
  /** The weight at this moment, which slow start makes smaller; 0 if it gets no connections. */
  readonly effectiveWeight: number;
  /** 0: no bound. */
  readonly maxConnections: number;
  readonly backup: boolean;
  /** Connections in use or being dialled. */
  readonly active: number;
  readonly total: number;
  readonly failures: number;
  /** Absent: none has failed. */
  readonly lastFailure?: string | undefined;
  readonly pool: { readonly idle: number; readonly waiting: number; readonly waits: number };
  /** How often it has been ejected; absent: never. */
  readonly ejections?: number;
  /** For how long it is still ejected, in milliseconds; absent: it is not. */
  readonly ejectedForMs?: number | undefined;
}

/** Whether an upstream could take a connection. */
export interface UpstreamAvailability {
  readonly name: string;
  readonly available: boolean;
  /** How many backends are in each state. States that none is in are absent. */
  readonly counts: Readonly<Partial<Record<BackendState, number>>>;
}

/** What a report is about. */
export interface Reported {
  readonly services: readonly (readonly [name: string, HostedService])[];
  readonly upstreams: readonly Upstream[];
  readonly addresses: BoundAddresses;
}

/** What services and upstreams have done, collected one after the other. */
export function* report({ services, upstreams, addresses }: Reported): Steps<DataPlaneReport> {
  const serviceReports: ServiceReport[] = [];
  for (const service of reportServices({ services, addresses })) {
    serviceReports.push(service);
    yield;
  }
  const upstreamReports: UpstreamReport[] = [];
  for (const upstream of upstreams) upstreamReports.push(yield* reportUpstream(upstream));
  return { services: serviceReports, upstreams: upstreamReports };
}

/** What services have done, one after the other. */
export function* reportServices(
  { services, addresses }: Pick<Reported, "services" | "addresses">,
): Iterable<ServiceReport> {
  for (const [name, { service, upstream, upstreams, requests }] of services) {
    yield {
      name,
      upstreams,
      ...(requests === undefined ? {} : { requests }),
      ...(upstream === undefined ? {} : { upstream }),
      listeners: addresses.get(name) ?? [],
      ...service.counters,
    };
  }
}

/** What is known of an upstream, collected backend by backend: there may be thousands. */
export function* reportUpstream(upstream: Upstream): Steps<UpstreamReport> {
  const { name, options: { balance }, queue } = upstream;
  const backends: BackendReport[] = [];
  let available = 0;
  for (const backend of upstream.backends) {
    if (backend.available) available++;
    backends.push(reportBackend(backend, upstream));
    yield;
  }
  return { name, balance, available, queue: { ...queue }, backends };
}

function reportBackend(backend: Backend, upstream: Upstream): BackendReport {
  const { key, state, spec, weight, connections, total, failures, lastFailure, stateSince } = backend;
  const { idle, waiting, waits } = backend.poolStats;
  const takes = state === "up" || state === "unknown";
  return {
    key,
    state,
    stateSince,
    disabled: backend.disabled,
    weight: spec.weight,
    effectiveWeight: takes ? weight : 0,
    maxConnections: spec.maxConnections,
    backup: spec.backup,
    active: connections.own,
    total,
    failures,
    lastFailure,
    pool: { idle, waiting, waits },
    ...(backend.ejections === 0 ? {} : { ejections: backend.ejections }),
    ejectedForMs: upstream.ejectedForMs(backend),
  };
}

/** Whether an upstream could take a connection, without a look at each counter. */
export function reportAvailability({ name, available, backends }: Upstream): UpstreamAvailability {
  const counts: Partial<Record<BackendState, number>> = {};
  for (const { state } of backends) counts[state] = (counts[state] ?? 0) + 1;
  return { name, available, counts };
}
