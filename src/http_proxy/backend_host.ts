import type { Backend } from "../upstream/backend.ts";
import type { ExchangeState } from "./exchange_state.ts";
import type { PlannedRoute } from "./plan.ts";

/** Whether Host is the address of the backend: that is asked for, or the client of HTTP/1.0 has sent none. */
export function namesBackend({ route }: PlannedRoute, { authority }: ExchangeState): boolean {
  const { hostHeader = "keep" } = route;
  return hostHeader === "backend" || (hostHeader === "keep" && authority === "");
}

/** What a backend gets as Host. */
export function hostForBackend(
  planned: PlannedRoute,
  { exchange, backend }: { exchange: ExchangeState; backend: Backend },
): string {
  if (namesBackend(planned, exchange)) return backend.key.startsWith("unix:") ? "localhost" : backend.key;
  const { hostHeader = "keep" } = planned.route;
  return hostHeader === "keep" ? exchange.authority : hostHeader;
}
