import type { Config, ServiceConfig, UpstreamConfig } from "../../config/config.ts";
import { CulvertError } from "../../core/errors.ts";
import type { BackendCredentials, ServerCredentials } from "../../dataplane/credentials.ts";
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
  return {
    services: services.map((service) => buildService(service, credentials.services.get(service.name))),
    upstreams: [...upstreams.values()].map((upstream) =>
      buildUpstream(
        { ...upstream, backends: sets.get(upstream.name) ?? upstream.backends },
        credentials.upstreams.get(upstream.name),
      )
    ),
    access: log.access,
  };
}

function buildService(service: ServiceConfig, tls: ServerCredentials | undefined): ServiceSnapshot {
  const { name, listen, upstream, names, http, allow, deny, trusted, admission, timeouts } = service;
  if (http !== undefined) {
    throw new CulvertError("unsupported_protocol", `Cannot run service "${name}": HTTP is not supported yet`);
  }
  return {
    kind: "tcp",
    name,
    listen,
    tls,
    upstream,
    names,
    admission: { ...admission, allow, deny: deny.length === 0 ? undefined : deny },
    proxyFrom: trusted,
    timeouts,
  };
}

function buildUpstream(upstream: UpstreamConfig, tls: BackendCredentials | undefined): UpstreamSnapshot {
  const { discover: _discover, health, tls: _files, ...options } = upstream;
  return { ...options, tls, externalHealth: health !== undefined };
}
