import { resolve } from "node:path";
import { parseAddressSet } from "../net/address_set.ts";
import type { AdmissionOptions, Timeouts } from "../service/options.ts";
import { alpnWith } from "../tls/starttls/start_tls.ts";
import { buildHttp } from "./build_http.ts";
import { buildPolicyTest } from "./build_policy_tests.ts";
import { buildUpstream } from "./build_upstream.ts";
import type { AdminConfig, Config, ServiceConfig, ServiceTls, UpstreamConfig } from "./config.ts";
import { resolveRules } from "./resolve_rules.ts";
import { resolveAddress } from "./rules/resolve_address.ts";
import type { AdminSection, ConfigDocument, ServiceSection } from "./schema/schema.ts";

/** Makes the configuration of a document that has been found good. Relative paths are relative to `folder`. */
export function buildConfig(document: ConfigDocument, folder: string): Config {
  const upstreams = new Map<string, UpstreamConfig>();
  for (const [name, upstream] of Object.entries(document.upstreams)) {
    upstreams.set(name, buildUpstream(upstream, { name, folder }));
  }
  for (const { name, upstream } of document.services) {
    if (typeof upstream === "object") upstreams.set(name, buildUpstream(upstream, { name, folder }));
  }
  const services = document.services.map((service) =>
    buildService(service, { defaults: document.timeouts, folder })
  );
  const admin = document.admin === undefined ? {} : { admin: buildAdmin(document.admin, folder) };
  const tests = document.tests.map((test) => buildPolicyTest(test, folder));
  const { log, workers } = document;
  return { log, workers, ...admin, upstreams, services, ...(tests.length === 0 ? {} : { tests }) };
}

function buildAdmin({ listen, tls, allow }: AdminSection, folder: string): AdminConfig {
  const { read = [], write = [] } = allow ?? {};
  return {
    listen: resolveAddress(listen, folder),
    ...(tls === undefined ? {} : { tls: buildServiceTls(tls, folder) }),
    ...(allow === undefined ? {} : { allow: { read, write } }),
  };
}

function buildService(
  service: ServiceSection,
  { defaults, folder }: { defaults: ConfigDocument["timeouts"]; folder: string },
): ServiceConfig {
  const { name, listen, allow, deny, proxyProtocol, trusted, sni, tls, upstream } = service;
  const isHttp = service.protocol === "http";
  const timeouts = { ...defaults, ...service.timeouts };
  // HTTP clients are offered this protocol.
  const alpn = isHttp && tls?.alpn.length === 0 ? { alpn: ["http/1.1"] } : {};
  const leadsTo = typeof upstream === "string" ? upstream : name;
  return {
    name,
    listen: listen.map((address) => resolveAddress(address, folder)),
    ...(upstream === undefined || isHttp ? {} : { upstream: leadsTo }),
    ...(tls === undefined ? {} : { tls: buildServiceTls({ ...tls, ...alpn }, folder) }),
    ...(isHttp ? { http: buildHttp(service, { timeouts, folder }) } : {}),
    ...(sni === undefined ? {} : { names: new Map(Object.entries(sni)) }),
    ...(proxyProtocol ? { proxyFrom: parseAddressSet(trusted), trusted } : {}),
    ...(allow === undefined ? {} : { allow }),
    deny,
    admission: buildAdmission(service),
    timeouts: buildTimeouts(timeouts),
  };
}

/** Makes TLS settings of a section that has been found good. Relative paths are relative to `folder`. */
export function buildServiceTls(tls: NonNullable<ServiceSection["tls"]>, folder: string): ServiceTls {
  const { cert, key, minVersion, maxVersion, alpn, starttls, native, clientAuth } = tls;
  return {
    certPath: resolve(folder, cert),
    keyPath: resolve(folder, key),
    minVersion,
    maxVersion,
    alpn: alpnWith(starttls, alpn),
    ...(starttls === undefined ? {} : { starttls }),
    ...(native ? { native } : {}),
    ...(clientAuth === undefined ? {} : { clientAuth: buildClientAuth(clientAuth, folder) }),
  };
}

type ClientAuthSection = NonNullable<NonNullable<ServiceSection["tls"]>["clientAuth"]>;

function buildClientAuth(
  { ca, mode, crl, crlCheck, crlMaxAge, trustDomains, allow }: ClientAuthSection,
  folder: string,
): NonNullable<ServiceTls["clientAuth"]> {
  const crlPaths = (files: readonly string[] | undefined) =>
    files === undefined ? {} : { crlPaths: files.map((path) => resolve(folder, path)) };
  const domains = Object.entries(trustDomains ?? {}).map(([name, domain]) =>
    [name, { caPath: resolve(folder, domain.ca), ...crlPaths(domain.crl) }] as const
  );
  return {
    ...(ca === undefined ? {} : { caPath: resolve(folder, ca) }),
    mode,
    ...crlPaths(crl),
    ...(crlCheck === "leaf" ? { crlCheck } : {}),
    ...(crlMaxAge === undefined ? {} : { crlMaxAgeMs: crlMaxAge }),
    ...(trustDomains === undefined ? {} : { trustDomains: Object.fromEntries(domains) }),
    allow: resolveRules(allow, folder),
  };
}

function buildAdmission(service: ServiceSection): AdmissionOptions {
  const { allow, deny, maxConnections, maxHandshakes, handshakeGrace, sourcePrefix, rate } = service;
  return {
    // An empty list refuses all clients; only an absent one allows all.
    ...(allow === undefined ? {} : { allow: parseAddressSet(allow) }),
    ...(deny.length === 0 ? {} : { deny: parseAddressSet(deny) }),
    maxConnections,
    maxHandshakes,
    handshakeGraceMs: handshakeGrace,
    sourcePrefix,
    ...(rate === undefined ? {} : {
      rate: { connections: rate.connections, perMs: rate.per, burst: rate.burst ?? rate.connections },
    }),
  };
}

/** The timeouts of a document under the names that have their unit. */
export function buildTimeouts(timeouts: ConfigDocument["timeouts"]): Timeouts {
  return {
    connectMs: timeouts.connect,
    handshakeMs: timeouts.handshake,
    idleMs: timeouts.idle,
    halfCloseMs: timeouts.halfClose,
    lifetimeMs: timeouts.lifetime,
    drainMs: timeouts.drain,
  };
}
