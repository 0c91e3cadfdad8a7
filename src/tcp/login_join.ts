import { onAbort } from "../core/wait.ts";
import { closeQuietly, type Connection } from "../net/connection.ts";
import type { ClientHandshake } from "../service/client_handshake.ts";
import { ConnectionEnded } from "../service/reason.ts";
import type { TlsGate } from "../tls/gate.ts";
import { TlsHandshakeError } from "../tls/session/handshake_errors.ts";
import type { MysqlPacket } from "../tls/starttls/mysql.ts";
import { joinMysql, MysqlServerError } from "../tls/starttls/mysql_login.ts";

/** Options of {@linkcode joinLogin}. */
export interface LoginJoinOptions {
  /** The server, whose greeting has been read. */
  readonly server: Connection;
  readonly greeting: MysqlPacket;
  /** The TLS that the client begins in its login; absent: none. */
  readonly gate: TlsGate | undefined;
  /** Speaks TLS with the server, which has been asked for it; absent: none is spoken. */
  readonly connectTls: ((server: Connection, signal: AbortSignal) => Promise<Connection>) | undefined;
}

/**
 * Switches a client and a MySQL server to TLS in the middle of their login, each where it is configured. Resolves to the
 * server's connection; the client's is replaced in `client`. Closes both at the deadline of the handshake.
 *
 * @throws {MysqlServerError} if the server fails.
 * @throws {ConnectionEnded} if the client fails or is refused.
 */
export async function joinLogin(client: ClientHandshake, options: LoginJoinOptions): Promise<Connection> {
  const { server, greeting, gate, connectTls } = options;
  const signal = client.begin();
  using _abort = onAbort(signal, () => {
    client.close();
    closeQuietly(server);
  });
  try {
    const joined = await joinMysql({
      ...{ client: client.connection, server, greeting },
      secureClient: gate && (async (connection) => {
        client.connection = connection;
        await client.secure(gate);
        return client.connection;
      }),
      secureServer: connectTls && ((connection) => connectTls(connection, signal)),
    });
    client.connection = joined.client;
    return joined.server;
  } catch (error) {
    client.throwIfAborted();
    if (error instanceof ConnectionEnded || error instanceof MysqlServerError) throw error;
    throw error instanceof TlsHandshakeError
      ? new ConnectionEnded(`tls-${error.reason}`, error)
      : new ConnectionEnded("client-reset");
  }
}
