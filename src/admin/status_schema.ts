import * as v from "valibot";

/** Times as `Date.toISOString` writes them. */
const time = v.pipe(v.string(), v.check(isTime, "a time such as 2026-11-20T12:00:00.000Z"));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.pipe(v.string(), v.nonEmpty());
const counts = v.record(text, count);
const maybe = v.exactOptional;

const problem = v.strictObject({
  kind: v.picklist(["syntax", "unknown_key", "missing", "bad_value", "bad_file", "more"]),
  path: v.string(),
  value: maybe(v.string()),
  expected: v.string(),
  nearest: maybe(v.string()),
  line: maybe(count),
  column: maybe(count),
});

const reload = v.strictObject({
  generation: v.pipe(count, v.minValue(1)),
  appliedAt: time,
  at: time,
  ok: v.boolean(),
  why: text,
  error: maybe(v.strictObject({ code: text, message: text })),
  problems: maybe(v.pipe(v.array(problem), v.nonEmpty())),
});

const seconds = v.pipe(v.number(), v.finite(), v.minValue(0));

const histogram = v.strictObject({
  bounds: v.array(seconds),
  counts: v.array(count),
  sum: seconds,
  count,
});

const service = v.strictObject({
  name: text,
  listeners: v.array(text),
  upstream: maybe(text),
  active: count,
  handshakes: count,
  total: count,
  rejected: count,
  refused: counts,
  acceptFailures: v.strictObject({ reset: count, descriptors: count, other: count }),
  ended: counts,
  bytesUp: count,
  bytesDown: count,
  durationSeconds: histogram,
  connectSeconds: histogram,
});

const check = v.strictObject({
  type: text,
  lastAt: maybe(time),
  ok: maybe(v.boolean()),
  detail: maybe(v.string()),
  goodAt: maybe(time),
  badAt: maybe(time),
  inARow: count,
  flips: count,
  certificateValidTo: maybe(time),
});

const pool = v.strictObject({ idle: count, waiting: count, waits: count });

const backend = v.strictObject({
  address: text,
  state: v.picklist(["drained", "down", "ejected", "unknown", "up"]),
  why: maybe(text),
  since: time,
  weight: count,
  effectiveWeight: v.pipe(v.number(), v.finite(), v.minValue(0)),
  maxConnections: count,
  backup: v.boolean(),
  active: count,
  total: count,
  failures: count,
  pool,
  ejectedUntil: maybe(time),
  check: maybe(check),
});

const discovery = v.strictObject({
  name: text,
  state: v.picklist(["waiting", "ok", "failing", "ended"]),
  since: time,
  error: maybe(text),
  lastSetAt: maybe(time),
  size: count,
  failures: count,
});

const upstream = v.strictObject({
  name: text,
  balance: text,
  available: count,
  queue: v.strictObject({ waiting: count, queued: count, full: count, timedOut: count }),
  backends: v.array(backend),
  discovery: maybe(v.array(discovery)),
});

const certificate = v.strictObject({
  path: text,
  usedBy: v.array(text),
  subject: v.string(),
  notBefore: time,
  notAfter: time,
});

const crl = v.strictObject({
  path: text,
  usedBy: v.array(text),
  issuer: maybe(v.string()),
  thisUpdate: maybe(time),
  nextUpdate: maybe(time),
  usable: v.boolean(),
  problem: maybe(text),
});

/**
 * The stated schema of `GET /api/status`: exactly these keys, of these types. What the program sends passes it; it is
 * for tests, and for clients that want to be sure. A later version may add keys. Says the same as {@linkcode Status}.
 */
export const statusSchema = v.strictObject({
  version: text,
  pid: maybe(v.pipe(count, v.minValue(1))),
  state: v.picklist(["starting", "ready", "draining", "stopped"]),
  startedAt: time,
  uptimeSeconds: seconds,
  reload,
  services: v.array(service),
  upstreams: v.array(upstream),
  certificates: v.array(certificate),
  crls: v.array(crl),
});

/** The schema of a backend by itself, as `PUT …/backends` (a list of them), `…/drain` and `…/enable` answer. */
export const backendStatusSchema = backend;

function isTime(text: string): boolean {
  const ms = Date.parse(text);
  return !Number.isNaN(ms) && new Date(ms).toISOString() === text;
}
