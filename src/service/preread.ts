import { CulvertError } from "../core/errors.ts";
import { prereadClientHello } from "../net/client_hello/read.ts";
import type { Connection } from "../net/connection.ts";
import { bareConnection, PrefixedConnection } from "../net/prefixed_connection.ts";
import type { ProxyEndpoints, ProxyTlv } from "../net/proxy_protocol/header.ts";
import { readProxyHeader } from "../net/proxy_protocol/read.ts";

/** A PROXY header that was read. */
export interface PrereadProxyHeader {
  /** The connection behind the header. */
  readonly connection: Connection;
  /** The client and the address that it connected to; absent: the header names none. */
  readonly endpoints?: ProxyEndpoints;
  /** The TLVs of the header, where it names endpoints. */
  readonly tlvs?: readonly ProxyTlv[];
}

/** The first bytes of a client that were searched for a server name. */
export interface PrereadServerName {
  /** The connection, from which all of these bytes can be read again. */
  readonly connection: Connection;
  /** The server name of the ClientHello. */
  readonly serverName: string | undefined;
  /** Why there is none: the bytes are no ClientHello, or the name in it is not valid. */
  readonly error: CulvertError | undefined;
}

/**
 * Reads a PROXY header, and removes it from the stream. The caller enforces a deadline by closing the connection.
 *
 * @throws {CulvertError} `bad_proxy_header`; `no_proxy_header` if the client ends its side without a byte; and what
 * reading throws.
 */
export async function prereadProxyHeader(client: Connection): Promise<PrereadProxyHeader> {
  const { header: { endpoints }, rest, tlvs } = await readProxyHeader(client);
  const connection = rest.length === 0 ? client : new PrefixedConnection(client, rest);
  return endpoints === undefined ? { connection } : { connection, endpoints, tlvs };
}

/**
 * Reads a ClientHello, and leaves it in the stream; so it does with bytes that are none. The caller enforces a deadline
 * by closing the connection.
 *
 * @throws {CulvertError} `bad_client_hello` if it is too large or ends early; `no_client_hello` if the client ends its
 * side without a byte; and what reading throws.
 */
export async function prereadServerName(client: Connection): Promise<PrereadServerName> {
  const { hello, fault, bytes } = await prereadClientHello(client);
  const connection = new PrefixedConnection(bareConnection(client), bytes);
  const reason = hello?.serverNameFault;
  if (reason === undefined) return { connection, serverName: hello?.serverName, error: fault };
  return { connection, serverName: undefined, error: badServerName(reason) };
}

/** A client asks for a server name that can't be used. */
export function badServerName(reason: string): CulvertError {
  return new CulvertError("bad_server_name", `Cannot use the server name of the ClientHello: ${reason}`);
}
