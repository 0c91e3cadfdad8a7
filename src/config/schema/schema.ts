import * as v from "valibot";
import { formatDuration } from "../../core/units.ts";
import { DEFAULT_SOURCE_PREFIX } from "../../net/source_key.ts";
import {
  DEFAULT_HANDSHAKE_GRACE_MS,
  DEFAULT_MAX_CONNECTIONS,
  DEFAULT_MAX_HANDSHAKES,
  DEFAULT_TIMEOUTS,
} from "../../service/options.ts";
import {
  choice,
  count,
  crlFiles,
  duration,
  type Field,
  file,
  filledList,
  flag,
  list,
  listenAddress,
  mapping,
  mappingOf,
  name,
  namesByPattern,
  protocol,
  starttls,
  subnet,
  tlsVersion,
  workers,
} from "./fields.ts";
import { httpKeys, httpTimeouts, ownHttpTimeouts } from "./http_schema.ts";
import { policyTests } from "./policy_test_schema.ts";
import { rules, trustDomains } from "./rule_fields.ts";
import { upstream, type UpstreamSection } from "./upstream_schema.ts";

// The shape of version 1 of the configuration, with its defaults. Checks that look at more than one value are in
// checks.ts.

const PROTOCOLS = ["tcp", "http"] as const;

const log = mapping({
  level: v.optional(choice(["debug", "info", "warn", "error"]), "info"),
  format: v.optional(choice(["text", "json"]), "text"),
  access: v.optional(flag(), true),
  accessFormat: v.exactOptional(choice(["text", "json", "combined"])),
}, "a mapping of log settings");

const timeouts = mapping({
  connect: v.optional(duration({ zero: false }), formatDuration(DEFAULT_TIMEOUTS.connectMs)),
  handshake: v.optional(duration({ zero: false }), formatDuration(DEFAULT_TIMEOUTS.handshakeMs)),
  idle: v.optional(duration({ zero: true }), formatDuration(DEFAULT_TIMEOUTS.idleMs)),
  halfClose: v.optional(duration({ zero: true }), formatDuration(DEFAULT_TIMEOUTS.halfCloseMs)),
  lifetime: v.optional(duration({ zero: true }), formatDuration(DEFAULT_TIMEOUTS.lifetimeMs)),
  drain: v.optional(duration({ zero: true }), formatDuration(DEFAULT_TIMEOUTS.drainMs)),
  ...httpTimeouts,
}, "a mapping of timeouts");

/** Those of one service: what is absent is as in the defaults for all. */
const ownTimeouts = mapping({
  connect: v.exactOptional(duration({ zero: false })),
  handshake: v.exactOptional(duration({ zero: false })),
  idle: v.exactOptional(duration({ zero: true })),
  halfClose: v.exactOptional(duration({ zero: true })),
  lifetime: v.exactOptional(duration({ zero: true })),
  drain: v.exactOptional(duration({ zero: true })),
  ...ownHttpTimeouts,
}, "a mapping of timeouts");

const clientAuth = mapping({
  ca: v.exactOptional(file()),
  mode: v.optional(choice(["require", "optional"]), "require"),
  crl: v.exactOptional(crlFiles()),
  crlCheck: v.optional(choice(["chain", "leaf"]), "chain"),
  crlMaxAge: v.exactOptional(duration({ zero: false })),
  trustDomains: v.exactOptional(trustDomains()),
  allow: rules(),
}, "a mapping with the CA of the clients, and the rules of allow");

/** The TLS of a service, or of the admin listener. */
export const serviceTls = mapping({
  cert: file(),
  key: file(),
  minVersion: v.optional(tlsVersion(), "1.2"),
  maxVersion: v.optional(tlsVersion(), "1.3"),
  alpn: v.optional(list(protocol(), "a list of protocols"), []),
  starttls: v.exactOptional(starttls()),
  native: v.optional(flag(), false),
  clientAuth: v.exactOptional(clientAuth),
}, "a mapping with a certificate and its key");

const rate = mapping({
  connections: count({ min: 1 }),
  per: v.optional(duration({ zero: false }), "1s"),
  burst: v.exactOptional(count({ min: 1 })),
  key: v.optional(choice(["source"]), "source"),
}, "a mapping of rate settings");

const sourcePrefix = mapping({
  ipv4: v.optional(count({ min: 1, max: 32 }), DEFAULT_SOURCE_PREFIX.ipv4),
  ipv6: v.optional(count({ min: 1, max: 128 }), DEFAULT_SOURCE_PREFIX.ipv6),
}, "a mapping with the prefix lengths ipv4 and ipv6");

/** The name of one, or one that is written in place. */
const upstreamOrName: Field<string | UpstreamSection> = v.lazy((input) =>
  input === null || typeof input !== "object"
    ? v.string("the name of an upstream, or an upstream written in place")
    : upstream
);

/** One service of a document. */
export const service = mapping({
  name: name(),
  protocol: v.optional(choice(PROTOCOLS), "tcp"),
  listen: filledList(listenAddress(), 'a list of addresses to listen on, such as [":5432"]'),
  allow: v.exactOptional(list(subnet(), "a list of IP addresses and subnets")),
  deny: v.optional(list(subnet(), "a list of IP addresses and subnets"), []),
  maxConnections: v.optional(count(), DEFAULT_MAX_CONNECTIONS),
  maxHandshakes: v.optional(count(), DEFAULT_MAX_HANDSHAKES),
  handshakeGrace: v.optional(duration({ zero: true }), formatDuration(DEFAULT_HANDSHAKE_GRACE_MS)),
  sourcePrefix: v.optional(sourcePrefix, {}),
  rate: v.exactOptional(rate),
  timeouts: v.optional(ownTimeouts, {}),
  proxyProtocol: v.optional(flag(), false),
  trusted: v.optional(list(subnet(), "a list of IP addresses and subnets"), []),
  tls: v.exactOptional(serviceTls),
  sni: v.exactOptional(namesByPattern()),
  upstream: v.exactOptional(upstreamOrName),
  ...httpKeys,
}, "a service: a mapping with its name, addresses and upstream");

const adminAllow = mapping({
  read: v.exactOptional(rules()),
  write: v.exactOptional(rules()),
}, "a mapping with the rules of read and write");

const admin = mapping({
  listen: listenAddress(),
  tls: v.exactOptional(serviceTls),
  allow: v.exactOptional(adminAllow),
}, "a mapping with the address of the admin listener");

/** A document of version 1. */
export const documentSchema = mapping({
  version: v.literal(1, "1, the one version that there is"),
  log: v.optional(log, {}),
  workers: v.optional(workers(), 1),
  admin: v.exactOptional(admin),
  timeouts: v.optional(timeouts, {}),
  upstreams: v.optional(mappingOf(upstream, "a mapping of upstreams by their names"), {}),
  services: filledList(service, "a list of one service at least"),
  tests: v.optional(policyTests, []),
}, "a mapping with version, upstreams and services");

/** What {@linkcode documentSchema} makes of a document: every default filled in but those between sections. */
export type ConfigDocument = v.InferOutput<typeof documentSchema>;
/** A service of a {@linkcode ConfigDocument}. */
export type ServiceSection = v.InferOutput<typeof service>;
/** The admin listener of a {@linkcode ConfigDocument}. */
export type AdminSection = v.InferOutput<typeof admin>;
