import { CulvertError } from "../core/errors.ts";
import type { Connection } from "../net/connection.ts";
import { bareConnection, PrefixedConnection } from "../net/prefixed_connection.ts";
import type { ProxyEndpoints, ProxyTlv } from "../net/proxy_protocol/header.ts";
import { readProxyHeader } from "../net/proxy_protocol/read.ts";
import { prereadClientHello } from "../net/client_hello/read.ts";

/** What a client says before it is known who it is or where it wants to go. */
export interface Preface {
  /** The connection, from which everything that is to go on can be read. */
  readonly connection: Connection;
  /** Who the client is and where it connected to, where a PROXY header names them. */
  readonly endpoints?: ProxyEndpoints;
  /** The TLVs of the PROXY header, where there are any. */
  readonly tlvs?: readonly ProxyTlv[];
  /** The name in its ClientHello, where one was read and has one. */
  readonly serverName?: string;
  /** Why its first bytes, which were looked at, give no name to route by: they are no ClientHello, or a bad name. */
  readonly nameFault?: CulvertError;
}

/** What is to be read first. */
export interface PrefaceOptions {
  /** A PROXY header. It is taken out. */
  readonly proxyHeader: boolean;
  /** A ClientHello, perhaps. Whatever it is, it stays in. */
  readonly clientHello: boolean;
  /** Told what a PROXY header says, before anything else is read. */
  readonly onEndpoints?: (endpoints: ProxyEndpoints) => void;
}

/**
 * Reads what must come first, and nothing that could not be given back. The caller sees to the deadline, by closing
 * the connection.
 *
 * @throws {CulvertError} `bad_proxy_header`; `bad_client_hello` for one beyond its bounds or cut short; `no_proxy_header`
 * or `no_client_hello` where the client has ended its side without a word; and whatever reading throws.
 */
export async function readPreface(client: Connection, options: PrefaceOptions): Promise<Preface> {
  let preface: Preface = { connection: client };
  if (options.proxyHeader) {
    const { header, rest, tlvs } = await readProxyHeader(client);
    const connection = rest.length === 0 ? client : new PrefixedConnection(client, rest);
    if (header.endpoints !== undefined) options.onEndpoints?.(header.endpoints);
    preface = {
      connection,
      ...(header.endpoints === undefined ? {} : { endpoints: header.endpoints, tlvs }),
    };
  }
  if (options.clientHello) {
    const { hello, fault, bytes } = await prereadClientHello(preface.connection);
    const connection = new PrefixedConnection(bareConnection(preface.connection), bytes);
    const nameFault = hello?.serverNameFault === undefined ? fault : badName(hello.serverNameFault);
    const { serverName } = hello ?? {};
    preface = {
      ...preface,
      connection,
      ...(serverName === undefined ? {} : { serverName }),
      ...(nameFault === undefined ? {} : { nameFault }),
    };
  }
  return preface;
}

function badName(reason: string): CulvertError {
  return new CulvertError("bad_server_name", `Cannot use the server name of the ClientHello: ${reason}`);
}
