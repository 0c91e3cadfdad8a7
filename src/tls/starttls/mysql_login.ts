import { CulvertError, describeError } from "../../core/errors.ts";
import { closeQuietly, type Connection, writeAll } from "../../net/connection.ts";
import { PrefixedConnection } from "../../net/prefixed_connection.ts";
import {
  type MysqlPacket,
  offering,
  readGreeting,
  readResponse,
  readSslRequest,
  sslRequestOf,
  withTls,
} from "./mysql.ts";
import { MysqlSequence } from "./mysql_sequence.ts";
import { PreludeStream } from "./prelude_stream.ts";

/** What went wrong is the server's, or between it and us. */
export class MysqlServerError extends CulvertError {
  /** What it is called. */
  override name = "MysqlServerError";

  constructor(cause: unknown) {
    super("mysql_server", describeError(cause), { cause });
  }
}

/** What a {@linkcode joinMysql} works with. */
export interface JoinMysqlOptions {
  /** The client, which has been sent nothing. */
  readonly client: Connection;
  /** The server, whose greeting has been read and nothing else. */
  readonly server: Connection;
  /** That greeting, as {@linkcode readMysqlGreeting} has read it. */
  readonly greeting: MysqlPacket;
  /** Speaks TLS with the client, which has asked for it, and decides whether it is accepted; absent: it speaks in clear. */
  readonly secureClient?: ((client: Connection) => Promise<Connection>) | undefined;
  /** Speaks TLS with the server, which has been asked for it; absent: it is spoken with in clear. */
  readonly secureServer?: ((server: Connection) => Promise<Connection>) | undefined;
}

/** The two sides to go on with, each as if nothing but the greeting had been said in clear. */
export interface JoinedMysql {
  readonly client: Connection;
  readonly server: Connection;
}

/**
 * Reads the greeting of a MySQL server. It has to be the client's too: the challenge that the client's password answers
 * is in it.
 *
 * @throws {TlsHandshakeError}
 */
export async function readMysqlGreeting(server: Connection, options: { tls: boolean }): Promise<MysqlPacket> {
  return await readGreeting(new PreludeStream(server), options);
}

/**
 * Starts TLS with a client and with a MySQL server, on each side that has it, with one greeting and one login for both. The
 * server gets no byte before the client has been accepted.
 *
 * Owns neither connection before it resolves; the caller sees to the deadline, by closing them.
 *
 * @throws {MysqlServerError} for what fails with the server.
 * @throws {TlsHandshakeError} for what the client says, and what `secureClient` throws.
 */
export async function joinMysql(options: JoinMysqlOptions): Promise<JoinedMysql> {
  const { client, greeting, secureClient } = options;
  const stream = new PreludeStream(client);
  await stream.write(offering(greeting, secureClient !== undefined));
  if (secureClient === undefined) return await joinPlainClient(stream, options);
  const request = await readSslRequest(stream);
  // What came behind the request is the beginning of TLS, and is nothing else: it goes to TLS alone.
  const secured = await secureClient(withRest(client, stream));
  try {
    return await joinSecuredClient(secured, { ...options, request });
  } catch (error) {
    closeQuietly(secured);
    throw error;
  }
}

async function joinSecuredClient(
  client: Connection,
  { server, secureServer, request }: JoinMysqlOptions & { request: MysqlPacket },
): Promise<JoinedMysql> {
  if (secureServer !== undefined) {
    const secured = await ofServer(async () => {
      await writeAll(server, request);
      return await secureServer(server);
    });
    return { client, server: secured };
  }
  const stream = new PreludeStream(client);
  const response = await readResponse(stream, 2);
  await ofServer(() => writeAll(server, withTls(response, false)));
  return { client: withRest(client, stream), server: new MysqlSequence(server, 1) };
}

async function joinPlainClient(
  stream: PreludeStream,
  { client, server, secureServer }: JoinMysqlOptions,
): Promise<JoinedMysql> {
  const response = await readResponse(stream, 1);
  const secured = await ofServer(async () => {
    await writeAll(server, sslRequestOf(response));
    const connection = await secureServer!(server); // One of the two sides is secured.
    await writeAll(connection, withTls(response, true));
    return connection;
  });
  return { client: withRest(client, stream), server: new MysqlSequence(secured, -1) };
}

async function ofServer<T>(talk: () => Promise<T>): Promise<T> {
  try {
    return await talk();
  } catch (error) {
    throw new MysqlServerError(error);
  }
}

function withRest(connection: Connection, { rest }: PreludeStream): Connection {
  return rest.length === 0 ? connection : new PrefixedConnection(connection, rest);
}
