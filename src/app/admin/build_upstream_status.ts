import type {
  BackendStatus,
  CheckStatus,
  DiscoveryStatus,
  UpstreamStatus,
} from "../../admin/status/upstream.ts";
import type { Clock } from "../../core/clock.ts";
import { isoTime } from "../../core/iso_time.ts";
import type { Steps } from "../../core/slices.ts";
import type { BackendReport, UpstreamReport } from "../../dataplane/report.ts";
import type { Health } from "../../upstream/check/health.ts";
import type { SourceStatus } from "../../upstream/discover/source_run.ts";
import type { ManagedUpstream } from "../upstreams/managed_upstream.ts";

/** What the control side knows of an upstream. */
export type UpstreamControl = Pick<
  ManagedUpstream,
  "sources" | "health" | "healthOptions" | "checkDurations"
>;

/** An upstream as the admin API shows it: what the data plane reports, with discovery and checks. */
export function* buildUpstreamStatus(
  report: UpstreamReport,
  { control, clock }: { control: UpstreamControl | undefined; clock: Clock },
): Steps<UpstreamStatus> {
  const { name, balance, available, queue } = report;
  const { sources, checkDurations: checkSeconds } = control ?? {};
  const backends: BackendStatus[] = [];
  for (const backend of report.backends) {
    backends.push(buildBackendStatus(backend, control));
    yield;
  }
  return {
    name,
    balance,
    available,
    queue,
    backends,
    ...(checkSeconds === undefined ? {} : { checkSeconds }),
    ...(sources === undefined ? {} : { discovery: sources.map((source) => sourceStatus(source, clock)) }),
  };
}

/** A backend as the admin API shows it. */
export function buildBackendStatus(
  report: BackendReport,
  control: UpstreamControl | undefined,
): BackendStatus {
  const { key, state, stateSince, ejectedForMs, pool, lastFailure: _, disabled: __, ...counts } = report;
  const health = control?.health(key);
  const why = whyOf(report, health);
  return {
    address: key,
    state,
    ...(why === undefined ? {} : { why }),
    since: isoTime(stateSince),
    ...counts,
    pool,
    ...(ejectedForMs === undefined ? {} : { ejectedUntil: isoTime(Date.now() + ejectedForMs) }),
    ...(health === undefined ? {} : { check: checkStatus(health, control!.healthOptions!.type) }),
  };
}

function whyOf(
  { state, disabled, lastFailure }: BackendReport,
  health: Health | undefined,
): string | undefined {
  switch (state) {
    case "drained":
      return disabled ? "drained by hand" : "its weight is 0";
    case "down":
      return health?.lastBad?.detail;
    case "ejected":
      return lastFailure ?? "connections were reset before any byte came";
    case "unknown":
      return "not checked yet";
    case "up":
      return undefined;
  }
}

function checkStatus(health: Health, type: string): CheckStatus {
  const { last, lastGood, lastBad, inARow, flips } = health;
  const validTo = lastGood?.certificateValidTo;
  return {
    type,
    ...(last === undefined ? {} : { lastAt: isoTime(last.at), ok: last.ok, detail: last.detail }),
    ...(lastGood === undefined ? {} : { goodAt: isoTime(lastGood.at) }),
    ...(lastBad === undefined ? {} : { badAt: isoTime(lastBad.at) }),
    inARow,
    flips,
    ...(validTo === undefined ? {} : { certificateValidTo: validTo.toISOString() }),
  };
}

function sourceStatus(
  { name, state, sinceMs, error, lastSetAtMs, size, failures }: SourceStatus,
  clock: Clock,
): DiscoveryStatus {
  const at = (ms: number) => isoTime(Date.now() - (clock.now() - ms));
  return {
    name,
    state: state === "good" ? "ok" : state,
    since: at(sinceMs),
    ...(error === undefined ? {} : { error }),
    ...(lastSetAtMs === undefined ? {} : { lastSetAt: at(lastSetAtMs) }),
    size,
    failures,
  };
}
