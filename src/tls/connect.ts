import tls, { type TLSSocket } from "node:tls";
import type { Clock } from "../core/clock.ts";
import type { BufferPool } from "../net/buffers.ts";
import { closeQuietly, type Connection } from "../net/connection.ts";
import type { EngineGuard } from "./session/cipher_stream.ts";
import type { ClientContext } from "./client_context.ts";
import { Handshake, type TlsSession } from "./session/handshake.ts";
import { TlsHandshakeError } from "./session/handshake_errors.ts";
import { isGoodForHost } from "./authorize/host_name.ts";
import { readIdentity } from "./x509/identity.ts";
import { peerChain } from "./x509/path/peer_chain.ts";
import { requirePossession } from "./possession.ts";
import { chainVerifier, requireVerdict } from "./authorize/verify_peer.ts";

/** Options of {@linkcode connectTls}. */
export interface ConnectTlsOptions {
  readonly context: ClientContext;
  /** Gives the handshake up: its deadline. */
  readonly signal: AbortSignal;
  /** Lends the read buffers. */
  readonly buffers: BufferPool;
  /** The protocols that are offered by ALPN. @default those of the context */
  readonly alpn?: readonly string[] | undefined;
  /** Times the wait for the server's word about our certificate. @default {systemClock} */
  readonly clock?: Clock;
}

/**
 * Speaks TLS with the server at the other end of a connection. Resolves when the handshake is done and the
 * server matches the context; its certificates are in `peer`, verified or not.
 *
 * By TLS 1.3 a server looks at our certificate only after that. Where we have one, its next word is awaited, be
 * it a session ticket, data or an end, for at most twice the time that the handshake took, and for 20 ms to 1 s.
 * A server that refuses us later still makes the first read reject with a {@linkcode TlsHandshakeError} of the
 * reason `refused-by-peer`.
 *
 * Owns the connection: when the promise rejects, it has been closed.
 *
 * @throws {TlsHandshakeError} whose `reason` tells why.
 */
export async function connectTls(connection: Connection, options: ConnectTlsOptions): Promise<TlsSession> {
  const { context, signal, buffers, alpn, clock } = options;
  const offered = alpn === undefined ? {} : { ALPNProtocols: [...alpn] };
  const handshake = new Handshake(connection, {
    ...{ signal, buffers, clock, guard: guardOf(context, connection) },
    admit: (socket) => admit(socket, context),
    mayRefuse: (socket) => context.credentials !== undefined && socket.getProtocol() === "TLSv1.3",
  });
  return await handshake.run(() => {
    const socket = tls.connect({ ...context.engine, ...offered, socket: handshake.cipher });
    socket.on("secureConnect", () => handshake.onSecure(socket));
    socket.on("error", (error: Error) => handshake.onEngineError(error));
    return socket;
  });
}

/** Watches the handshake. Closes the connection where there is to be none. */
function guardOf({ caution }: ClientContext, connection: Connection): EngineGuard {
  try {
    return caution.guard();
  } catch (error) {
    closeQuietly(connection);
    throw error;
  }
}

/**
 * Returns the certificates of a server that matches the context, in full and in resumed handshakes; throws for any other.
 *
 * The chain is verified here: the engine calls everything that may be wrong with it by the same name, and does not
 * verify it again in a session that is resumed.
 */
function admit(socket: TLSSocket, context: ClientContext): readonly Uint8Array[] {
  const { verify, verifyName, verifyPeer, serverName, trust, authorizer, now } = context;
  const chain = peerChain(socket);
  if (!verify) return chain;
  if (trust !== undefined) requireVerdict(chain, chainVerifier(trust, { usage: "server", now, authorizer }));
  const [leaf] = chain;
  if (leaf === undefined) throw new TlsHandshakeError("no-certificate");
  // The runtime's roots are known to the engine alone, which verifies the chain with them.
  if (trust === undefined && !socket.authorized) {
    const detail = `the runtime rejects its certificate: ${socket.authorizationError}`;
    throw new TlsHandshakeError("bad-certificate", { detail, chain });
  }
  requirePossession(chain);
  if (verifyName && !isGoodForHost(readIdentity(leaf), serverName)) {
    throw new TlsHandshakeError("name-mismatch", {
      detail: `its certificate is not for ${serverName}`,
      chain,
    });
  }
  if (verifyPeer !== undefined) requireVerdict(chain, verifyPeer);
  return chain;
}
