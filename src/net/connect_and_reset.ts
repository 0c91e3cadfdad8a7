import { onAbort } from "../core/wait.ts";
import net from "node:net";
import type { Address } from "./address.ts";
import { dial } from "./dial.ts";
import { requireDialPermission } from "./dial_permission.ts";

/** Connects to an address and resets the connection; `signal` aborts. */
export type ConnectAndReset = (address: Address, signal: AbortSignal) => Promise<void>;

/**
 * Connects and resets the connection at once, which leaves no port in `TIME_WAIT`. On a unix socket the connection is
 * closed.
 *
 * Uses a socket of `node:net`, as the runtime can't reset its own. The addresses of a host name are tried in turn.
 *
 * @throws {DialPermissionError} without the permission; there is no prompt.
 * @throws the error of the runtime, such as `connect ECONNREFUSED 127.0.0.1:5432`, or the signal's reason.
 */
export async function connectAndReset(address: Address, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (address.kind === "unix") return (await dial(address, signal)).close();
  requireDialPermission(address);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const socket = net.connect({ host: address.host, port: address.port });
  socket.once("connect", resolve);
  socket.once("close", () => closed.resolve());
  // Stays attached: an error after the first one must not end the program.
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

/** The error for a name with several addresses has no message of its own. */
function firstOf(error: Error): Error {
  const [first] = error instanceof AggregateError ? error.errors : [];
  return first instanceof Error ? first : error;
}
