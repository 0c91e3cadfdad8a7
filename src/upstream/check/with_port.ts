import { CulvertError } from "../../core/errors.ts";
import { type Address, formatAddress } from "../../net/address.ts";

/**
 * Where a backend is checked whose checks go to a port of their own. Without `port` it is the address itself.
 *
 * @throws {CulvertError} `bad_address` for a unix socket, which has no ports.
 */
export function withPort(address: Address, port: number | undefined): Address {
  if (port === undefined) return address;
  if (address.kind === "tcp") return { ...address, port };
  const message = `Cannot check "${formatAddress(address)}" on port ${port}: a unix socket has no ports`;
  throw new CulvertError("bad_address", message);
}
