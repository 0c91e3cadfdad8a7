import type { Config, ServiceConfig, UpstreamConfig } from "../../config/config.ts";
import type { BackendCredentials } from "../../dataplane/credentials.ts";
import type { ServiceSnapshot, Snapshot, UpstreamSnapshot } from "../../dataplane/snapshot.ts";
import type { BackendSets } from "../../dataplane/upstreams.ts";
import type { Credentials } from "../credentials/credentials.ts";

/**
 * What the data plane is to carry by this configuration, as plain data.
 *
 * @param sets The backends of upstreams that are not only those that are listed.
 */
export function buildSnapshot(
  { services, upstreams, log }: Config,
  { credentials, sets }: { credentials: Credentials; sets: BackendSets },
): Snapshot {
  // They are of level info.
  const logsRequests = log.access && (log.level === "info" || log.level === "debug");
  return {
    services: services.map((service) => buildService(service, credentials)),
    upstreams: [...upstreams.values()].map((upstream) =>
      buildUpstream(
        { ...upstream, backends: sets.get(upstream.name) ?? upstream.backends },
        credentials.upstreams.get(upstream.name),
      )
    ),
    access: log.access,
    accessFormat: logsRequests ? log.accessFormat ?? log.format : undefined,
  };
}

function buildService(service: ServiceConfig, credentials: Credentials): ServiceSnapshot {
  const { name, listen, upstream, names, http, allow, deny, trusted, admission, timeouts } = service;
  const common = {
    name,
    listen,
    tls: credentials.services.get(name),
    admission: { ...admission, allow, deny: deny.length === 0 ? undefined : deny },
    proxyFrom: trusted,
    timeouts,
  };
  if (http === undefined) return { ...common, kind: "tcp", upstream, names };
  const { errorPaths: _files, ...options } = http;
  return { ...common, kind: "http", http: { ...options, errors: credentials.errorPages.get(name) ?? {} } };
}

function buildUpstream(upstream: UpstreamConfig, tls: BackendCredentials | undefined): UpstreamSnapshot {
  const { discover: _discover, health, tls: _files, ...options } = upstream;
  return { ...options, tls, externalHealth: health !== undefined };
}
