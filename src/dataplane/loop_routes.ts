import type { Address } from "../net/address.ts";
import type { OwnRoutes } from "../net/own_listeners.ts";
import type { BoundAddresses } from "./listeners.ts";

/** What a loop back to this program is found by. */
export interface LoopRoutesParts {
  /** The services by name, with the upstreams that each leads to. */
  readonly services: () => ReadonlyMap<string, { readonly upstreams: Iterable<string> }>;
  readonly addresses: () => BoundAddresses;
  readonly backendsOf: (upstream: string) => Iterable<Address>;
  /** Where the admin API listens; `undefined`: nowhere. */
  readonly adminAddress: () => Address | undefined;
}

/** The routes through this program, by which backends are found that lead back to it. */
export function loopRoutes(
  { services, addresses, backendsOf, adminAddress }: LoopRoutesParts,
): OwnRoutes {
  return {
    listeners: () => {
      const admin = adminAddress();
      return [
        ...[...addresses()].flatMap(([service, all]) => all.map((address) => ({ address, service }))),
        ...(admin === undefined ? [] : [{ address: admin }]),
      ];
    },
    upstreamsOf: (service) => services().get(service)?.upstreams ?? [],
    backendsOf,
  };
}
