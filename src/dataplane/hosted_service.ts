import type { AccessRecord } from "../http_proxy/access_log.ts";
import type { RequestCounters } from "../http_proxy/http_stats.ts";
import type { Service, ServiceParts } from "../service/service.ts";
import type { TlsGate } from "../tls/gate.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { ServiceSnapshot } from "./snapshot.ts";

/** A service of any kind, as the data plane runs it. */
export interface HostedService {
  readonly service: Service;
  /** The upstream for clients that nothing leads elsewhere; absent: these are refused. */
  readonly upstream: string | undefined;
  /** The names of all upstreams that it leads to. */
  readonly upstreams: readonly string[];
  /** The counters of its requests; absent: it serves none. */
  readonly requests?: RequestCounters;
  /** Speaks TLS by another gate with the clients to come. */
  setGate(gate: TlsGate): void;
}

/** What a service is started with, or changed to. */
export interface StartOptions {
  readonly parts: Required<Omit<ServiceParts, "access" | "failures">> & Pick<ServiceParts, "failures">;
  /** Whether each finished connection gets a line in the log. */
  readonly access: boolean;
  /** Called with each request that has ended; absent: they are not logged. */
  readonly onAccess: ((record: AccessRecord) => void) | undefined;
  /** The upstream of this name. */
  readonly find: (upstream: string) => Upstream;
  /** The service of the same name that runs already. */
  readonly running: HostedService | undefined;
}

/** A service that has been prepared, so that it can be started without fail. */
export interface PreparedService {
  readonly snapshot: ServiceSnapshot;
  /** Starts it, or changes the one that runs where that is of the same kind. */
  start(options: StartOptions): HostedService;
}
