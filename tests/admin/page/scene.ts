import type { LiveState } from "../../../src/admin/live/live_state.ts";
import type { ServiceStatus } from "../../../src/admin/status/service.ts";
import type { Status } from "../../../src/admin/status/status.ts";
import type { BackendStatus, UpstreamStatus } from "../../../src/admin/status/upstream.ts";
import type { SessionQuery, SessionsReport } from "../../../src/dataplane/open_sessions.ts";
import type { TrafficReport } from "../../../src/dataplane/traffic.ts";
import type { FailureReport } from "../../../src/service/failures.ts";
import type { SessionReport } from "../../../src/service/live_session.ts";
import { backendStatus, FakeTarget, SMALL_STATUS } from "../fake_target.ts";

/** A name that does harm where it is taken for markup. */
export const HOSTILE =
  `"><img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;

const DAY_MS = 86_400_000;
const CONNECT_BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

/** A program with something of everything, which changes with each second that passes. */
export class SceneTarget extends FakeTarget {
  #sessions: readonly SessionReport[] = [];
  /** What the next order is refused with; absent: none is. */
  seconds = 0;

  /** Open connections, of which the query's limit is listed. */
  set sessions(sessions: readonly SessionReport[]) {
    this.#sessions = sessions;
  }

  override connections(query: SessionQuery): Promise<SessionsReport> {
    this.calls.push(["connections", query]);
    const { search = "", order = "age", descending = false, limit = 500 } = query;
    const found = this.#sessions.filter((each) => JSON.stringify(each).includes(search));
    const key = (each: SessionReport) =>
      order === "bytes" ? each.bytesUp + each.bytesDown : order === "age" ? each.ageMs : each.client;
    found.sort((a, b) => (key(a) < key(b) ? -1 : 1) * (descending ? -1 : 1));
    return Promise.resolve({
      total: this.#sessions.length,
      matched: found.length,
      sessions: found.slice(0, limit),
    });
  }

  override async live(): Promise<LiveState> {
    const state = await super.live();
    const { reload } = this.document;
    const refused: LiveState["reloads"][number] = {
      ...reload,
      ...{ generation: 2, ok: false, why: "the file has changed", at: agoIso(3600_000) },
      error: { code: "bad_config", message: "1 problem" },
      problems: [{
        ...{ kind: "unknown_key", path: "services[0].lisen", value: "[…]", line: 12 },
        ...{ expected: "one of listen, name, upstream", nearest: "listen" },
      }],
    };
    return {
      ...state,
      reloads: [reload, refused, { ...reload, generation: 1, why: "start", at: agoIso(DAY_MS) }],
    };
  }
}

/** A program that is busy, with backends in every state. */
export function busyScene(): SceneTarget {
  const target = new SceneTarget();
  target.document = busyStatus(0);
  target.readiness = { ready: true, reasons: [] };
  target.failures = busyFailures();
  target.sessions = Array.from({ length: 40 }, (_, index) => session(index));
  fillHistory(target, { seconds: 600, perSecond: 120 });
  return target;
}

/** A program in trouble: not ready, with names that are meant to do harm. */
export function hostileScene(): SceneTarget {
  const target = busyScene();
  const { upstreams, certificates, reload } = target.document;
  const down = upstreams[0]!.backends.map((each) => ({ ...each, state: "down" as const, why: HOSTILE }));
  target.document = {
    ...target.document,
    upstreams: [{ ...upstreams[0]!, available: 0, backends: down }, ...upstreams.slice(1)],
    certificates: certificates.map((each) => ({
      ...each,
      subject: HOSTILE,
      path: HOSTILE,
      usedBy: [HOSTILE],
    })),
    reload: { ...reload, ok: false, why: HOSTILE, error: { code: "bad_config", message: HOSTILE } },
  };
  target.readiness = { ready: false, reasons: [`upstream db: no backend is available (${HOSTILE})`] };
  target.failures = [{
    ...{ at: Date.now() - 5000, service: HOSTILE, client: HOSTILE, identity: HOSTILE, backend: HOSTILE },
    ...{ reason: "tls-not-allowed", error: HOSTILE },
    request: { method: "GET", path: `/${HOSTILE}`, status: 502 },
  }];
  target.sessions = [{
    ...session(0),
    ...{ client: HOSTILE, identity: HOSTILE, serverName: HOSTILE, backend: HOSTILE, service: HOSTILE },
    request: { method: "GET", host: HOSTILE, path: HOSTILE },
  }];
  return target;
}

/** A program with an upstream of so many backends. */
export function largeScene(count: number): SceneTarget {
  const target = busyScene();
  const backends = Array.from({ length: count }, (_, index) => ({
    ...backend(`10.1.${index >> 8}.${index & 255}:8080`, index % 97 === 5 ? "down" : "up", index),
    active: index % 7,
  }));
  const fleet = upstream("fleet", backends);
  target.document = { ...target.document, upstreams: [...target.document.upstreams, fleet] };
  return target;
}

/** The status of a busy program after so many seconds. */
export function busyStatus(seconds: number): Status {
  const db = upstream("db", [
    backend("10.0.0.11:5432", "up", 420 + 31 * seconds),
    { ...backend("10.0.0.12:5432", "up", 391 + 28 * seconds), weight: 5, effectiveWeight: 2.5 },
    {
      ...backend("10.0.0.13:5432", "down", 77),
      ...{ why: "Cannot dial 10.0.0.13:5432: connection refused", failures: 12 },
    },
  ]);
  const app = upstream("app", [
    backend("app-1.internal:8080", "up", 9000 + 44 * seconds),
    backend("app-2.internal:8080", "up", 8800 + 42 * seconds),
    { ...backend("app-3.internal:8080", "ejected", 410), why: "5 failures in a row", failures: 5 },
    { ...backend("app-4.internal:8080", "drained", 100), why: "drained by hand", active: 2 },
    { ...backend("app-5.internal:8080", "unknown", 0), why: "not checked yet", backup: true },
  ]);
  return {
    ...SMALL_STATUS,
    version: "0.1.0",
    pid: 4711,
    startedAt: agoIso(3 * DAY_MS + 4 * 3_600_000),
    reload: { ...SMALL_STATUS.reload, generation: 2, why: "SIGHUP", at: agoIso(600_000) },
    services: [
      service("postgres", { listeners: ["0.0.0.0:5432"], upstreams: ["db"], total: 900 + 59 * seconds }),
      {
        ...service("web", {
          listeners: ["0.0.0.0:443"],
          upstreams: ["app", "db"],
          total: 12_000 + 20 * seconds,
        }),
        requests: {
          ...{ active: 7, byStatus: {}, retried: 0, byReason: { ok: 18_000, "response-timeout": 3 } },
          durationSeconds: {
            bounds: [1],
            counts: [18_000 + 86 * seconds],
            sum: 1,
            count: 18_000 + 86 * seconds,
          },
        },
      },
    ],
    upstreams: [db, app],
    certificates: [
      certificate("CN=www.example.org", "/etc/culvert/web.pem", ["service web"], 211),
      certificate("CN=db.example.org", "/etc/culvert/db.pem", ["service postgres"], 19),
      certificate("CN=proxy.internal", "/etc/culvert/client.pem", ["upstream db"], 3),
    ],
    crls: [{
      ...{ path: "/etc/culvert/ca.crl", usedBy: ["service postgres"], issuer: "CN=Clients CA", usable: true },
      ...{ thisUpdate: agoIso(3 * DAY_MS), nextUpdate: agoIso(-4 * DAY_MS) },
    }],
  };
}

/** What a busy program has carried in the last seconds. */
export function fillHistory(
  target: FakeTarget,
  { seconds, perSecond }: { seconds: number; perSecond: number },
): void {
  const sum = { active: 40, connections: 0, refused: 0, failed: 0, bytesUp: 0, bytesDown: 0, requests: 0 };
  const connects = CONNECT_BOUNDS.map(() => 0);
  const requests = CONNECT_BOUNDS.map(() => 0);
  const nowMs = Date.now();
  for (let second = seconds; second >= 0; second--) {
    const wave = 1 + 0.35 * Math.sin(second / 40) + 0.12 * Math.sin(second / 3.1) +
      0.08 * Math.sin(second * 7.7);
    const count = Math.round(perSecond * wave);
    sum.connections += count;
    sum.requests += Math.round(count * 1.7);
    sum.bytesUp += Math.round(count * 2600 * wave);
    sum.bytesDown += Math.round(count * 61_000 * wave);
    if (second % 47 < 6) sum.refused += Math.round(perSecond / 20);
    if (second % 111 < 4) sum.failed += Math.round(perSecond / 40);
    observe(connects, { count, medianMs: 1.1 * wave });
    observe(requests, { count, medianMs: 14 * wave });
    target.history.add(
      {
        ...sum,
        connectSeconds: histogram(connects),
        requestSeconds: histogram(requests),
      } satisfies TrafficReport,
      nowMs - 1000 * second,
    );
  }
}

function observe(counts: number[], { count, medianMs }: { count: number; medianMs: number }): void {
  for (const [index, bound] of CONNECT_BOUNDS.entries()) {
    counts[index]! += Math.round(count * (1 - 1 / (1 + (bound * 1000 / medianMs) ** 2)));
  }
}

function histogram(counts: readonly number[]): TrafficReport["connectSeconds"] {
  return { bounds: CONNECT_BOUNDS, counts: [...counts], sum: 1, count: counts.at(-1)! };
}

function backend(address: string, state: BackendStatus["state"], total: number): BackendStatus {
  return {
    ...backendStatus(address),
    ...{ state, total, since: agoIso(1000 * (total + 60)), active: state === "up" ? total % 30 : 0 },
    ...(state === "up" ? {} : { effectiveWeight: 0 }),
  };
}

function upstream(name: string, backends: readonly BackendStatus[]): UpstreamStatus {
  const available = backends.filter(({ state }) => state === "up" || state === "unknown").length;
  const queue = { waiting: 0, queued: 0, full: 0, timedOut: 0 };
  return { name, balance: "round-robin", available, queue, backends };
}

function service(
  name: string,
  { listeners, upstreams, total }: { listeners: string[]; upstreams: string[]; total: number },
): ServiceStatus {
  const none = { bounds: [1], counts: [0], sum: 0, count: 0 };
  return {
    ...{
      name,
      listeners,
      upstreams,
      upstream: upstreams[0]!,
      total,
      active: 34,
      handshakes: 1,
      rejected: 16,
    },
    ...{ refused: { "tls-not-allowed": 9, "refused-by-rate": 7 }, ended: { "client-closed": total } },
    acceptFailures: { reset: 0, descriptors: 0, other: 0 },
    ...{ bytesUp: 2600 * total, bytesDown: 61_000 * total, durationSeconds: none, connectSeconds: none },
  };
}

function certificate(subject: string, path: string, usedBy: string[], days: number) {
  const notAfter = agoIso(-days * DAY_MS - 3_600_000);
  return { subject, path, usedBy, notBefore: agoIso(90 * DAY_MS), notAfter };
}

function busyFailures(): FailureReport[] {
  const at = Date.now();
  const tls = Array.from({ length: 9 }, (_, index): FailureReport => ({
    ...{ at: at - 4000 * index, service: "postgres", client: `203.0.113.${index + 4}:4${index}112` },
    ...{ identity: "CN=reports", reason: "tls-not-allowed", error: "no rule allows CN=reports" },
  }));
  return [
    {
      ...{ at: at - 1200, service: "postgres", client: "192.0.2.44:50112", backend: "10.0.0.13:5432" },
      ...{ reason: "connect-failed", error: 'Cannot dial "10.0.0.13:5432": connection refused' },
    },
    ...tls,
    {
      ...{ at: at - 81_000, service: "web", client: "198.51.100.7", backend: "app-3.internal:8080" },
      ...{ reason: "response-timeout", request: { method: "GET", path: "/reports/annual", status: 504 } },
      error: "Cannot receive the response: its head did not come within 30000ms",
    },
  ];
}

/** An open connection. */
export function session(index: number): SessionReport {
  const isWeb = index % 3 === 0;
  return {
    id: String(index + 1),
    service: isWeb ? "web" : "postgres",
    client: `192.0.2.${index + 10}:5${String(index).padStart(4, "0")}`,
    listener: isWeb ? "0.0.0.0:443" : "0.0.0.0:5432",
    ...(isWeb ? { serverName: "www.example.org" } : { identity: `CN=worker-${index % 5},OU=reports` }),
    backend: isWeb ? `app-${1 + index % 2}.internal:8080` : `10.0.0.1${1 + index % 2}:5432`,
    ...(isWeb && index % 2 === 0
      ? { request: { method: "GET", host: "www.example.org", path: `/reports/${index}` } }
      : {}),
    state: isWeb && index % 2 === 1 ? "idle" : "open",
    ageMs: 900 * (index + 1) ** 2,
    bytesUp: 1840 * (index + 1),
    bytesDown: 90_311 * (index + 1) * (index % 4 + 1),
  };
}

function agoIso(ms: number): string {
  return new Date(Date.now() - ms).toISOString();
}
