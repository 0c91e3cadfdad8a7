import { setImmediate } from "node:timers";
import type { TLSSocket } from "node:tls";
import { type Clock, systemClock } from "../../core/clock.ts";
import { CulvertError } from "../../core/errors.ts";
import type { BufferPool } from "../../net/buffers.ts";
import { closeQuietly, type Connection } from "../../net/connection.ts";
import { type CipherEvents, CipherStream, type EngineGuard } from "./cipher_stream.ts";
import { timeoutError, TlsHandshakeError, toHandshakeError } from "./handshake_errors.ts";
import type { HandshakeEvents } from "./server_context.ts";
import { TlsConnection } from "./tls_connection.ts";

/** A TLS session, and what was agreed on. */
export interface TlsSession {
  /** Clear text. Closing it closes the connection below. */
  readonly connection: TlsConnection;
  /** The certificates of the peer; absent if it presented none. */
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
  /** The same by OpenSSL's name, which is another one up to TLS 1.2. */
  readonly opensslCipher: string;
  /** Whether an earlier session was resumed. */
  readonly resumed: boolean;
}

/** Options of {@linkcode Handshake}. */
export interface HandshakeOptions {
  readonly signal: AbortSignal;
  readonly buffers: BufferPool;
  readonly ahead?: Uint8Array | undefined;
  /** Returns the certificates of a peer that is accepted; throws for any other. */
  admit(socket: TLSSocket): readonly Uint8Array[];
  /**
   * Whether an accepted peer may still reject our certificate: then its next message is awaited.
   * @default it may not
   */
  mayRefuse?(socket: TLSSocket): boolean;
  /** Watches what the engine is given until the handshake is done. */
  readonly guard?: EngineGuard | undefined;
  /** Times the wait for that word. @default {systemClock} */
  readonly clock?: Clock | undefined;
}

/**
 * An alert is what the engine gives up with; anything else it says then is not meant for a peer that is
 * refused.
 */
const ALERTED = /^ERR_SSL_/;

/** The length of an alert by TLS 1.3: of fewer bytes there is more to come before they say anything. */
const ALERT_BYTES = 24;
const MIN_VERDICT_MS = 20;
const MAX_VERDICT_MS = 1000;

/**
 * One handshake, ours or a client's: from the connection to a session, or to an error, with the connection
 * closed. All that can happen comes here: from the engine, from the connection below, from the deadline.
 *
 * By TLS 1.3 a server looks at our certificate when the handshake is over for us. One that accepts it mostly
 * sends session tickets at once, so its next word tells: anything but an alert or a bare end says yes. As a
 * server may also wait for us to speak, silence says yes after twice the time that the handshake took.
 */
export class Handshake implements CipherEvents, HandshakeEvents {
  /** What the engine is to work on. */
  readonly cipher: CipherStream;
  readonly #below: Connection;
  readonly #options: HandshakeOptions;
  readonly #outcome = Promise.withResolvers<TlsSession>();
  readonly #onAbort = () => this.#fail(timeoutError(this.#options.signal));
  #socket: TLSSocket | undefined;
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  #engineError: TlsHandshakeError | undefined;
  #writeError: unknown;
  /** A session that the peer may still refuse. */
  #session: TlsSession | undefined;
  #waitMs = 0;
  #cancelWait: (() => void) | undefined;
  /** It fails within this turn: what has ended or broken is not to be called a session any more. */
  #failing = false;
  #settled = false;

