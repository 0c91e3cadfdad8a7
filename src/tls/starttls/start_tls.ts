import { onAbort } from "../../core/wait.ts";
import { closeQuietly, type Connection } from "../../net/connection.ts";
import { PrefixedConnection } from "../../net/prefixed_connection.ts";
import { TlsHandshakeError } from "../session/handshake_errors.ts";
import { imap } from "./imap.ts";
import { ldap } from "./ldap.ts";
import { mysql } from "./mysql.ts";
import { pop3 } from "./pop3.ts";
import { postgres } from "./postgres.ts";
import { PreludeStream } from "./prelude_stream.ts";
import type { OfferOptions, StartTlsName, StartTlsProtocol } from "./protocol.ts";
import { smtp } from "./smtp.ts";

const PROTOCOLS: Readonly<Record<StartTlsName, StartTlsProtocol>> = {
  ...{ postgres, mysql, smtp, imap, pop3, ldap },
};

/** The protocols that a server selects among by ALPN, where `configured` are, which may be none. */
export function alpnWith(
  protocol: StartTlsName | undefined,
  configured: readonly string[],
): readonly string[] {
  const own = protocol && PROTOCOLS[protocol].alpn;
  return configured.length === 0 && own !== undefined ? [own] : configured;
}

/** Whether TLS begins in the middle of a login, which takes the client and the server together. */
export function isJoint(protocol: StartTlsName | undefined): boolean {
  return protocol !== undefined && PROTOCOLS[protocol].offer === undefined;
}

/** Whether clients have had a greeting from us when TLS begins. */
export function greets(protocol: StartTlsName | undefined): protocol is StartTlsName {
  return protocol !== undefined && PROTOCOLS[protocol].readGreeting !== undefined;
}

/** Options of {@linkcode skipGreeting}. */
export interface SkipGreetingOptions {
  /** In which the server speaks first. */
  readonly protocol: StartTlsName;
  /** Gives up: the deadline. */
  readonly signal: AbortSignal;
}

/** Options of {@linkcode offerTls}. */
export interface OfferTlsOptions extends OfferOptions {
  readonly protocol: StartTlsName;
  /** Gives up: the deadline. */
  readonly signal: AbortSignal;
}

/** What has come of {@linkcode offerTls}. */
export interface OfferedTls {
  /** The connection that TLS is to be spoken over. */
  readonly connection: Connection;
  /** Whether the client has begun TLS without a request. */
  readonly isDirect: boolean;
}

/**
 * Lets a client ask for TLS in its own protocol, or begin it where the protocol allows that.
 *
 * Owns the connection: when the promise rejects, it has been closed.
 *
 * @throws {TlsHandshakeError} whose `reason` tells why there is no TLS.
 */
export async function offerTls(connection: Connection, options: OfferTlsOptions): Promise<OfferedTls> {
  const { protocol, hostName, signal } = options;
  const stream = new PreludeStream(connection);
  await within(connection, signal, async () => await PROTOCOLS[protocol].offer?.(stream, { hostName }));
  const { rest } = stream;
  // After a request nothing is left: what is, is the beginning of TLS.
  return rest.length === 0
    ? { connection, isDirect: false }
    : { connection: new PrefixedConnection(connection, rest), isDirect: true };
}

/**
 * Asks a server for TLS in its own protocol. Resolves when TLS can begin, to the greeting that the server's clients have
 * to see, if there is one.
 *
 * Owns the connection: when the promise rejects, it has been closed.
 *
 * @throws {TlsHandshakeError} whose `reason` tells why there is no TLS.
 */
export async function requestTls(
  connection: Connection,
  { protocol, signal }: { protocol: StartTlsName; signal: AbortSignal },
): Promise<Uint8Array | undefined> {
  const stream = new PreludeStream(connection);
  return await within(connection, signal, () => PROTOCOLS[protocol].request(stream));
}

/**
 * Takes the greeting of a server off a connection, for a client that has had one before TLS began. Resolves to the
 * connection to go on with.
 *
 * Owns the connection: when the promise rejects, it has been closed.
 *
 * @throws {TlsHandshakeError} whose `reason` tells why there is no greeting.
 */
export async function skipGreeting(
  connection: Connection,
  { protocol, signal }: SkipGreetingOptions,
): Promise<Connection> {
  const stream = new PreludeStream(connection);
  await within(connection, signal, async () => await PROTOCOLS[protocol].readGreeting?.(stream));
  const { rest } = stream;
  return rest.length === 0 ? connection : new PrefixedConnection(connection, rest);
}

/** Closes the connection when `talk` fails, or when the signal fires. */
async function within<T>(connection: Connection, signal: AbortSignal, talk: () => Promise<T>): Promise<T> {
  const close = () => closeQuietly(connection);
  using _abort = onAbort(signal, close);
  try {
    signal.throwIfAborted();
    return await talk();
  } catch (error) {
    close();
    if (signal.aborted) throw new TlsHandshakeError("timeout", { cause: signal.reason });
    if (error instanceof TlsHandshakeError) throw error;
    throw new TlsHandshakeError("aborted", { cause: error });
  }
}
