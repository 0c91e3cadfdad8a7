import tls, { type TLSSocket } from "node:tls";
import { CulvertError } from "../../core/errors.ts";
import type { CipherStream } from "./cipher_stream.ts";
import { algorithmsOf, type CertificateAlgorithms } from "../x509/certificate_algorithms.ts";
import { credentialWarnings, type OwnCredentials, readCredentials } from "./credentials.ts";
import type { TrustStore } from "../x509/path/trust_store.ts";

/** A version of TLS. */
export type TlsVersion = "1.2" | "1.3";

/** What {@linkcode ServerContext} is made of. */
export interface ServerContextOptions {
  /** The server's certificate in PEM, followed by those between it and the root. */
  readonly cert: string;
  /** Its private key in PEM. */
  readonly key: string;
  /** Whether client certificates are requested, or required. @default {"none"} */
  readonly clientAuth?: "none" | "optional" | "require";
  /**
   * The CAs that may have issued the clients' certificates. Needed unless `clientAuth` is `none`.
   *
   * @internal
   */
  readonly trust?: TrustStore | undefined;
  /** The oldest version that is spoken. @default {"1.2"} */
  readonly minVersion?: TlsVersion;
  /** The newest version that is spoken. @default {"1.3"} */
  readonly maxVersion?: TlsVersion;
  /** The protocols for ALPN, the preferred one first; a client that offers only others is rejected. */
  readonly alpn?: readonly string[];
  /** Tells the time, for dates. @default {Date.now} */
  readonly now?: () => number;
}

/** The outcome of a handshake. Exactly one of the two is called, once. */
export interface HandshakeEvents {
  /** The engine is done. The certificate of the client has not been verified! */
  onSecure(socket: TLSSocket): void;
  /** The engine has given up. */
  onEngineError(error: Error): void;
}

/** A server that never listens, and the handshake that uses it now. */
interface Engine {
  readonly server: tls.Server;
  events: HandshakeEvents | undefined;
}

/** How many engines without a handshake are kept. */
const MAX_FREE = 64;

/**
 * The certificate of a listener and its requirements for clients: checked, immutable, for any number of
 * handshakes. To change something, make a new one and use it for the next connection.
 *
 * Making a server of `node:tls` takes 200 µs, so they are used again, one handshake at a time: which of
 * several under way an event belongs to could not be told.
 */
export class ServerContext {
  readonly clientAuth: "none" | "optional" | "require";
  /** The CAs of clients; `undefined` without client authentication. */
  readonly trust: TrustStore | undefined;
  /** The server's own certificates and key. */
  readonly credentials: OwnCredentials;
  readonly now: () => number;
  readonly #options: tls.TlsOptions;
  readonly #free: Engine[] = [];

  /**
   * Checks everything: the engine accepts bad certificates and keys without an error.
   *
   * @throws {CulvertError} `bad_certificate` for certificates, keys and CAs that can't be used, and
   * `bad_tls_options` for options that don't go together.
   */
  constructor(options: ServerContextOptions) {
    const { clientAuth = "none", minVersion = "1.2", maxVersion = "1.3", alpn = [], now = Date.now } =
      options;
    if (minVersion > maxVersion) throw badOptions("minVersion is above maxVersion");
    if (clientAuth !== "none" && options.trust === undefined) {
      throw badOptions("client certificates need a CA");
    }
    const own = readCredentials({ certPem: options.cert, keyPem: options.key });
    this.clientAuth = clientAuth;
    this.credentials = own;
    this.now = now;
    this.trust = clientAuth === "none" ? undefined : options.trust;
    this.#options = {
      cert: own.certPem,
      key: own.keyPem,
      minVersion: `TLSv${minVersion}`,
      maxVersion: `TLSv${maxVersion}`,
      allowHalfOpen: true,
      requestCert: clientAuth !== "none",
      // There is no `ca`. With one the engine searches paths among all certificates that the client has sent before
      // any limit applies, which may take seconds, and sends the CAs as a part of the server's own chain. Without
      // one it requests the certificate, verifies that the client holds its key, and decides nothing.
      rejectUnauthorized: false,
      // None at all: the engine's timers outlive failed handshakes and hold on to their memory.
      handshakeTimeout: -1,
      ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
    };
  }

  /** What clients may reject the server's certificate for. */
  get warnings(): readonly string[] {
    return credentialWarnings(this.credentials, { usage: "server", now: new Date(this.now()) });
  }

  /** The algorithms of the server's certificate. */
  get algorithms(): CertificateAlgorithms {
    return algorithmsOf(this.credentials.chain[0]!);
  }

  /** Begins a handshake over `stream`. What the stream brings from here on goes to the engine. */
  begin(stream: CipherStream, events: HandshakeEvents): undefined {
    const engine = this.#free.pop() ?? this.#makeEngine();
    engine.events = events;
    engine.server.emit("connection", stream);
  }

  #makeEngine(): Engine {
    const server = tls.createServer(this.#options);
    const engine: Engine = { server, events: undefined };
    // With `true` the engine asks for a certificate with an alert of its own (certificate_required) where
    // there is none, but refuses a bad one without reporting it; with `false` it is the other way round.
    // What is neither gives both: one part of the engine takes it for true, the other for false. If that
    // should ever change, no client is accepted by mistake, since every certificate is verified
    // here.
    if (this.clientAuth === "require") Object.assign(server, { rejectUnauthorized: 0 });
    server.on("secureConnection", (socket) => {
      const events = this.#release(engine);
      if (events === undefined) socket.destroy();
      else events.onSecure(socket);
    });
    server.on("tlsClientError", (error) => this.#release(engine)?.onEngineError(error));
    return engine;
  }

  /** The handshake of this engine is over, one way or the other. */
  #release(engine: Engine): HandshakeEvents | undefined {
    const { events } = engine;
    engine.events = undefined;
    if (events !== undefined && this.#free.length < MAX_FREE) this.#free.push(engine);
    return events;
  }
}

function badOptions(why: string): CulvertError {
  return new CulvertError("bad_tls_options", `Cannot use these TLS options: ${why}`);
}
