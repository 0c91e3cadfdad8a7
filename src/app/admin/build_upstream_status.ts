import type {
  BackendStatus,
  CheckStatus,
  DiscoveryStatus,
  UpstreamStatus,
} from "../../admin/status/upstream.ts";
import type { Clock } from "../../core/clock.ts";
import { isoTime } from "../../core/iso_time.ts";
import type { Backend } from "../../upstream/backend.ts";
import type { SourceStatus } from "../../upstream/discover/source_run.ts";
import type { Upstream } from "../../upstream/upstream.ts";
import type { ManagedUpstream } from "../upstreams/managed_upstream.ts";

/** An upstream as the admin API shows it. */
export function upstreamStatus({ upstream, sources }: ManagedUpstream, clock: Clock): UpstreamStatus {
  const { name, backends, options } = upstream;
  return {
    name,
    balance: options.balance,
    available: backends.filter(({ available }) => available).length,
    queue: upstream.queue,
    backends: backends.map((backend) => backendStatus(backend, upstream)),
    ...(sources === undefined ? {} : { discovery: sources.map((source) => sourceStatus(source, clock)) }),
  };
}

/** A backend as the admin API shows it. */
export function backendStatus(backend: Backend, upstream: Upstream): BackendStatus {
  const { key, state, spec, weight, active, total, failures, stateSince } = backend;
  const why = whyOf(backend);
  const ejectedForMs = upstream.ejectedForMs(backend);
  const { health } = upstream.options;
  const { idle, waiting, waits } = backend.pool.stats;
  const takes = state === "up" || state === "unknown";
  return {
    address: key,
    state,
    ...(why === undefined ? {} : { why }),
    since: isoTime(stateSince),
    weight: spec.weight,
    effectiveWeight: takes ? weight : 0,
    maxConnections: spec.maxConnections,
    backup: spec.backup,
    active,
    total,
    failures,
    pool: { idle, waiting, waits },
    ...(ejectedForMs === undefined ? {} : { ejectedUntil: isoTime(Date.now() + ejectedForMs) }),
    ...(health === undefined ? {} : { check: checkStatus(backend, health.type) }),
  };
}

function whyOf({ state, disabled, health, lastFailure }: Backend): string | undefined {
  switch (state) {
    case "drained":
      return disabled ? "drained by hand" : "its weight is 0";
    case "down":
      return health.lastBad?.detail;
    case "ejected":
      return lastFailure ?? "connections were reset before any byte came";
    case "unknown":
      return "not checked yet";
    case "up":
      return undefined;
  }
}

function checkStatus({ health }: Backend, type: string): CheckStatus {
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
