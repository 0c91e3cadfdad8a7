import { type Ip, parseIp } from "../ip.ts";
import type { ProxyAddress } from "./header.ts";

/** The ends of a connection to be written into a PROXY header. */
export interface ProxyEnds {
  /** The address of the client; absent if it is not known. */
  readonly source?: ProxyAddress | undefined;
  /** Where to; absent if it isn't known. */
  readonly destination?: ProxyAddress | undefined;
}

/** Both ends as a header has them: of one family. */
export type WireEnds =
  | { readonly kind: "ip"; readonly family: 4 | 6; readonly source: WireIp; readonly destination: WireIp }
  | { readonly kind: "unix"; readonly source: string; readonly destination: string };

/** An address of the family that both have. */
export interface WireIp {
  /** Its bits, of the family of both ends. */
  readonly ip: Ip;
  /** 0 to 65535. */
  readonly port: number;
}

/**
 * Brings both ends to one family: IPv4 if both are (IPv4-mapped addresses count), else IPv6, where an IPv4
 * address becomes a mapped one. Zones (`%eth0`) are dropped.
 *
 * @returns `undefined` when a header can't name both: one is not known, is no address, or only one is a unix
 * socket.
 */
export function wireEnds({ source, destination }: ProxyEnds): WireEnds | undefined {
  if (source === undefined || destination === undefined) return undefined;
  if (source.ip === "unix" && destination.ip === "unix") {
    return { kind: "unix", source: source.path ?? "", destination: destination.path ?? "" };
  }
  const from = parseEnd(source);
  const to = parseEnd(destination);
  if (from === undefined || to === undefined) return undefined;
  const family = from.ip.family === 4 && to.ip.family === 4 ? 4 : 6;
  return { kind: "ip", family, source: bringTo(from, family), destination: bringTo(to, family) };
}

function parseEnd({ ip: text, port }: ProxyAddress): WireIp | undefined {
  const zone = text.indexOf("%");
  const ip = parseIp(zone === -1 ? text : text.slice(0, zone));
  const inRange = Number.isInteger(port) && port >= 0 && port <= 65535;
  return ip === undefined || !inRange ? undefined : { ip, port };
}

function bringTo({ ip, port }: WireIp, family: 4 | 6): WireIp {
  if (ip.family === family) return { ip, port };
  return { ip: { family: 6, words: [0, 0, 0xffff, ip.words[0]!] }, port };
}
