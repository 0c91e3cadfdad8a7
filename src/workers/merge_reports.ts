import type { HistogramSnapshot } from "../core/histogram.ts";
import type { BackendReport, ServiceReport, UpstreamReport } from "../dataplane/report.ts";
import type { RequestCounters } from "../http_proxy/http_stats.ts";

// What several data planes with the same snapshot report, as one report.

/** The services of all reports: the order is that of the longest one, as the others may have only some of them. */
export function mergeServices(reports: readonly (readonly ServiceReport[])[]): ServiceReport[] {
  const [first = [], ...others] = longestFirst(reports);
  const byName = others.map((report) => new Map(report.map((service) => [service.name, service])));
  return first.map((service) =>
    byName.reduce((sum, report) => addService(sum, report.get(service.name)), service)
  );
}

/** The upstreams of all reports, in the same way. */
export function mergeUpstreamLists(reports: readonly (readonly UpstreamReport[])[]): UpstreamReport[] {
  const [first = [], ...others] = longestFirst(reports);
  const byName = others.map((report) => new Map(report.map((upstream) => [upstream.name, upstream])));
  return first.map((upstream) =>
    mergeUpstreams([upstream, ...byName.map((report) => report.get(upstream.name))])
  );
}

function longestFirst<T>(lists: readonly (readonly T[])[]): (readonly T[])[] {
  return [...lists].sort((a, b) => b.length - a.length);
}

/** One upstream, as several report it: state and weight are those of the first, which are the same everywhere. */
export function mergeUpstreams(
  [first, ...others]: readonly [UpstreamReport, ...(UpstreamReport | undefined)[]],
): UpstreamReport {
  const more = others.filter((each) => each !== undefined);
  const backends = more.map((each) => new Map(each.backends.map((backend) => [backend.key, backend])));
  return {
    ...first,
    queue: more.reduce((sum, { queue }) => addCounts(sum, queue), { ...first.queue }),
    backends: first.backends.map((backend) =>
      backends.reduce((sum, report) => addBackend(sum, report.get(backend.key)), backend)
    ),
  };
}

function addBackend(sum: BackendReport, more: BackendReport | undefined): BackendReport {
  if (more === undefined) return sum;
  return {
    ...sum,
    active: sum.active + more.active,
    total: sum.total + more.total,
    failures: sum.failures + more.failures,
    lastFailure: more.lastFailure ?? sum.lastFailure,
    pool: addCounts({ ...sum.pool }, more.pool),
    // All threads eject a backend at the same time.
    ...(more.ejections === undefined ? {} : { ejections: Math.max(more.ejections, sum.ejections ?? 0) }),
  };
}

function addService(sum: ServiceReport, more: ServiceReport | undefined): ServiceReport {
  if (more === undefined) return sum;
  const { requests } = sum;
  return {
    ...sum,
    active: sum.active + more.active,
    handshakes: sum.handshakes + more.handshakes,
    total: sum.total + more.total,
    rejected: sum.rejected + more.rejected,
    ...(more.retries === undefined ? {} : { retries: more.retries + (sum.retries ?? 0) }),
    acceptFailures: addCounts({ ...sum.acceptFailures }, more.acceptFailures),
    ended: addCounts({ ...sum.ended }, more.ended),
    bytesUp: sum.bytesUp + more.bytesUp,
    bytesDown: sum.bytesDown + more.bytesDown,
    durationSeconds: addHistogram(sum.durationSeconds, more.durationSeconds),
    connectSeconds: addHistogram(sum.connectSeconds, more.connectSeconds),
    ...(requests === undefined ? {} : { requests: addRequests(requests, more.requests) }),
  };
}

function addRequests(sum: RequestCounters, more: RequestCounters | undefined): RequestCounters {
  if (more === undefined) return sum;
  return {
    ...sum,
    active: sum.active + more.active,
    byStatus: addCounts({ ...sum.byStatus }, more.byStatus),
    byReason: addCounts({ ...sum.byReason }, more.byReason),
    retried: sum.retried + more.retried,
    durationSeconds: addHistogram(sum.durationSeconds, more.durationSeconds),
  };
}

function addHistogram(sum: HistogramSnapshot, more: HistogramSnapshot): HistogramSnapshot {
  return {
    bounds: sum.bounds,
    counts: sum.counts.map((count, index) => count + (more.counts[index] ?? 0)),
    sum: sum.sum + more.sum,
    count: sum.count + more.count,
  };
}

/** Adds numbers by their names to `sum`, which it returns. */
function addCounts<T extends object>(sum: T, more: T): T {
  const into = sum as Record<string, number>;
  for (const [name, count] of Object.entries(more as Record<string, number>)) {
    into[name] = (into[name] ?? 0) + count;
  }
  return sum;
}
