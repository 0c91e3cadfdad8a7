import { onAbort } from "../core/wait.ts";
import net from "node:net";
import type { Address } from "./address.ts";
import { dial } from "./dial.ts";
import { requireDialPermission } from "./dial_permission.ts";

/** Connects to an address and leaves nothing of the connection behind; `signal` gives up. */
export type Touch = (address: Address, signal: AbortSignal) => Promise<void>;

/**
 * Connects, and breaks the connection off with a reset at once: neither side has to wait for the other's end,
 * and no port of ours is kept for a minute (`TIME_WAIT`). On a unix socket, where there is nothing to keep, the
 * connection is closed.
 *
 * It is a socket of `node:net`, as the runtime's own can't be reset. A host name's addresses are tried in turn.
 *
 * @throws {DialPermissionError} where it may not; nobody is asked, were there a terminal or not.
 * @throws what the runtime says, such as `connect ECONNREFUSED 127.0.0.1:5432`, or the signal's reason.
 */
export async function touch(address: Address, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (address.kind === "unix") return (await dial(address, signal)).close();
  requireDialPermission(address);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const socket = net.connect({ host: address.host, port: address.port });
  socket.once("connect", resolve);
  socket.once("close", () => closed.resolve());
  // It stays: what comes after the first is of no interest, and must not end the program.
  socket.on("error", (error) => reject(firstOf(error)));
  using _abort = onAbort(signal, () => reject(signal.reason));
  try {
    await promise;
    socket.resetAndDestroy();
  } finally {
    socket.destroy();
    await closed.promise;
  }
}

/** The error for a name with many addresses says nothing by itself. */
function firstOf(error: Error): Error {
  const [first] = error instanceof AggregateError ? error.errors : [];
  return first instanceof Error ? first : error;
}
