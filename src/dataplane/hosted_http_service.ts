import { HttpService } from "../http_proxy/http_service.ts";
import type { RequestCounters } from "../http_proxy/http_stats.ts";
import { checkHttpOptions } from "../http_proxy/plan.ts";
import type { ServiceOptions } from "../service/options.ts";
import type { TlsGate } from "../tls/gate.ts";
import { buildGate } from "./credentials.ts";
import type { HostedService, PreparedService, StartOptions } from "./hosted_service.ts";
import { serviceOptions } from "./service_options.ts";
import type { HttpServiceSnapshot } from "./snapshot.ts";

/** What is made of a snapshot before the service is started. */
interface Parts {
  readonly options: ServiceOptions;
  readonly gate: TlsGate | undefined;
}

/**
 * Prepares a service of `protocol: http`.
 *
 * @throws {CulvertError} if the routes or the credentials can't be used.
 */
export async function prepareHttpService(snapshot: HttpServiceSnapshot): Promise<PreparedService> {
  checkHttpOptions(snapshot.http);
  const parts = { options: serviceOptions(snapshot), gate: snapshot.tls && await buildGate(snapshot.tls) };
  return {
    snapshot,
    start: (options) => {
      const { running } = options;
      if (!(running instanceof HostedHttpService)) return new HostedHttpService(snapshot, { parts, options });
      running.update(snapshot, { parts, options });
      return running;
    },
  };
}

/** An HTTP service as the data plane runs it. */
class HostedHttpService implements HostedService {
  readonly service: HttpService;
  /** The route of a request says where it goes. */
  readonly upstream = undefined;
  #snapshot: HttpServiceSnapshot;

  constructor(snapshot: HttpServiceSnapshot, { parts, options }: { parts: Parts; options: StartOptions }) {
    this.#snapshot = snapshot;
    const { find: upstream, onAccess } = options;
    const routing = { http: snapshot.http, gate: parts.gate, upstream, onAccess };
    this.service = new HttpService(parts.options, { ...options.parts, routing });
  }

  get upstreams(): readonly string[] {
    const names = this.#snapshot.http.routes.map(({ upstream }) => upstream);
    return [...new Set(names.filter((name) => name !== undefined))];
  }

  get requests(): RequestCounters {
    return this.service.requestCounters;
  }

  update(snapshot: HttpServiceSnapshot, { parts, options }: { parts: Parts; options: StartOptions }): void {
    this.#snapshot = snapshot;
    const { find: upstream, onAccess } = options;
    this.service.update(parts.options, { http: snapshot.http, gate: parts.gate, upstream, onAccess });
  }

  setGate(gate: TlsGate): void {
    this.service.setGate(gate);
  }
}
