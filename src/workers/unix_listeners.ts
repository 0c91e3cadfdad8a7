import type { ServiceSnapshot, Snapshot } from "../dataplane/snapshot.ts";

/** What of a snapshot the services with unix sockets need. */
export function ofUnixListeners(snapshot: Snapshot): Snapshot {
  const services = snapshot.services.filter(({ listen }) => listen.some(({ kind }) => kind === "unix"));
  const names = new Set(services.flatMap(upstreamsOf));
  return { ...snapshot, services, upstreams: snapshot.upstreams.filter(({ name }) => names.has(name)) };
}

function upstreamsOf(service: ServiceSnapshot): (string | undefined)[] {
  if (service.kind === "http") return service.http.routes.map(({ upstream }) => upstream);
  return [service.upstream, ...service.names?.values() ?? []];
}
