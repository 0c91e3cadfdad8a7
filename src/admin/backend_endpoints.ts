import { quoteText } from "../core/escape_text.ts";
import { formatAddress, parseAddress } from "../net/address.ts";
import { AdminError } from "./admin_error.ts";
import { type AdminResponse, jsonResponse } from "./admin_response.ts";
import type { Call, Handle } from "./call.ts";
import type { Endpoint } from "./endpoints.ts";

const BACKENDS = "/api/upstreams/:upstream/backends";
const BACKEND = `${BACKENDS}/*address`;
/** As in the configuration. */
const MAX_WEIGHT = 65_535;

/** The endpoints that change backends. */
export const BACKEND_ENDPOINTS: readonly Endpoint<Handle>[] = [
  { method: "PUT", pattern: BACKENDS, body: true, run: replaceBackends },
  { method: "POST", pattern: `${BACKEND}/drain`, run: drainBackend },
  { method: "POST", pattern: `${BACKEND}/enable`, run: enableBackend },
  { method: "PUT", pattern: `${BACKEND}/weight`, body: true, run: setWeight },
  { method: "POST", pattern: `${BACKEND}/close`, run: closeConnections },
];

async function replaceBackends({ target, parameters, body }: Call): Promise<AdminResponse> {
  return jsonResponse(200, await target.replaceBackends(parameters.upstream!, body));
}

async function drainBackend({ target, parameters }: Call): Promise<AdminResponse> {
  return jsonResponse(200, await target.drainBackend(parameters.upstream!, readAddress(parameters.address!)));
}

async function enableBackend({ target, parameters }: Call): Promise<AdminResponse> {
  return jsonResponse(
    200,
    await target.enableBackend(parameters.upstream!, readAddress(parameters.address!)),
  );
}

async function setWeight({ target, parameters, body }: Call): Promise<AdminResponse> {
  const { weight } = (typeof body === "object" && body !== null ? body : {}) as { weight?: unknown };
  const isWeight = typeof weight === "number" && Number.isInteger(weight) && weight >= 0 &&
    weight <= MAX_WEIGHT;
  if (!isWeight) {
    throw new AdminError(
      "bad_value",
      `Cannot set the weight: expected {"weight": N} with a whole number from 0 to ${MAX_WEIGHT}`,
    );
  }
  const { upstream, address } = parameters;
  return jsonResponse(200, await target.setWeight(upstream!, readAddress(address!), weight));
}

async function closeConnections({ target, lists, parameters }: Call): Promise<AdminResponse> {
  const closed = await target.closeConnections(parameters.upstream!, readAddress(parameters.address!));
  lists.clear();
  return jsonResponse(200, { closed });
}

/** An address in the canonical notation of backends. */
function readAddress(text: string): string {
  try {
    return formatAddress(parseAddress(text));
  } catch {
    const message = `Cannot read address ${quoteText(text)}: expected host:port, [ipv6]:port or unix:/path`;
    throw new AdminError("bad_address", message);
  }
}
