import { Deadline } from "../core/deadline.ts";
import { CulvertError } from "../core/errors.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import type { BufferPool } from "../net/buffers.ts";
import type { ClientAddress } from "../net/client_address.ts";
import { abortConnection, closeQuietly, type Connection } from "../net/connection.ts";
import type { ProxyAddress, ProxyTls, ProxyTlv } from "../net/proxy_protocol/header.ts";
import { TlsHandshakeError } from "../tls/session/handshake_errors.ts";
import { nameOf, type PeerIdentity } from "../tls/x509/identity.ts";
import type { MysqlPacket } from "../tls/starttls/mysql.ts";
import { joinMysql, MysqlServerError } from "../tls/starttls/mysql_login.ts";
import type { StartTlsName } from "../tls/starttls/protocol.ts";
import { type ClientSession, refusedName, type TlsGate } from "../tls/gate.ts";
import { Ended } from "./reason.ts";
import type { Timeouts } from "./options.ts";
import { type Preface, type PrefaceOptions, readPreface } from "./preread.ts";
import type { Reason } from "./reason.ts";

/** What a {@linkcode Meeting} works with. */
export interface MeetingOptions {
  readonly client: Connection;
  readonly address: ClientAddress;
  /** Of which `handshakeMs` is how long it may take in all. */
  readonly timeouts: Timeouts;
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
}

/** What {@linkcode Meeting.join} works with. */
export interface JoinOptions {
  /** The server, whose greeting has been read. */
  readonly server: Connection;
  readonly greeting: MysqlPacket;
  /** The TLS of the client; absent: none begins in its login. */
  readonly gate?: { readonly own: TlsGate; readonly latest: () => TlsGate } | undefined;
  /** Speaks TLS with the server, which has been asked for it; absent: none is spoken. */
  readonly connectTls?: ((server: Connection, signal: AbortSignal) => Promise<Connection>) | undefined;
}

/**
 * What comes before a client is served: the PROXY header and the ClientHello that it must send, and TLS. All of it
 * together has one deadline. What is found out about the client is kept here.
 */
export class Meeting {
  /** The connection as it is by now: with what has been read too much in front of it, or in clear text. */
  client: Connection;
  /** Who the client is; once a PROXY header has been read, who that says it is. */
  address: ClientAddress;
  /** Where the client connected to, if a PROXY header says so. */
  destination: ProxyAddress | undefined;
  /** The TLVs of its PROXY header, where there is one. */
  tlvs: readonly ProxyTlv[] | undefined;
  /** The name that the client asked for in its ClientHello, where that was read. */
  serverName: string | undefined;
  /** Why its first bytes give no name to route by, in one sentence; absent: they do, or were not looked at. */
  nameFault: string | undefined;
  /** Who the client is by its certificate, or was refused as; absent: it has shown none. */
  identity: string | undefined;
  /** What a PROXY header tells of its TLS; absent: it speaks none that ends here. */
  tls: ProxyTls | undefined;
  /** The protocol that was agreed on with it by ALPN, where its TLS ends here. */
  alpn: string | undefined;
  /** The protocol in which it has had a greeting before TLS; absent: it has had none. */
  greeted: StartTlsName | undefined;
  readonly #options: MeetingOptions;
  #deadline: Deadline | undefined;
  #stop: Reason | undefined;

  /** The deadline runs from the first thing that is waited for. */
  constructor(options: MeetingOptions) {
    this.#options = options;
    this.client = options.client;
    this.address = options.address;
  }

  /** Reads what the client must say first. Throws {@linkcode Ended} with the reason when that is not as it should be. */
  async listen(options: PrefaceOptions): Promise<Preface> {
    const { signal } = this.#begin();
    signal.onabort = () => this.close();
    try {
      const preface = await readPreface(this.client, options);
      this.client = preface.connection;
      this.address = preface.endpoints?.source ?? this.address;
      this.destination = preface.endpoints?.destination;
      this.tlvs = preface.tlvs;
      this.serverName = preface.serverName;
      this.nameFault = preface.nameFault?.message;
      return preface;
    } catch (error) {
      throw this.#stop === undefined ? endOfPreface(error) : new Ended(this.#stop);
    } finally {
      signal.onabort = null;
    }
  }

