import { buildSniMap, type SniMap } from "../net/client_hello/sni_map.ts";
import type { ServiceOptions } from "../service/options.ts";
import { type TcpRoute, TcpService } from "../tcp/service.ts";
import type { TlsGate } from "../tls/gate.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { buildGate } from "./credentials.ts";
import type { HostedService, PreparedService, StartOptions } from "./hosted_service.ts";
import { serviceOptions } from "./service_options.ts";
import type { TcpServiceSnapshot } from "./snapshot.ts";

/** What is made of a snapshot before the service is started. */
interface Parts {
  readonly options: ServiceOptions;
  readonly gate: TlsGate | undefined;
  /** The names of upstreams. */
  readonly names: SniMap<string> | undefined;
}

/**
 * Prepares a service of `protocol: tcp`.
 *
 * @throws {CulvertError} if the credentials can't be used.
 */
export async function prepareTcpService(snapshot: TcpServiceSnapshot): Promise<PreparedService> {
  const parts: Parts = {
    options: serviceOptions(snapshot),
    gate: snapshot.tls && await buildGate(snapshot.tls),
    names: snapshot.names && buildSniMap(snapshot.names),
  };
  return {
    snapshot,
    start: (options) => {
      const { running } = options;
      if (!(running instanceof HostedTcpService)) return new HostedTcpService(snapshot, { parts, options });
      running.update(snapshot, { parts, options });
      return running;
    },
  };
}

/** A TCP service as the data plane runs it. */
class HostedTcpService implements HostedService {
  readonly service: TcpService;
  #snapshot: TcpServiceSnapshot;
  #options: ServiceOptions;
  #route: TcpRoute;
  #access: boolean;

  constructor(snapshot: TcpServiceSnapshot, { parts, options }: { parts: Parts; options: StartOptions }) {
    this.#snapshot = snapshot;
    this.#options = parts.options;
    this.#route = routeOf(snapshot, { parts, find: options.find });
    this.#access = options.access;
    const own = { route: this.#route, access: this.#access };
    this.service = new TcpService(this.#options, { ...options.parts, ...own });
  }

  get upstream(): string | undefined {
    return this.#snapshot.upstream;
  }

  get upstreams(): readonly string[] {
    const { upstream, names } = this.#snapshot;
    return [upstream, ...names?.values() ?? []].filter((name) => name !== undefined);
  }

  update(snapshot: TcpServiceSnapshot, { parts, options }: { parts: Parts; options: StartOptions }): void {
    this.#snapshot = snapshot;
    this.#options = parts.options;
    this.#route = routeOf(snapshot, { parts, find: options.find });
    this.#access = options.access;
    this.service.update(this.#options, { route: this.#route, access: this.#access });
  }

  setGate(gate: TlsGate): void {
    this.#route = { ...this.#route, gate };
    this.service.update(this.#options, { route: this.#route, access: this.#access });
  }
}

function routeOf(
  { upstream, names }: TcpServiceSnapshot,
  { parts, find }: { parts: Parts; find: (name: string) => Upstream },
): TcpRoute {
  const targets = new Map([...names?.values() ?? []].map((name) => [name, find(name)] as const));
  const byPattern = parts.names;
  return {
    gate: parts.gate,
    upstream: upstream === undefined ? undefined : find(upstream),
    names: byPattern && { get: (serverName) => targets.get(byPattern.get(serverName) ?? "") },
  };
}
