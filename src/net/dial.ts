import type { Address } from "./address.ts";
import type { Connection } from "./connection.ts";
import { requireDialPermission } from "./dial_permission.ts";
import { takeTurns } from "./fair_connection.ts";

/** Opens a connection to an address; `signal` gives up and frees what was begun. The caller closes it. */
export type Dial = (address: Address, signal: AbortSignal) => Promise<Connection>;

/**
 * Dials TCP and unix sockets. `TCP_NODELAY` and keep-alive are on. A host name is resolved at each call, and
 * its addresses are tried in turn (RFC 8305).
 *
 * @throws {DialPermissionError} without the permission; the user is never prompted.
 * @throws the runtime's error, such as `Deno.errors.ConnectionRefused`, or the signal's reason.
 */
export async function dial(address: Address, signal: AbortSignal): Promise<Connection> {
  requireDialPermission(address);
  if (address.kind === "unix") return await dialUnix(address.path, signal);
  const connection = await Deno.connect({ hostname: address.host, port: address.port, signal });
  try {
    prepareSocket(connection);
  } catch (error) {
    connection.close(); // Reset already.
    throw error;
  }
  return takeTurns(connection);
}

async function dialUnix(path: string, signal: AbortSignal): Promise<Connection> {
  const connection = await Deno.connect({ transport: "unix", path });
  if (!signal.aborted) return takeTurns(connection);
  connection.close();
  throw signal.reason;
}

/** `TCP_NODELAY` and keep-alive, for a connection that was dialled or accepted. */
export function prepareSocket(connection: Connection): void {
  if (!("setNoDelay" in connection)) return;
  const socket = connection as Deno.TcpConn;
  socket.setNoDelay(true);
  socket.setKeepAlive(true);
}
