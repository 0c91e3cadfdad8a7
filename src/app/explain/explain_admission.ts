import type { ServiceConfig } from "../../config/config.ts";
import type { Path } from "../../config/problem/problem.ts";
import { parseAddressSet } from "../../net/address_set.ts";
import type { Refusal } from "../../service/reason.ts";
import type { Service } from "../../service/service.ts";
import type { Trace } from "./imagined.ts";

/** The addresses of an imagined connection. */
export interface ImaginedPeer {
  /** The address of the client. */
  readonly from: string;
  /** The address of the sender of the PROXY header; absent: the client connects by itself. */
  readonly via: string | undefined;
}

/** Where the service stands in the configuration. */
export interface ServicePlace {
  readonly config: ServiceConfig;
  readonly path: Path;
}

/** Decides about addresses: the sender of a PROXY header, `deny`, `allow`. Returns why the client is refused. */
export function explainAdmission(
  { admission }: Service,
  { from, via }: ImaginedPeer,
  { place, trace }: { place: ServicePlace; trace: Trace },
): Refusal | undefined {
  const { config: { trusted }, path } = place;
  const peer = via ?? from;
  const refusal = admission.checkAccepted(peer);
  if (trusted === undefined) return explainAddress(peer, { refusal, place, trace });
  if (refusal !== undefined) {
    trace.refuse("proxy header", `${peer} may not send a PROXY header`, [...path, "trusted"]);
    return refusal;
  }
  const named = via === undefined ? "which names no other client" : `which names the client ${from}`;
  trace.pass("proxy header", `${peer} may send a PROXY header, ${named}`, placeOf(peer, "trusted", place));
  return explainAddress(from, { refusal: admission.checkClient(from), place, trace });
}

function explainAddress(
  ip: string,
  { refusal, place, trace }: { refusal: Refusal | undefined; place: ServicePlace; trace: Trace },
): Refusal | undefined {
  const { config: { allow, deny }, path } = place;
  switch (refusal) {
    case undefined:
      if (allow !== undefined) trace.pass("address", `${ip} is in allow`, placeOf(ip, "allow", place));
      else {trace.pass(
          "address",
          `${ip}: all addresses are allowed${deny.length > 0 ? " but those of deny" : ""}`,
        );}
      break;
    case "refused-by-deny":
      trace.refuse("address", `${ip} is in deny`, placeOf(ip, "deny", place));
      break;
    case "refused-by-allow":
      trace.refuse("address", `${ip} is not in allow`, [...path, "allow"]);
      break;
    default:
      trace.refuse("limits", `${ip} is refused: ${refusal}`, path);
  }
  return refusal;
}

/** The entry of a list of addresses that covers `ip`. */
function placeOf(ip: string, key: "allow" | "deny" | "trusted", { config, path }: ServicePlace): Path {
  const index = (config[key] ?? []).findIndex((entry) => parseAddressSet([entry]).has(ip));
  return index === -1 ? [...path, key] : [...path, key, index];
}
