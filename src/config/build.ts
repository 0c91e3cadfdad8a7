import { parseAddressSet } from "../net/address_set.ts";
import type { AdmissionOptions, Timeouts } from "../tcp/options.ts";
import type { UpstreamOptions } from "../upstream/options.ts";
import type { Config, ServiceConfig } from "./config.ts";
import { resolveAddress } from "./resolve_address.ts";
import type { ConfigDocument, Service, Upstream } from "./schema.ts";

/** Makes the configuration of a document that has been found good. Relative paths are relative to `folder`. */
export function buildConfig(document: ConfigDocument, folder: string): Config {
  const upstreams = new Map<string, UpstreamOptions>();
  for (const [name, upstream] of Object.entries(document.upstreams)) {
    upstreams.set(name, buildUpstream(upstream, { name, folder }));
  }
  for (const { name, upstream } of document.services) {
    if (typeof upstream !== "string") upstreams.set(name, buildUpstream(upstream, { name, folder }));
  }
  const services = document.services.map((service) =>
    buildService(service, { defaults: document.timeouts, folder })
  );
  return { log: document.log, upstreams, services };
}

function buildUpstream(
  upstream: Upstream,
  { name, folder }: { name: string; folder: string },
): UpstreamOptions {
  const { backends, balance, pool, retries, onRemove } = upstream;
  const { idleTimeout: idleTimeoutMs, ...bounds } = pool;
  return {
    name,
    backends: backends.map((backend) => ({ ...backend, address: resolveAddress(backend.address, folder) })),
    balance,
    pool: { ...bounds, idleTimeoutMs },
    retries,
    onRemove,
  };
}

function buildService(
  service: Service,
  { defaults, folder }: { defaults: ConfigDocument["timeouts"]; folder: string },
): ServiceConfig {
  const { name, listen, allow, deny, upstream } = service;
  return {
    name,
    listen: listen.map((address) => resolveAddress(address, folder)),
    upstream: typeof upstream === "string" ? upstream : name,
    ...(allow === undefined ? {} : { allow }),
    deny,
    admission: buildAdmission(service),
    timeouts: buildTimeouts({ ...defaults, ...service.timeouts }),
  };
}

function buildAdmission({ allow, deny, maxConnections, rate }: Service): AdmissionOptions {
  return {
    // An empty list lets nobody in; only an absent one lets everybody in.
    ...(allow === undefined ? {} : { allow: parseAddressSet(allow) }),
    ...(deny.length === 0 ? {} : { deny: parseAddressSet(deny) }),
    maxConnections,
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
