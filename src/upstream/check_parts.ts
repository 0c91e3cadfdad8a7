import type { Address } from "../net/address.ts";
import type { CheckParts } from "./check/create_check.ts";
import type { HealthOptions } from "./check/options.ts";
import type { BackendConnector } from "./connector.ts";
import type { UpstreamOptions } from "./options.ts";
import { proxySending } from "./proxy_sending.ts";

/** How checks connect to backends. */
export interface CheckConnectorParts {
  /** The connector of the moment of each check: a reload may replace it. */
  readonly connector: () => BackendConnector;
  /** Whether TLS is spoken with backends. */
  readonly hasTls: boolean;
  /** Why an address must not be dialled; `undefined`: it may. */
  readonly refusal?: ((address: Address) => Error | undefined) | undefined;
}

/** What checks work with: connections as clients' are made, with a PROXY header that names no client. */
export function checkParts(
  health: HealthOptions,
  { connector, hasTls, refusal }: CheckConnectorParts,
): CheckParts {
  const http = health.type === "http";
  const open = <T>(address: Address, connect: () => Promise<T>) => {
    const error = refusal?.(address);
    return error === undefined ? connect() : Promise.reject(error);
  };
  const dial: CheckParts["dial"] = (address, signal) =>
    open(address, () => connector().openForCheck(address, signal, { http }));
  if (!hasTls) return { dial };
  return {
    dial,
    connectTls: (to, signal) =>
      open(to.kind === "open" ? to.address : to, () => connector().connectTlsForCheck(to, signal)),
  };
}

/** Whether both configure the same checks. */
export function sameChecks(a: CheckedOptions, b: CheckedOptions): boolean {
  if (proxySending(a.proxyProtocol)?.version !== proxySending(b.proxyProtocol)?.version) return false;
  return a.health === b.health || JSON.stringify(a.health) === JSON.stringify(b.health);
}

type CheckedOptions = Pick<UpstreamOptions, "health" | "proxyProtocol">;
