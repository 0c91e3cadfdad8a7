import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { type Address, formatAddress } from "./address.ts";
import { setAccess, type SocketAccess } from "./socket_access.ts";

/** How a listener was made accessible, and how it is to be now. */
export interface AccessChange {
  readonly from: SocketAccess | undefined;
  readonly to: SocketAccess | undefined;
  readonly log: Log;
}

/**
 * Gives a unix socket that goes on listening the mode and group of a new configuration. Where that fails it is its
 * owner's alone, and the log says so.
 */
export function changeAccess(address: Address, { from, to, log }: AccessChange): void {
  if (address.kind === "tcp" || JSON.stringify(from) === JSON.stringify(to)) return;
  setAccess(address.path, to).catch((error) =>
    log.error("cannot change the access to a unix socket", {
      listener: formatAddress(address),
      error: describeError(error),
    })
  );
}
