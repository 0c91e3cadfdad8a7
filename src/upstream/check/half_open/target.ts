import type { Address } from "../../../net/address.ts";
import { parseIp } from "../../../net/ip.ts";
import { HalfOpenUnsupportedError } from "./errors.ts";
import { cString, type Libc } from "./libc.ts";

/** A literal address to check, in the form of the system. */
export interface HalfOpenTarget {
  /** The address, for errors. */
  readonly address: Address;
  readonly family: 4 | 6;
  /** One 32-bit number for IPv4, four for IPv6, the most significant first. */
  readonly words: readonly number[];
  readonly port: number;
  /** The interface index of an IPv6 zone; 0: none. */
  readonly scopeId: number;
}

/** A TCP address. */
export type TcpAddress = Extract<Address, { kind: "tcp" }>;

/**
 * Parses a literal address; IPv6 may have a zone (`fe80::1%eth0`, `fe80::1%2`).
 *
 * @returns `undefined` if the host is a name.
 * @throws {HalfOpenUnsupportedError} if the interface does not exist.
 */
export function parseTarget(address: TcpAddress, libc: Libc): HalfOpenTarget | undefined {
  const { host, port } = address;
  const percent = host.indexOf("%");
  const ip = parseIp(percent === -1 ? host : host.slice(0, percent));
  if (ip === undefined || (percent !== -1 && ip.family === 4)) return undefined;
  if (percent === -1) return { address, family: ip.family, words: ip.words, port, scopeId: 0 };
  const zone = host.slice(percent + 1);
  const scopeId = /^\d{1,9}$/.test(zone) ? Number(zone) : libc.call.if_nametoindex(cString(zone));
  if (scopeId === 0) {
    throw new HalfOpenUnsupportedError(`Cannot check an address of "${zone}": no such interface`);
  }
  return { address, family: ip.family, words: ip.words, port, scopeId };
}
