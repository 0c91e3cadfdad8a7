import type { LogLevel } from "../../core/log.ts";
import type { Steps } from "../../core/slices.ts";
import { type FailureReport, isFailure } from "../../service/failures.ts";
import type { CertificateStatus, CrlStatus } from "../status/credentials.ts";
import type { ReloadStatus } from "../status/reload.ts";
import type { ServiceStatus } from "../status/service.ts";
import type { Status } from "../status/status.ts";
import type { BackendStatus, DiscoveryStatus, UpstreamStatus } from "../status/upstream.ts";
import type { LiveState } from "./live_state.ts";

/**
 * What viewers of the live page see. Plain data without `null`, so that a JSON merge patch (RFC 7396) can say what has
 * changed. What has an order has a `position`, as objects keep none for names that are numbers.
 */
export interface LiveView {
  readonly program: ProgramView;
  /** By name. */
  readonly services: Readonly<Record<string, ServiceView>>;
  /** By name. */
  readonly upstreams: Readonly<Record<string, UpstreamView>>;
  readonly certificates: readonly CertificateStatus[];
  readonly crls: readonly CrlStatus[];
  /** The newest first. */
  readonly reloads: readonly ReloadStatus[];
  /** The newest first. */
  readonly failures: readonly FailureReport[];
}

/** The program. */
export interface ProgramView {
  readonly version: string;
  readonly pid?: number;
  readonly state: Status["state"];
  readonly startedAt: string;
  /** Why it is not ready; empty if it is. */
  readonly unready: readonly string[];
  readonly generation: number;
  readonly logLevel: LogLevel;
}

/** A service. Counters are since the start. */
export interface ServiceView {
  readonly position: number;
  readonly listeners: readonly string[];
  readonly upstreams: readonly string[];
  readonly active: number;
  readonly handshakes: number;
  readonly total: number;
  readonly rejected: number;
  /** Admitted connections and requests that failed. */
  readonly failed: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Absent: it carries TCP. */
  readonly requests?: { readonly active: number; readonly total: number };
}

/** An upstream. */
export interface UpstreamView {
  readonly position: number;
  readonly balance: string;
  readonly available: number;
  /** Connections in the queue. */
  readonly waiting: number;
  readonly discovery: readonly Pick<DiscoveryStatus, "name" | "state" | "error" | "size">[];
  /** By address. */
  readonly backends: Readonly<Record<string, BackendView>>;
}

/** A backend. */
export interface BackendView {
  readonly position: number;
  readonly state: BackendStatus["state"];
  readonly why?: string;
  readonly since: string;
  readonly weight: number;
  readonly effectiveWeight: number;
  readonly maxConnections: number;
  readonly backup: boolean;
  readonly active: number;
  readonly total: number;
  readonly failures: number;
}

/** Makes the view of a state, a step for each backend. */
export function* buildView({ status, unready, reloads, failures, logLevel }: LiveState): Steps<LiveView> {
  const { version, pid, state, startedAt, reload: { generation }, certificates, crls } = status;
  const services = record<ServiceView>();
  for (const [position, service] of status.services.entries()) {
    services[service.name] = serviceView(service, position);
    yield;
  }
  const upstreams = record<UpstreamView>();
  for (const [position, upstream] of status.upstreams.entries()) {
    upstreams[upstream.name] = yield* upstreamView(upstream, position);
  }
  return {
    program: {
      version,
      ...(pid === undefined ? {} : { pid }),
      ...{ state, startedAt, unready, generation, logLevel },
    },
    services,
    upstreams,
    certificates,
    crls,
    reloads,
    failures,
  };
}

function serviceView(service: ServiceStatus, position: number): ServiceView {
  const { listeners, upstreams, active, handshakes, total, rejected, bytesUp, bytesDown, requests } = service;
  const failed = countFailures(service.ended) + countFailures(requests?.byReason ?? {});
  return {
    ...{ position, listeners, upstreams, active, handshakes, total, rejected, failed, bytesUp, bytesDown },
    ...(requests === undefined
      ? {}
      : { requests: { active: requests.active, total: requests.durationSeconds.count } }),
  };
}

function countFailures(counts: Readonly<Record<string, number>>): number {
  let total = 0;
  for (const reason in counts) if (isFailure(reason)) total += counts[reason]!;
  return total;
}

function* upstreamView(
  { balance, available, queue, discovery = [], backends }: UpstreamStatus,
  position: number,
): Steps<UpstreamView> {
  const views = record<BackendView>();
  for (const [index, backend] of backends.entries()) {
    views[backend.address] = backendView(backend, index);
    yield;
  }
  return {
    ...{ position, balance, available, waiting: queue.waiting },
    discovery: discovery.map(({ name, state, error, size }) => ({
      ...{ name, state, size },
      ...(error === undefined ? {} : { error }),
    })),
    backends: views,
  };
}

function backendView(backend: BackendStatus, position: number): BackendView {
  const { state, why, since, weight, effectiveWeight, maxConnections, backup, active, total, failures } =
    backend;
  const counts = { active, total, failures };
  const view = { position, state, since, weight, effectiveWeight, maxConnections, backup, ...counts };
  return why === undefined ? view : { ...view, why };
}

/** Without a prototype: a name such as `__proto__` is one like any other. */
function record<T>(): Record<string, T> {
  return Object.create(null);
}
