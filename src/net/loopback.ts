import type { Address } from "./address.ts";
import { parseIp } from "./ip.ts";

const IPV4_LOOPBACK = 127;

/**
 * Whether only this machine can connect to `host`: an address of 127.0.0.0/8 or `::1`, or `localhost`. Any other
 * name could lead anywhere, and no host at all stands for every address; both are false.
 */
export function isLoopback(host: string): boolean {
  const ip = parseIp(host);
  if (ip === undefined) return host.toLowerCase() === "localhost";
  const { family, words } = ip;
  if (family === 4) return words[0]! >>> 24 === IPV4_LOOPBACK;
  return words.every((word, index) => word === (index === 3 ? 1 : 0));
}

/** Whether the admin API may listen here without asking for certificates: on a unix socket, or on loopback. */
export function isAdminAddress(address: Address): boolean {
  return address.kind === "unix" || isLoopback(address.host);
}