  constructor(below: Connection, options: HandshakeOptions) {
    this.#below = below;
    this.#options = options;
    const { buffers, ahead, guard, clock = systemClock } = options;
    this.#clock = clock;
    this.#startedAtMs = clock.now();
    this.cipher = new CipherStream(below, { buffers, ahead, events: this, guard });
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
        this.cipher.startReading();
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
    this.cipher.guard = undefined;
    if (this.#settled) return this.#destroy();
    try {
      const chain = this.#options.admit(socket);
      // What the peer still needs from us can't reach it.
      if (this.#writeError !== undefined) throw this.#broken(this.#writeError);
      const connection = new TlsConnection(socket, { cipher: this.cipher, below: this.#below });
      const session = describe(socket, { connection, chain });
      if (this.#options.mayRefuse?.(socket) === true) this.#awaitVerdict(session);
      else this.#succeed(session);
    } catch (error) {
      const refusal = toHandshakeError(error);
      refusal.serverName = serverNameOf(socket);
      this.#fail(refusal);
    }
  }

  onEngineError(error: Error & { code?: string }): void {
    if (this.#settled) return;
    if (ALERTED.test(error.code ?? "")) this.cipher.sendAlert();
    this.#engineError ??= toHandshakeError(error);
    // The alert will have been handed to the connection by then. It is not waited for.
    this.#failNext(this.#engineError);
  }

  onEnd(): void {
    this.#failNext(this.#broken());
  }

  onReadError(error: unknown): void {
    this.#failNext(error instanceof CulvertError ? error : this.#broken(error));
  }

  /** The peer may have sent an alert before it broke off: what is still there is read first. */
  onWriteError(error: unknown): void {
    this.#writeError ??= error;
  }

  /** What the peer is to look at may only now be on its way: the time for its word begins again. */
  onWritten(): void {
    if (this.#session !== undefined && !this.#settled) this.#startWait(this.#session);
  }

  /** Resolves with the session when the peer has sent something, or has had the time to. */
  #awaitVerdict(session: TlsSession): void {
    this.#session = session;
    const tookMs = this.#clock.now() - this.#startedAtMs;
    this.#waitMs = Math.min(Math.max(2 * tookMs, MIN_VERDICT_MS), MAX_VERDICT_MS);
    this.#startWait(session);
    let heardBytes = 0;
    this.cipher.onData = (count) => {
      heardBytes += count;
      if (heardBytes < ALERT_BYTES) return;
      this.#stopWaiting();
      // In a turn, as below: it may have been an alert.
      setImmediate(() => this.#succeed(session));
    };
    // The connection has it by now, and keeps the clear text that comes. Ends and failures still matter here.
    this.cipher.events = this;
    this.cipher.startReading();
  }

  #startWait(session: TlsSession): void {
    this.#cancelWait?.();
    this.#cancelWait = this.#clock.after(this.#waitMs, () => this.#succeed(session));
  }

  /** Ends reading and waiting until the session has an owner. */
  #stopWaiting(): void {
    this.#cancelWait?.();
    this.cipher.onData = undefined;
    this.cipher.stopReading();
  }

  #succeed(session: TlsSession): void {
    if (this.#settled || this.#failing) return;
    this.#settle();
    this.cipher.events = session.connection;
    if (this.#writeError !== undefined) session.connection.onWriteError(this.#writeError);
    this.#outcome.resolve(session);
  }

  /** In a turn: what the engine has found in what came last (an alert), it tells only then. */
  #failNext(error: Error): void {
    this.#failing = true;
    const reason = toHandshakeError(error);
    setImmediate(() => this.#fail(this.#engineError ?? reason));
  }

  #fail(error: TlsHandshakeError): void {
    if (this.#settled) return;
    this.#settle();
    this.#outcome.reject(error);
    this.#destroy();
  }

  #settle(): void {
    this.#settled = true;
    this.#stopWaiting();
    this.#options.signal.removeEventListener("abort", this.#onAbort);
  }

  /** The peer has closed or broken the connection. */
  #broken(cause?: unknown): TlsHandshakeError {
    return new TlsHandshakeError("aborted", {
      cause,
      ...(this.#session === undefined
        ? {}
        : { detail: "it closed the connection after it had received the client certificate" }),
    });
  }

  #destroy(): void {
    this.cipher.seal();
    this.#socket?.destroy();
    this.cipher.destroy();
    closeQuietly(this.#below);
  }
}

/** The name that the client asked for. */
function serverNameOf(socket: TLSSocket): string | undefined {
  // The types know neither that it is here, nor that `false` stands for none.
  const { servername } = socket as TLSSocket & { servername?: string | false | null };
  return servername || undefined;
}

function describe(
  socket: TLSSocket,
  { connection, chain }: { connection: TlsConnection; chain: readonly Uint8Array[] },
): TlsSession {
  const cipher = socket.getCipher();
  return {
    connection,
    ...(chain.length === 0 ? {} : { peer: { chain } }),
    alpn: socket.alpnProtocol || undefined,
    serverName: serverNameOf(socket),
    protocol: socket.getProtocol() ?? "unknown",
    cipher: cipher?.standardName ?? "unknown",
    opensslCipher: cipher?.name ?? "unknown",
    resumed: socket.isSessionReused(),
  };
}
