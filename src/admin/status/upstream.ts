import * as v from "valibot";
import type { BackendState } from "../../upstream/backend.ts";
import { amount, count, field, histogram, list, object, optional, text, time } from "./fields.ts";

/** The states of a backend. If several hold, the first one counts. */
export const BACKEND_STATES = [
  "drained",
  "down",
  "ejected",
  "unknown",
  "up",
] as const satisfies readonly BackendState[];

const check = object({
  type: field(text, "`tcp`, `half-open`, `tls`, `http` or `script`"),
  lastAt: optional(
    time,
    "When the last health check ended; absent, like `ok` and `detail`, before the first one",
  ),
  ok: optional(v.boolean(), "Whether it succeeded"),
  detail: optional(v.string(), "Its result or error"),
  goodAt: optional(time, "When the last successful health check ended"),
  badAt: optional(time, "When the last failed health check ended"),
  inARow: field(count, "Number of consecutive health checks with the last result"),
  flips: field(count, "Number of transitions between up and down"),
  certificateValidTo: optional(time, "When the certificate that the backend presented expires"),
});

const pool = object({
  idle: field(count, "Idle connections"),
  waiting: field(count, "Clients that wait for a connection because `pool.maxOpen` is reached"),
  waits: field(count, "Clients that have had to wait"),
});

/** The schema of one backend, which `PUT …/backends` (a list of them), `…/drain` and `…/enable` answer with. */
export const backendSchema = object({
  address: field(text, "Address, unique within the upstream"),
  state: field(
    v.picklist(BACKEND_STATES),
    "`drained`, `down`, `ejected`, `unknown` (not checked yet) or `up`: the first that applies",
  ),
  why: optional(text, "Reason for the state; absent if the state needs none"),
  since: field(time, "When it entered the state"),
  weight: field(count, "Configured weight"),
  effectiveWeight: field(amount, "Current weight: lower during slow start, 0 without new connections"),
  maxConnections: field(count, "Maximum number of connections; 0: unlimited"),
  backup: field(v.boolean(), "Whether it is used only if no other backend is available"),
  active: field(count, "Connections that are in use or being established"),
  total: field(count, "Client connections that were assigned to it"),
  failures: field(count, "Failed attempts to connect"),
  pool: field(pool, "Connection pool"),
  ejections: optional(count, "How often it was ejected; absent: never"),
  ejectedUntil: optional(time, "When the ejection ends; only while it is ejected"),
  check: optional(check, "Health checks; absent if there are none"),
});

const discovery = object({
  name: field(text, "What is queried, such as `dns db.internal A`"),
  state: field(
    v.picklist(["waiting", "ok", "failing", "ended"]),
    "`waiting` (no answer yet), `ok`, `failing` (the last set is kept), `ended` (the last set is final)",
  ),
  since: field(time, "When it entered the state"),
  error: optional(text, "Why the query failed; only while it is failing"),
  lastSetAt: optional(time, "When it last returned a set of backends, whether or not the set had changed"),
  size: field(count, "Number of backends in the last set"),
  failures: field(count, "Failed queries"),
});

const queue = object({
  waiting: field(count, "Connections in the queue"),
  queued: field(count, "Connections that were put into the queue"),
  full: field(count, "Connections refused because `queue.max` was reached"),
  timedOut: field(count, "Connections refused after `queue.timeout`"),
});

/** The schema of one upstream. */
export const upstreamSchema = object({
  name: field(text, "Name of the upstream"),
  balance: field(text, "Balancing algorithm, such as `round-robin`"),
  available: field(count, "Backends that a new connection can be assigned to"),
  queue: field(
    queue,
    "Queue of connections while every backend is at its `maxConnections`",
  ),
  backends: field(list(backendSchema), "Backends, in the order of the set"),
  checkSeconds: optional(
    histogram,
    "Histogram of the duration of health checks; absent if there are none",
  ),
  discovery: optional(list(discovery), "Sources of backends; absent if all are configured"),
});

/** One backend of an upstream. */
export interface BackendStatus extends v.InferOutput<typeof backendSchema> {}
/** The health checks of one backend. */
export interface CheckStatus extends v.InferOutput<typeof check> {}
/** One source of backends. */
export interface DiscoveryStatus extends v.InferOutput<typeof discovery> {}
/** One upstream. */
export interface UpstreamStatus extends v.InferOutput<typeof upstreamSchema> {}
