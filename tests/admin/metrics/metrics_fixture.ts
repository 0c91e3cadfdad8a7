import { type MetricsOptions, renderMetrics } from "../../../src/admin/metrics/render.ts";
import type { Status } from "../../../src/admin/status/status.ts";
import { backendStatus, FakeTarget, SMALL_STATUS } from "../fake_target.ts";

/** The memory of the programs of the tests. */
export const MEMORY = { rss: 50_000_000, heapTotal: 20_000_000, heapUsed: 15_000_000, external: 1_000_000 };

const SINCE = "2026-11-20T12:00:00.000Z";

/** A program with a value for every metric. */
export const FULL_STATUS: Status = {
  ...SMALL_STATUS,
  eventLoopDelaySeconds: { bounds: [0.001], counts: [4], sum: 0.5, count: 5 },
  workers: [{
    number: 1,
    state: "running",
    connections: 3,
    total: 10,
    eventLoopDelaySeconds: 0.002,
    heapBytes: 12_000_000,
    failures: 1,
  }],
  services: [{
    name: "web",
    listeners: ["127.0.0.1:80"],
    upstream: "app",
    upstreams: ["app"],
    active: 3,
    handshakes: 1,
    total: 10,
    rejected: 6,
    retries: 2,
    acceptFailures: { reset: 5, descriptors: 6, other: 7 },
    refused: { "refused-by-deny": 4, "tls-expired": 2 },
    ended: { "client-closed": 5 },
    bytesUp: 1000,
    bytesDown: 2 ** 40,
    durationSeconds: { bounds: [0.5, 60], counts: [2, 6], sum: 100.25, count: 7 },
    connectSeconds: { bounds: [0.001], counts: [4], sum: 0.5, count: 5 },
    requests: {
      active: 2,
      byStatus: { "2xx": 7, none: 1 },
      byReason: { ok: 7, "client-closed": 1 },
      retried: 1,
      durationSeconds: { bounds: [0.001], counts: [4], sum: 0.5, count: 8 },
    },
  }],
  upstreams: [{
    name: "app",
    balance: "round-robin",
    available: 1,
    queue: { waiting: 1, queued: 2, full: 3, timedOut: 4 },
    backends: [
      {
        ...backendStatus("10.0.0.1:80"),
        state: "up",
        weight: 4,
        effectiveWeight: 2.5,
        maxConnections: 100,
        active: 2,
        total: 7,
        pool: { idle: 8, waiting: 1, waits: 3 },
        check: {
          type: "tls",
          lastAt: "2026-11-20T12:00:01.500Z",
          ok: true,
          inARow: 1,
          flips: 2,
          certificateValidTo: "2027-01-01T00:00:00.000Z",
        },
      },
      {
        ...backendStatus("[::1]:80"),
        state: "ejected",
        effectiveWeight: 0,
        failures: 5,
        ejections: 3,
        pool: { idle: 1, waiting: 0, waits: 0 },
        ejectedUntil: "2026-11-20T12:00:30.000Z",
      },
      { ...backendStatus("10.0.0.3:80"), state: "drained", effectiveWeight: 0 },
    ],
    checkSeconds: { bounds: [0.001], counts: [1], sum: 0.5, count: 2 },
    discovery: [{
      name: "dns A app.internal",
      state: "failing",
      since: SINCE,
      lastSetAt: SINCE,
      size: 2,
      failures: 4,
    }],
  }],
  certificates: [{
    path: "/etc/web.pem",
    usedBy: ["service web", "service more"],
    subject: "CN=web",
    notBefore: SINCE,
    notAfter: "2027-01-01T00:00:00.000Z",
  }],
  crls: [{
    path: "/etc/ca.crl",
    usedBy: ["service web"],
    issuer: "CN=CA",
    thisUpdate: SINCE,
    nextUpdate: "2026-11-21T12:00:00.000Z",
    usable: true,
  }],
};

/** A name with every character that must be escaped. */
export const DIFFICULT = 'a "quoted" \\ back\\nslash\nand {braces}, ü = 1';

/** A program in which every name must be escaped. */
export function difficultStatus(): Status {
  const [service] = FULL_STATUS.services;
  const [upstream] = FULL_STATUS.upstreams;
  const [source] = upstream!.discovery!;
  return {
    ...FULL_STATUS,
    version: DIFFICULT,
    services: [{ ...service!, name: DIFFICULT, refused: { [DIFFICULT]: 1 } }],
    upstreams: [{
      ...upstream!,
      name: DIFFICULT,
      backends: [{ ...upstream!.backends[0]!, address: `unix:/${DIFFICULT}` }],
      discovery: [{ ...source!, name: DIFFICULT }],
    }],
    certificates: [{ ...FULL_STATUS.certificates[0]!, path: DIFFICULT, usedBy: [DIFFICULT] }],
    crls: [{ ...FULL_STATUS.crls[0]!, path: DIFFICULT, issuer: DIFFICULT }],
  };
}

/** The metrics of a program with this status, ready and with the memory and processor time of the tests. */
export async function metricsText(status: Status, options: MetricsOptions = {}): Promise<string> {
  const usage = { memory: () => MEMORY, cpuSeconds: () => 12.5 };
  const bytes = await renderMetrics({ status, ready: true }, { ...usage, ...options });
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

/** A program with this status. */
export function targetWith(document: Status): FakeTarget {
  const target = new FakeTarget();
  target.document = document;
  return target;
}
