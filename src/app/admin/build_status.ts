import type { CertificateStatus, CrlStatus } from "../../admin/status/credentials.ts";
import type { ReloadStatus } from "../../admin/status/reload.ts";
import type { ServiceStatus } from "../../admin/status/service.ts";
import type { Status } from "../../admin/status/status.ts";
import type { UpstreamStatus } from "../../admin/status/upstream.ts";
import { ConfigError } from "../../config/problem/problem.ts";
import type { Clock } from "../../core/clock.ts";
import type { HistogramSnapshot } from "../../core/histogram.ts";
import { isoTime } from "../../core/iso_time.ts";
import type { Steps } from "../../core/slices.ts";
import { formatAddress } from "../../net/address.ts";
import { isRefusal, type Reason } from "../../service/reason.ts";
import { formatAttributes } from "../../tls/x509/distinguished_name.ts";
import type { DataPlaneReport, ServiceReport } from "../../dataplane/report.ts";
import type { ControlPlane } from "../control/control_plane.ts";
import type { CertificateInUse } from "../credentials/credentials_loader.ts";
import type { CrlInUse } from "../credentials/trust_loader.ts";
import type { ReloadState } from "../control/reloader.ts";
import { buildUpstreamStatus } from "./build_upstream_status.ts";

/** What the status is made of. */
export interface StatusParts {
  readonly controlPlane: ControlPlane;
  readonly report: DataPlaneReport;
  readonly version: string;
  /** In milliseconds since 1970. */
  readonly startedAt: number;
  /** The same on `clock`. */
  readonly startedAtMs: number;
  readonly reload: ReloadState;
  readonly clock: Clock;
  /** How late the event loop has called timers; absent: not known. */
  readonly eventLoopDelays?: HistogramSnapshot;
}

/** Everything about the running program, as the admin API shows it. */
export function* buildStatus(parts: StatusParts): Steps<Status> {
  const { controlPlane, report, version, startedAt, startedAtMs, reload, clock } = parts;
  const { certificates, crls } = controlPlane.credentials;
  const services: ServiceStatus[] = [];
  for (const service of report.services) {
    services.push(serviceStatus(service));
    yield;
  }
  const upstreams: UpstreamStatus[] = [];
  for (const upstream of report.upstreams) {
    const control = controlPlane.upstream(upstream.name);
    upstreams.push(yield* buildUpstreamStatus(upstream, { control, clock }));
  }
  return {
    version,
    pid: Deno.pid,
    state: controlPlane.state,
    startedAt: isoTime(startedAt),
    uptimeSeconds: Math.round(clock.now() - startedAtMs) / 1000,
    ...(parts.eventLoopDelays === undefined ? {} : { eventLoopDelaySeconds: parts.eventLoopDelays }),
    reload: reloadStatus(reload),
    ...workersOf(controlPlane),
    services,
    upstreams,
    certificates: byPath(certificates).map(certificateStatus),
    crls: byPath(crls).flatMap(crlStatus),
  };
}

function workersOf({ dataPlane: { workers } }: ControlPlane): Pick<Status, "workers"> {
  if (workers.length === 0) return {};
  return {
    workers: workers.map(({ delayMs, ...worker }) => ({
      ...worker,
      eventLoopDelaySeconds: Math.round(delayMs) / 1000,
    })),
  };
}

/** A reload as the admin API shows it. */
export function reloadStatus(
  { generation, appliedAt, at, why, outcome, refused }: ReloadState,
): ReloadStatus {
  const times = { appliedAt: isoTime(appliedAt), at: isoTime(at) };
  const more = refused === undefined ? {} : { refused };
  const status = { generation, ...times, ok: outcome.ok, why, ...more };
  if (outcome.ok) return status;
  const { error } = outcome;
  const problems = error instanceof ConfigError ? { problems: error.problems } : {};
  return { ...status, error: { code: error.code, message: error.message }, ...problems };
}

function serviceStatus(
  { name, listeners, upstream, upstreams, ended, requests, ...counts }: ServiceReport,
): ServiceStatus {
  const all = Object.entries(ended) as [Reason, number][];
  return {
    name,
    listeners: listeners.map(formatAddress),
    ...(upstream === undefined ? {} : { upstream }),
    upstreams,
    active: counts.active,
    handshakes: counts.handshakes,
    total: counts.total,
    rejected: counts.rejected,
    ...(counts.retries === undefined ? {} : { retries: counts.retries }),
    refused: Object.fromEntries(all.filter(([reason]) => isRefusal(reason))),
    acceptFailures: counts.acceptFailures,
    ended: Object.fromEntries(all.filter(([reason]) => !isRefusal(reason))),
    bytesUp: counts.bytesUp,
    bytesDown: counts.bytesDown,
    durationSeconds: counts.durationSeconds,
    connectSeconds: counts.connectSeconds,
    ...(requests === undefined ? {} : {
      requests: { ...requests, byStatus: { ...requests.byStatus }, byReason: { ...requests.byReason } },
    }),
  };
}

/** Those of each file together. */
function byPath<T extends { path: string }>(items: readonly T[]): (readonly [T, ...T[]])[] {
  return [...Map.groupBy(items, ({ path }) => path).values()] as [T, ...T[]][];
}

function certificateStatus(uses: readonly [CertificateInUse, ...CertificateInUse[]]): CertificateStatus {
  const [{ path, leaf }] = uses;
  return {
    path,
    usedBy: uses.map(({ usedBy }) => usedBy),
    subject: formatAttributes(leaf.attributes),
    notBefore: isoTime(leaf.notBeforeMs),
    notAfter: isoTime(leaf.notAfterMs),
  };
}

/** A file may have several lists, of several issuers. */
function crlStatus(uses: readonly [CrlInUse, ...CrlInUse[]]): CrlStatus[] {
  const [{ path, crls }] = uses;
  const now = Date.now();
  const problem = uses.map((use) => use.problem(now)?.detail).find((detail) => detail !== undefined);
  const common = {
    path,
    usedBy: uses.map(({ usedBy }) => usedBy),
    usable: problem === undefined,
    ...(problem === undefined ? {} : { problem }),
  };
  if (crls.length === 0) return [common];
  return crls.map(({ issuerName, thisUpdateMs, nextUpdateMs }) => ({
    ...common,
    issuer: issuerName,
    thisUpdate: isoTime(thisUpdateMs),
    ...(nextUpdateMs === undefined ? {} : { nextUpdate: isoTime(nextUpdateMs) }),
  }));
}
