import * as v from "valibot";
import { formatDuration } from "../core/units.ts";
import { DEFAULT_MAX_CONNECTIONS, DEFAULT_MAX_HANDSHAKES, DEFAULT_TIMEOUTS } from "../tcp/options.ts";
import { DEFAULT_POOL, DEFAULT_RETRIES } from "../upstream/options.ts";
import {
  allowRule,
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
  listenAddress,
  mapping,
  mappingOf,
  name,
  namesByPattern,
  subnet,
} from "./fields.ts";

/** `any` must be said: a list that was forgotten lets nobody in. */
const RULES =
  "a list of rules such as {dns: client.example.org}, or {any: true} for everybody that the CA vouches for";

// The shape of version 1 of the configuration, with its defaults. Checks that look at more than one value are in
// checks.ts.

const BALANCERS = ["round-robin", "least-connections", "random-two-choices", "source-hash", "first"] as const;

const log = mapping({
  level: v.optional(choice(["debug", "info", "warn", "error"]), "info"),
  format: v.optional(choice(["text", "json"]), "text"),
  access: v.optional(flag(), true),
}, "a mapping of log settings");

const timeouts = mapping({
  connect: v.optional(duration({ zero: false }), formatDuration(DEFAULT_TIMEOUTS.connectMs)),
  handshake: v.optional(duration({ zero: false }), formatDuration(DEFAULT_TIMEOUTS.handshakeMs)),
  idle: v.optional(duration({ zero: true }), formatDuration(DEFAULT_TIMEOUTS.idleMs)),
  halfClose: v.optional(duration({ zero: true }), formatDuration(DEFAULT_TIMEOUTS.halfCloseMs)),
  lifetime: v.optional(duration({ zero: true }), formatDuration(DEFAULT_TIMEOUTS.lifetimeMs)),
  drain: v.optional(duration({ zero: true }), formatDuration(DEFAULT_TIMEOUTS.drainMs)),
}, "a mapping of timeouts");

/** Those of one service: what is absent is as in the defaults for all. */
const ownTimeouts = mapping({
  connect: v.exactOptional(duration({ zero: false })),
  handshake: v.exactOptional(duration({ zero: false })),
  idle: v.exactOptional(duration({ zero: true })),
  halfClose: v.exactOptional(duration({ zero: true })),
  lifetime: v.exactOptional(duration({ zero: true })),
  drain: v.exactOptional(duration({ zero: true })),
}, "a mapping of timeouts");

const backend = mapping({
  address: backendAddress(),
  weight: v.optional(count({ max: 65_535 }), 1),
  maxConnections: v.optional(count(), 0),
  backup: v.optional(flag(), false),
}, "a backend: a mapping with its address");

const pool = mapping({
  maxIdle: v.optional(count(), DEFAULT_POOL.maxIdle),
  minIdle: v.optional(count(), DEFAULT_POOL.minIdle),
  maxOpen: v.optional(count(), DEFAULT_POOL.maxOpen),
  idleTimeout: v.optional(duration({ zero: true }), formatDuration(DEFAULT_POOL.idleTimeoutMs)),
}, "a mapping of pool settings");

const upstreamTls = mapping({
  ca: v.exactOptional(file()),
  cert: v.exactOptional(file()),
  key: v.exactOptional(file()),
  serverName: v.exactOptional(host()),
  verify: v.optional(flag(), true),
  allow: v.exactOptional(filledList(allowRule(), RULES)),
}, "a mapping of TLS settings");

const clientAuth = mapping({
  ca: file(),
  mode: v.optional(choice(["require", "optional"]), "require"),
  crl: v.exactOptional(file()),
  allow: filledList(allowRule(), RULES),
}, "a mapping with the CA of the clients, and whom to let in");

const serviceTls = mapping({
  cert: file(),
  key: file(),
  minVersion: v.optional(choice(["1.2", "1.3"]), "1.2"),
  maxVersion: v.optional(choice(["1.2", "1.3"]), "1.3"),
  alpn: v.optional(list(v.string("the name of a protocol"), "a list of protocols"), []),
  native: v.optional(flag(), false),
  clientAuth: v.exactOptional(clientAuth),
}, "a mapping with a certificate and its key");

const upstream = mapping({
  backends: filledList(backend, "a list of one backend at least"),
  balance: v.optional(choice(BALANCERS), "round-robin"),
  pool: v.optional(pool, {}),
  retries: v.optional(count({ max: 100 }), DEFAULT_RETRIES),
  onRemove: v.optional(choice(["close", "drain"]), "close"),
  tls: v.exactOptional(upstreamTls),
  proxyProtocol: v.optional(choice(["none", "v1", "v2"]), "none"),
  // Has no effect without health checks, but is good.
  onDown: v.optional(choice(["keep", "close"]), "keep"),
}, "an upstream: a mapping with its backends");

const rate = mapping({
  connections: count({ min: 1 }),
  per: v.optional(duration({ zero: false }), "1s"),
  burst: v.exactOptional(count({ min: 1 })),
  key: v.optional(choice(["source"]), "source"),
}, "a mapping of rate settings");

/** The name of one, or one that is written in place. */
const upstreamOrName: Field<string | Upstream> = v.lazy((input) =>
  input === null || typeof input !== "object"
    ? v.string("the name of an upstream, or an upstream written in place")
    : upstream
);

const service = mapping({
  name: name(),
  protocol: v.optional(choice(["tcp"]), "tcp"),
  listen: filledList(listenAddress(), 'a list of addresses to listen on, such as [":5432"]'),
  allow: v.exactOptional(list(subnet(), "a list of IP addresses and subnets")),
  deny: v.optional(list(subnet(), "a list of IP addresses and subnets"), []),
  maxConnections: v.optional(count(), DEFAULT_MAX_CONNECTIONS),
  maxHandshakes: v.optional(count(), DEFAULT_MAX_HANDSHAKES),
  rate: v.exactOptional(rate),
  timeouts: v.optional(ownTimeouts, {}),
  proxyProtocol: v.optional(flag(), false),
  trusted: v.optional(list(subnet(), "a list of IP addresses and subnets"), []),
  tls: v.exactOptional(serviceTls),
  sni: v.exactOptional(namesByPattern()),
  upstream: v.exactOptional(upstreamOrName),
}, "a service: a mapping with its name, addresses and upstream");

/** A document of version 1. */
export const documentSchema = mapping({
  version: v.literal(1, "1, the one version that there is"),
  log: v.optional(log, {}),
  timeouts: v.optional(timeouts, {}),
  upstreams: v.optional(mappingOf(upstream, "a mapping of upstreams by their names"), {}),
  services: filledList(service, "a list of one service at least"),
}, "a mapping with version, upstreams and services");

/** What {@linkcode documentSchema} makes of a document: every default filled in but those between sections. */
export type ConfigDocument = v.InferOutput<typeof documentSchema>;
/** A service of a {@linkcode ConfigDocument}. */
export type Service = v.InferOutput<typeof service>;
/** An upstream of a {@linkcode ConfigDocument}. */
export type Upstream = v.InferOutput<typeof upstream>;
