import { CulvertError } from "../core/errors.ts";
import { type Address, formatAddress } from "./address.ts";

/** An address may not be dialled. The message names the flags that are missing; its code is `permission_missing`. */
export class DialPermissionError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "DialPermissionError";

  /** `flags` are those that are missing. */
  constructor(address: Address, flags: readonly string[]) {
    const message = `Cannot dial "${formatAddress(address)}": a permission is missing; add ${
      flags.join(" ")
    }`;
    super("permission_missing", message);
  }
}

/** What may be dialled, once it has been looked at: asking takes longer than anything else before a dial. */
const permitted = new WeakSet<Address>();

/**
 * Sees to it that an address may be dialled. Where there is a terminal the runtime would ask for a permission that is
 * missing, and the whole program would wait for the answer: a backend that is discovered, or that the
 * admin API brings, may be anywhere. What has been granted is taken to stay so.
 *
 * @throws {DialPermissionError}
 */
export function requireDialPermission(address: Address): void {
  if (permitted.has(address)) return;
  const flags = missingFlags(address);
  if (flags.length > 0) throw new DialPermissionError(address, flags);
  permitted.add(address);
}

function missingFlags(address: Address): string[] {
  const text = formatAddress(address);
  if (address.kind === "tcp") {
    // A zone is no part of what the runtime compares.
    const host = text.replace(/%[^\]]*(?=\])/, "");
    return isGranted({ name: "net", host }) ? [] : [`--allow-net=${host}`];
  }
  const { path } = address;
  return [
    ...(isGranted({ name: "net", host: text }) ? [] : [`--allow-net=${text}`]),
    ...(isGranted({ name: "read", path }) ? [] : [`--allow-read=${path}`]),
    ...(isGranted({ name: "write", path }) ? [] : [`--allow-write=${path}`]),
  ];
}

function isGranted(descriptor: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(descriptor).state === "granted";
}
