import { buildSniMap } from "../../net/client_hello/sni_map.ts";
import type { ServicePlace } from "./explain_admission.ts";
import type { Trace } from "./imagined.ts";

/** Tells by which name or wildcard a connection was routed, if the service reads server names. */
export function explainName(
  serverName: string | undefined,
  { upstream, place, trace }: { upstream: string; place: ServicePlace; trace: Trace },
): void {
  const { config: { names }, path } = place;
  if (names === undefined) return;
  const pattern = buildSniMap([...names.keys()].map((each) => [each, each] as const)).get(serverName);
  const name = serverName ?? "no server name";
  if (pattern === undefined) trace.pass("server name", `${name}: ${upstream}`, [...path, "upstream"]);
  else trace.pass("server name", `${name} is ${pattern}: ${upstream}`, [...path, "sni", pattern]);
}
