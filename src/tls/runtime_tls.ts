import type { Connection } from "../net/connection.ts";
import { TlsHandshakeError, toHandshakeError } from "./handshake_errors.ts";

/** Whether a connection comes from `Deno.listenTls`: then the runtime speaks TLS, and asks for no certificate. */
export function isRuntimeTls(connection: Connection): connection is Deno.TlsConn {
  return "handshake" in connection;
}

/**
 * Waits for the runtime's handshake, which has no deadline of its own. Closes the connection when it fails.
 * Resolves to the protocol that was agreed on (ALPN).
 *
 * @throws {TlsHandshakeError} `timeout` when the signal fires first; `failed` or what else the runtime tells.
 */
export async function runtimeHandshake(
  connection: Deno.TlsConn,
  signal: AbortSignal,
): Promise<string | undefined> {
  const close = () => connection.close();
  signal.addEventListener("abort", close);
  try {
    signal.throwIfAborted();
    const { alpnProtocol } = await connection.handshake();
    return alpnProtocol ?? undefined;
  } catch (error) {
    if (signal.aborted) throw new TlsHandshakeError("timeout", { cause: signal.reason });
    connection.close();
    throw toHandshakeError(error);
  } finally {
    signal.removeEventListener("abort", close);
  }
}
