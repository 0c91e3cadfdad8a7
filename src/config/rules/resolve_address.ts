import { posix } from "node:path";
import { type Address, formatAddress } from "../../net/address.ts";
import { canonicalHost } from "../schema/host.ts";

/**
 * The address with a relative path of a unix socket taken as relative to `folder`. Nothing is looked up, so that
 * this needs no permission: when `folder` is relative itself, so is the result.
 */
export function resolveAddress<T extends Address>(address: T, folder: string): T {
  if (address.kind === "tcp") return address;
  const path = posix.isAbsolute(address.path) ? address.path : posix.join(folder, address.path);
  return { ...address, path: posix.normalize(path) };
}

/** The one way to write this address, for comparing. */
export function canonicalAddress(address: Address): string {
  return formatAddress(address.kind === "tcp" ? { ...address, host: canonicalHost(address.host) } : address);
}