  /**
   * Speaks TLS with the client from here on. Throws {@linkcode Ended} with the reason when it may not come in, as
   * `latest` sees it in the end.
   */
  async secure(gate: TlsGate, latest: () => TlsGate): Promise<void> {
    const { signal } = this.#begin();
    try {
      const { buffers } = this.#options;
      const { session, identity, greeted } = await gate.enter(this.client, { signal, buffers, latest });
      this.client = session.connection;
      this.identity = identity && nameOf(identity);
      this.serverName = session.serverName;
      this.alpn = session.alpn;
      this.greeted = greeted;
      this.tls = proxyTls(session, { identity, own: gate.algorithms });
    } catch (error) {
      if (this.#stop !== undefined) throw new Ended(this.#stop);
      if (!(error instanceof TlsHandshakeError)) throw error;
      this.identity = refusedName(error);
      this.serverName = error.serverName;
      throw new Ended(error.reason === "timeout" ? "handshake" : `tls-${error.reason}`, error);
    }
  }

  /**
   * Leads the client and a MySQL server to TLS, where one of them, or both, ask for it in the middle of the login.
   * Resolves to the server's connection. Throws {@linkcode Ended} for what fails with the client, and
   * {@linkcode MysqlServerError} for what fails with the server.
   */
  async join({ server, greeting, gate, connectTls }: JoinOptions): Promise<Connection> {
    const { signal } = this.#begin();
    const giveUp = () => {
      this.close();
      closeQuietly(server);
    };
    signal.addEventListener("abort", giveUp);
    try {
      const joined = await joinMysql({
        ...{ client: this.client, server, greeting },
        secureClient: gate && (async (client) => {
          this.client = client;
          await this.secure(gate.own, gate.latest);
          return this.client;
        }),
        secureServer: connectTls && ((connection) => connectTls(connection, signal)),
      });
      this.client = joined.client;
      return joined.server;
    } catch (error) {
      if (this.#stop !== undefined) throw new Ended(this.#stop);
      if (error instanceof Ended || error instanceof MysqlServerError) throw error;
      throw error instanceof TlsHandshakeError
        ? new Ended(`tls-${error.reason}`, error)
        : new Ended("client-reset");
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** Ends what is under way, and what would come, with this reason. */
  abort(reason: Reason): void {
    this.#stop ??= reason;
    this.#deadline?.abort(new Ended(reason));
  }

  /** The client has said what it must. */
  end(): void {
    this.#deadline?.[Symbol.dispose]();
    this.#deadline = undefined;
  }

  /** Closes the client, to whom this is no end of anything. */
  close(): void {
    try {
      abortConnection(this.client);
    } catch {
      // Closed already.
    }
  }

  #begin(): Deadline {
    // What came before found nothing to abort.
    if (this.#stop !== undefined) throw new Ended(this.#stop);
    this.#deadline ??= new Deadline(this.#options.wheel, {
      timeoutMs: this.#options.timeouts.handshakeMs,
      reason: () => {
        this.#stop ??= "handshake";
        return new Ended("handshake");
      },
    });
    return this.#deadline;
  }
}

/** How a client's first words have ended it. Leaving without any is no fault: a check by TCP does that. */
function endOfPreface(error: unknown): Ended {
  switch (error instanceof CulvertError ? error.code : undefined) {
    case "bad_proxy_header":
      return new Ended("refused-by-proxy", error);
    case "bad_client_hello":
      return new Ended("refused-by-name", error);
    case "no_proxy_header":
    case "no_client_hello":
      return new Ended("client-closed");
    default:
      return new Ended("client-reset");
  }
}

/** What a PROXY header tells of the client's TLS. Its specification wants the cipher by OpenSSL's name. */
function proxyTls(
  session: ClientSession,
  { identity, own }: { identity: PeerIdentity | undefined; own: TlsGate["algorithms"] },
): ProxyTls {
  const { protocol, opensslCipher: cipher, resumed, peer } = session;
  const known = { ...(protocol && { version: protocol }), ...(cipher && { cipher }), ...own };
  if (identity === undefined) return { clientCertificate: "none", verified: false, ...known };
  const [commonName] = identity.commonNames;
  return {
    clientCertificate: resumed ? "session" : "connection",
    verified: true,
    ...known,
    ...(commonName === undefined ? {} : { commonName }),
    ...(peer === undefined ? {} : { clientCertificateDer: peer.chain[0]! }),
  };
}
