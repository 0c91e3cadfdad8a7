import * as v from "valibot";
import { formatDuration } from "../../core/units.ts";
import { requireHost, requireMethod, requirePath } from "../../upstream/check/http_check_request.ts";
import { DEFAULT_HEALTH } from "../../upstream/check/options.ts";
import { compileScript, type ScriptStep } from "../../upstream/check/script_steps.ts";
import { parseStatusRanges } from "../../upstream/check/status_ranges.ts";
import { DEFAULT_MAX_USES, DEFAULT_POOL } from "../../upstream/pool/options.ts";
import { DEFAULT_OUTLIER, DEFAULT_QUEUE, DEFAULT_RETRIES } from "../../upstream/options.ts";
import {
  backendAddress,
  choice,
  count,
  duration,
  type Field,
  file,
  filledList,
  flag,
  host,
  list,
  mapping,
  percentage,
  protocol,
  readWith,
  starttls,
  tlsVersion,
} from "./fields.ts";
import { discover } from "./discover_schema.ts";
import { rules } from "./rule_fields.ts";
import { proxyProtocol } from "./proxy_schema.ts";

const BALANCERS = ["round-robin", "least-connections", "random-two-choices", "source-hash", "first"] as const;
const CHECKS = ["none", "tcp", "half-open", "tls", "http", "script"] as const;

const backendMapping = mapping({
  address: backendAddress(),
  weight: v.optional(count({ max: 65_535 }), 1),
  maxConnections: v.optional(count(), 0),
  backup: v.optional(flag(), false),
}, "a backend: its address, or a mapping with that");

/** One backend. An address alone stands for one with the defaults. */
export const backend: Field<v.InferOutput<typeof backendMapping>> = v.lazy((input) =>
  typeof input === "string"
    ? v.pipe(
      backendAddress(),
      v.transform((address) => ({ address, weight: 1, maxConnections: 0, backup: false })),
    )
    : backendMapping
);

const pool = mapping({
  maxIdle: v.optional(count(), DEFAULT_POOL.maxIdle),
  minIdle: v.optional(count(), DEFAULT_POOL.minIdle),
  maxOpen: v.optional(count(), DEFAULT_POOL.maxOpen),
  idleTimeout: v.optional(duration({ zero: true }), formatDuration(DEFAULT_POOL.idleTimeoutMs)),
  maxUses: v.optional(count(), DEFAULT_MAX_USES),
}, "a mapping of pool settings");

/** The TLS that is spoken with backends. */
export const upstreamTls = mapping({
  ca: v.exactOptional(file()),
  cert: v.exactOptional(file()),
  key: v.exactOptional(file()),
  serverName: v.exactOptional(host()),
  minVersion: v.optional(tlsVersion(), "1.2"),
  maxVersion: v.optional(tlsVersion(), "1.3"),
  alpn: v.optional(list(protocol(), "a list of protocols"), []),
  starttls: v.exactOptional(starttls()),
  verify: v.optional(flag(), true),
  allow: v.exactOptional(rules()),
}, "a mapping of TLS settings");

/** A text that `check` takes. */
function text(check: (value: string) => unknown, message: string): Field<string> {
  return readWith((input) => {
    if (typeof input !== "string") return undefined;
    check(input);
    return input;
  }, message);
}

const httpCheck = mapping({
  method: v.optional(text(requireMethod, "an HTTP method such as GET"), "GET"),
  path: v.optional(text(requirePath, "a path that begins with /"), "/"),
  host: v.exactOptional(text(requireHost, "what is sent as Host")),
  expect: v.optional(text(parseStatusRanges, 'status codes such as "200-399" or "200,204"'), "200-399"),
  body: v.exactOptional(v.pipe(v.string("a text"), v.nonEmpty("a text that is not empty"))),
}, "a mapping with what is asked for and expected");

const script = readWith(
  (input) => {
    if (!Array.isArray(input)) return undefined;
    compileScript(input as ScriptStep[]);
    return input as ScriptStep[];
  },
  "a list of steps, each {send: …}, {sendHex: …}, {expect: …} or {expectHex: …}, of which one expects something",
);

const health = mapping({
  type: v.optional(choice(CHECKS), "none"),
  interval: v.optional(duration({ zero: false }), formatDuration(DEFAULT_HEALTH.intervalMs)),
  timeout: v.optional(duration({ zero: false }), formatDuration(DEFAULT_HEALTH.timeoutMs)),
  rise: v.optional(count({ min: 1 }), DEFAULT_HEALTH.rise),
  fall: v.optional(count({ min: 1 }), DEFAULT_HEALTH.fall),
  port: v.exactOptional(count({ min: 1, max: 65_535 })),
  http: v.exactOptional(httpCheck),
  script: v.exactOptional(script),
}, "a mapping of health check settings");

const outlier = mapping({
  failures: v.optional(count(), DEFAULT_OUTLIER.failures),
  ejection: v.optional(duration({ zero: false }), formatDuration(DEFAULT_OUTLIER.ejectionMs)),
  maxEjected: v.optional(percentage(), `${100 * DEFAULT_OUTLIER.maxEjected}%`),
}, "a mapping of outlier settings");

const queue = mapping({
  max: v.optional(count(), DEFAULT_QUEUE.max),
  timeout: v.optional(duration({ zero: false }), formatDuration(DEFAULT_QUEUE.timeoutMs)),
}, "a mapping of queue settings");

/** An upstream. What must be there of backends and discover is checked elsewhere. */
export const upstream = mapping({
  backends: v.exactOptional(filledList(backend, "a list of one backend at least")),
  discover: v.exactOptional(discover),
  balance: v.optional(choice(BALANCERS), "round-robin"),
  health: v.optional(health, {}),
  outlier: v.optional(outlier, {}),
  slowStart: v.optional(duration({ zero: true }), "0"),
  pool: v.optional(pool, {}),
  retries: v.optional(count({ max: 100 }), DEFAULT_RETRIES),
  queue: v.optional(queue, {}),
  onRemove: v.optional(choice(["close", "drain"]), "close"),
  onDown: v.optional(choice(["keep", "close"]), "keep"),
  tls: v.exactOptional(upstreamTls),
  proxyProtocol: v.optional(proxyProtocol, "none"),
}, "an upstream: a mapping with its backends");

/** An upstream of a document. */
export type UpstreamSection = v.InferOutput<typeof upstream>;
/** A backend of a document. */
export type BackendSection = v.InferOutput<typeof backend>;
