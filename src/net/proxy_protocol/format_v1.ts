import { formatIp } from "../ip.ts";
import { type ProxyEnds, wireEnds } from "./endpoints.ts";

/**
 * Writes a PROXY header of version 1. Ends of two families are both written as IPv6, IPv4-mapped where need
 * be; ends that can't be named (unix sockets, unknown ones) make it `PROXY UNKNOWN`.
 */
export function formatProxyV1(ends: ProxyEnds): Uint8Array {
  const wire = wireEnds(ends);
  if (wire === undefined || wire.kind === "unix") return encode("PROXY UNKNOWN\r\n");
  const { family, source, destination } = wire;
  const ips = `${formatIp(source.ip)} ${formatIp(destination.ip)}`;
  return encode(`PROXY TCP${family} ${ips} ${source.port} ${destination.port}\r\n`);
}

function encode(line: string): Uint8Array {
  return new TextEncoder().encode(line);
}
