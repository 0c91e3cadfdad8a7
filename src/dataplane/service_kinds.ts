import { prepareHttpService } from "./hosted_http_service.ts";
import type { PreparedService } from "./hosted_service.ts";
import { prepareTcpService } from "./hosted_tcp_service.ts";
import type { ServiceSnapshot } from "./snapshot.ts";

/**
 * Does all that can fail of starting a service. The one place that knows the kinds of services.
 *
 * @throws {CulvertError} if the credentials, or the routes of HTTP, can't be used.
 */
export function prepareService(snapshot: ServiceSnapshot): Promise<PreparedService> {
  switch (snapshot.kind) {
    case "tcp":
      return prepareTcpService(snapshot);
    case "http":
      return prepareHttpService(snapshot);
  }
}
