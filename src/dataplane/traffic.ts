import type { HistogramSnapshot } from "../core/histogram.ts";
import { isFailure } from "../service/failures.ts";
import { isRefusal, type Reason } from "../service/reason.ts";
import type { HostedService } from "./hosted_service.ts";

/** What all services together have done, as of one moment. Counters are since the start of the services that run. */
export interface TrafficReport {
  /** Admitted connections that are open. */
  readonly active: number;
  /** Admitted connections. */
  readonly connections: number;
  /** Connections that were refused. */
  readonly refused: number;
  /** Admitted connections that failed, and requests that failed. */
  readonly failed: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Requests that have ended. */
  readonly requests: number;
  /** Time until a backend was connected, of all services. */
  readonly connectSeconds: HistogramSnapshot;
  /** Duration of requests; absent: no service serves requests. */
  readonly requestSeconds?: HistogramSnapshot;
}

/** Adds up what these services have done. */
export function reportTraffic(services: Iterable<HostedService>): TrafficReport {
  const sum = { active: 0, connections: 0, refused: 0, failed: 0, bytesUp: 0, bytesDown: 0, requests: 0 };
  const connects: HistogramSnapshot[] = [];
  const durations: HistogramSnapshot[] = [];
  for (const { service, requests } of services) {
    const counters = service.counters;
    sum.active += counters.active;
    sum.connections += counters.total;
    sum.refused += counters.rejected;
    sum.failed += failuresIn(counters.ended) - refusalsIn(counters.ended);
    sum.bytesUp += counters.bytesUp;
    sum.bytesDown += counters.bytesDown;
    connects.push(counters.connectSeconds);
    if (requests === undefined) continue;
    sum.requests += requests.durationSeconds.count;
    sum.failed += failuresIn(requests.byReason);
    durations.push(requests.durationSeconds);
  }
  const requestSeconds = durations.length === 0 ? {} : { requestSeconds: addHistograms(durations) };
  return { ...sum, connectSeconds: addHistograms(connects), ...requestSeconds };
}

/** Adds up the reports of several data planes. */
export function addTraffic(reports: readonly TrafficReport[]): TrafficReport {
  const sum = (key: "active" | "connections" | "refused" | "failed" | "bytesUp" | "bytesDown" | "requests") =>
    reports.reduce((total, report) => total + report[key], 0);
  const durations = reports.flatMap(({ requestSeconds }) => requestSeconds ?? []);
  return {
    active: sum("active"),
    connections: sum("connections"),
    refused: sum("refused"),
    failed: sum("failed"),
    bytesUp: sum("bytesUp"),
    bytesDown: sum("bytesDown"),
    requests: sum("requests"),
    connectSeconds: addHistograms(reports.map(({ connectSeconds }) => connectSeconds)),
    ...(durations.length === 0 ? {} : { requestSeconds: addHistograms(durations) }),
  };
}

/** Adds up histograms with the same bounds. Without any, the result has no bounds. */
function addHistograms(histograms: readonly HistogramSnapshot[]): HistogramSnapshot {
  const { bounds = [] } = histograms[0] ?? {};
  const counts = bounds.map((_, index) => histograms.reduce((sum, { counts }) => sum + counts[index]!, 0));
  return {
    bounds,
    counts,
    sum: histograms.reduce((total, { sum }) => total + sum, 0),
    count: histograms.reduce((total, { count }) => total + count, 0),
  };
}

type Counts = Readonly<Partial<Record<string, number>>>;

function failuresIn(counts: Counts): number {
  return countIf(counts, isFailure);
}

/** They are counted apart. */
function refusalsIn(counts: Counts): number {
  return countIf(counts, (reason) => isRefusal(reason as Reason));
}

function countIf(counts: Counts, isCounted: (reason: string) => boolean): number {
  let total = 0;
  for (const reason in counts) if (isCounted(reason)) total += counts[reason]!;
  return total;
}
