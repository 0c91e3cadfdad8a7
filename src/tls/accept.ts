import { onAbort } from "../core/wait.ts";
import type { TLSSocket } from "node:tls";
import type { BufferPool } from "../net/buffers.ts";
import { closeQuietly, type Connection } from "../net/connection.ts";
import { timeoutError, TlsHandshakeError } from "./session/handshake_errors.ts";
import { Handshake, type TlsSession } from "./session/handshake.ts";
import { peerChain } from "./x509/path/peer_chain.ts";
import { requirePossession } from "./possession.ts";
import { type HelloPreread, prereadHello } from "./preread_hello.ts";
import type { ServerContext } from "./session/server_context.ts";
import { chainVerifier, requireVerdict, type VerifyPeer } from "./authorize/verify_peer.ts";

/** Options of {@linkcode acceptTls}. */
export interface AcceptTlsOptions {
  readonly context: ServerContext;
  /** Gives the handshake up: its deadline. */
  readonly signal: AbortSignal;
  /** Lends the read buffers. */
  readonly buffers: BufferPool;
  /**
   * What was read from the connection already. Not copied: not to be changed before the promise has settled.
   */
  readonly ahead?: Uint8Array | undefined;
  /**
   * Asked about every client that shows a certificate, in full and in resumed handshakes, before anything of
   * the client's can be read. @default its chain must lead to a CA of the context, and hold now
   */
  readonly verify?: VerifyPeer | undefined;
  /** Refuses a client that offers no protocol by ALPN. @default {false} */
  readonly requireAlpn?: boolean | undefined;
}

/**
 * Speaks TLS with a client whose connection has been accepted, and perhaps read from, already. Resolves when
 * the handshake is done and the client is accepted; its certificates, if any, are in `peer`.
 *
 * The engine verifies that the client holds the key of its certificate, and nothing else about it; in a resumed
 * session not even that, and its tickets are accepted by every server of the program. So `verify` is asked each
 * time, as if the certificate had just been shown.
 *
 * Owns the connection: when the promise rejects, it has been closed.
 *
 * @throws {TlsHandshakeError} whose `reason` tells why.
 */
export async function acceptTls(connection: Connection, options: AcceptTlsOptions): Promise<TlsSession> {
  const { context, signal, buffers, verify = verifierOf(context), requireAlpn = false } = options;
  using hello = await readHello(connection, options);
  const handshake = new Handshake(connection, {
    signal,
    buffers,
    ahead: hello.bytes,
    admit: (socket) => {
      if (requireAlpn) requireAlpnOf(socket);
      return admit(socket, { context, verify });
    },
  });
  return await handshake.run(() => context.begin(handshake.cipher, handshake));
}

/** Reads the ClientHello, within the deadline. Closes the connection if that fails. */
async function readHello(connection: Connection, options: AcceptTlsOptions): Promise<HelloPreread> {
  const { signal, buffers, ahead } = options;
  const close = () => closeQuietly(connection);
  using _abort = onAbort(signal, close);
  try {
    signal.throwIfAborted();
    return await prereadHello(connection, { buffers, ahead });
  } catch (error) {
    close();
    if (signal.aborted) throw timeoutError(signal);
    throw error instanceof TlsHandshakeError ? error : new TlsHandshakeError("aborted", { cause: error });
  }
}

/** A request of another protocol must not reach a server in the place of its own (ALPACA, USENIX Security 2021). */
function requireAlpnOf({ alpnProtocol }: TLSSocket): void {
  if (alpnProtocol) return;
  const detail = "it began TLS without asking for it first, and offered no protocol by ALPN";
  throw new TlsHandshakeError("no-shared-alpn", { detail });
}

/** Returns the certificates of a client that is accepted; throws for any other. */
function admit(
  socket: TLSSocket,
  { context, verify }: { context: ServerContext; verify: VerifyPeer },
): readonly Uint8Array[] {
  // A ticket of another listener's may bring a certificate along that was not asked for here.
  if (context.clientAuth === "none") return [];
  return admitChain(peerChain(socket), { context, verify });
}

/**
 * Decides about the certificates of a client that were asked for (DER, the leaf first; none: it sent none).
 *
 * @returns The same certificates.
 * @throws {TlsHandshakeError} whose `reason` tells why the client is rejected.
 */
export function admitChain(
  chain: readonly Uint8Array[],
  { context, verify }: { context: Pick<ServerContext, "clientAuth">; verify: VerifyPeer },
): readonly Uint8Array[] {
  if (chain.length === 0) {
    if (context.clientAuth === "optional") return chain;
    throw new TlsHandshakeError("no-certificate");
  }
  requireVerdict(chain, verify);
  requirePossession(chain);
  return chain;
}

/** Verifies the chain with the CAs of the context. */
function verifierOf({ trust, now }: ServerContext): VerifyPeer {
  return trust === undefined
    ? () => ({ ok: false, reason: "unknown-ca" })
    : chainVerifier(trust, { usage: "client", now });
}
