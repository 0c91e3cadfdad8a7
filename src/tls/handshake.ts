import { setImmediate } from "node:timers";
import type { TLSSocket } from "node:tls";
import { CulvertError } from "../core/errors.ts";
import type { BufferPool } from "../net/buffers.ts";
import type { Connection } from "../net/connection.ts";
import { type CipherEvents, CipherStream } from "./cipher_stream.ts";
import { TlsHandshakeError, toHandshakeError } from "./handshake_errors.ts";
import type { HandshakeEvents } from "./server_context.ts";
import { TlsConnection } from "./tls_connection.ts";

/** A TLS session, and what was agreed on. */
export interface TlsSession {
  /** Clear text. Closing it closes the connection below. */
  readonly connection: TlsConnection;
  /** Whom the peer has shown itself to be; absent if it has shown no certificate. */
  readonly peer?: {
    /** The certificates, DER, the leaf first. */
    readonly chain: readonly Uint8Array[];
  };
  /** The protocol that was agreed on (ALPN). */
  readonly alpn: string | undefined;
  /** The name that the client asked for (SNI). */
  readonly serverName: string | undefined;
  /** Such as `TLSv1.3`. */
  readonly protocol: string;
  /** The cipher suite, by its IANA name. */
  readonly cipher: string;
  /** Whether an older session was taken up. */
  readonly resumed: boolean;
}

/** Options of {@linkcode Handshake}. */
export interface HandshakeOptions {
  readonly signal: AbortSignal;
  readonly buffers: BufferPool;
  readonly ahead?: Uint8Array | undefined;
  /** Decides whether the peer is let in; gives its certificates, or throws. */
  admit(socket: TLSSocket): readonly Uint8Array[];
}

/**
 * An alert is what the engine gives up with; anything else it says then is not meant for a peer that is
 * refused.
 */
const ALERTED = /^ERR_SSL_/;

/**
 * One handshake, ours or a client's: from the connection to a session, or to an error, with the connection
 * closed. All that can happen comes here: from the engine, from the connection below, from the deadline.
 */
export class Handshake implements CipherEvents, HandshakeEvents {
  /** What the engine is to work on. */
  readonly cipher: CipherStream;
  readonly #below: Connection;
  readonly #options: HandshakeOptions;
  readonly #outcome = Promise.withResolvers<TlsSession>();
  readonly #onAbort = () => this.#fail(timeoutOf(this.#options.signal));
  #socket: TLSSocket | undefined;
  #engineError: TlsHandshakeError | undefined;
  #settled = false;

  constructor(below: Connection, options: HandshakeOptions) {
    this.#below = below;
    this.#options = options;
    const { buffers, ahead } = options;
    this.cipher = new CipherStream(below, { buffers, ahead, events: this });
  }

  /**
   * From the beginning to the end. `start` gives the engine the stream; what it makes of it is destroyed with
   * it.
   */
  run(start: () => TLSSocket | undefined): Promise<TlsSession> {
    const { signal } = this.#options;
    if (signal.aborted) this.#onAbort();
    else {
      signal.addEventListener("abort", this.#onAbort);
      try {
        this.#socket = start();
        this.cipher.want();
      } catch (error) {
        this.#fail(toHandshakeError(error));
      }
    }
    return this.#outcome.promise;
  }

  /**
   * The engine is done. Everything is decided here and now: what it says next must not reach a peer that is
   * refused.
   */
  onSecure(socket: TLSSocket): void {
    this.#socket = socket;
    if (this.#settled) return this.#destroy();
    try {
      const chain = this.#options.admit(socket);
      const connection = new TlsConnection(socket, { cipher: this.cipher, below: this.#below });
      this.#settle();
      this.#outcome.resolve(describe(socket, { connection, chain }));
    } catch (error) {
      this.#fail(toHandshakeError(error));
    }
  }

  onEngineError(error: Error & { code?: string }): void {
    if (this.#settled) return;
    if (ALERTED.test(error.code ?? "")) this.cipher.sendLastWords();
    this.#engineError ??= toHandshakeError(error);
    // The alert will have been handed to the connection by then. It is not waited for.
    this.#failNext(this.#engineError);
  }

  onEnd(): void {
    this.#failNext(new TlsHandshakeError("aborted"));
  }

  onReadError(error: unknown): void {
    this.#failNext(
      error instanceof CulvertError ? error : new TlsHandshakeError("aborted", { cause: error }),
    );
  }

  /** The peer may have sent an alert before it broke off: what is still there is read first. */
  onWriteError(_error: unknown): void {}

  onWritten(): void {}

  /** In a turn: what the engine has found in what came last (an alert), it tells only then. */
  #failNext(error: Error): void {
    const reason = toHandshakeError(error);
    setImmediate(() => this.#fail(this.#engineError ?? reason));
  }

  #fail(error: TlsHandshakeError): void {
    this.#settle();
    this.#destroy();
    this.#outcome.reject(error);
  }

  #settle(): void {
    this.#settled = true;
    this.#options.signal.removeEventListener("abort", this.#onAbort);
  }

  #destroy(): void {
    this.cipher.seal();
    this.#socket?.destroy();
    this.cipher.destroy();
    try {
      this.#below.close();
    } catch {
      // Closed already.
    }
  }
}

function timeoutOf(signal: AbortSignal): TlsHandshakeError {
  const { reason } = signal;
  return reason instanceof TlsHandshakeError ? reason : new TlsHandshakeError("timeout", { cause: reason });
}

function describe(
  socket: TLSSocket,
  { connection, chain }: { connection: TlsConnection; chain: readonly Uint8Array[] },
): TlsSession {
  // The types know neither that the client's SNI is here, nor that `false` stands for none.
  const { servername } = socket as TLSSocket & { servername?: string | false | null };
  return {
    connection,
    ...(chain.length === 0 ? {} : { peer: { chain } }),
    alpn: socket.alpnProtocol || undefined,
    serverName: servername || undefined,
    protocol: socket.getProtocol() ?? "unknown",
    cipher: socket.getCipher()?.standardName ?? "unknown",
    resumed: socket.isSessionReused(),
  };
}
