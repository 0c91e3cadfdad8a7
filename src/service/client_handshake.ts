import { Deadline } from "../core/deadline.ts";
import { CulvertError } from "../core/errors.ts";
import type { EvictionPlace, Holder } from "../core/eviction_queue.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import type { AddressSet } from "../net/address_set.ts";
import type { BufferPool } from "../net/buffers.ts";
import type { ClientAddress } from "../net/client_address.ts";
import { abortQuietly, type Connection } from "../net/connection.ts";
import { takeTurns } from "../net/fair_connection.ts";
import type { ProxyAddress, ProxyTlv } from "../net/proxy_protocol/header.ts";
import { type ClientSession, refusedName, type TlsGate } from "../tls/gate.ts";
import { TlsHandshakeError } from "../tls/session/handshake_errors.ts";
import type { StartTlsName } from "../tls/starttls/protocol.ts";
import type { CertificateAlgorithms } from "../tls/x509/certificate_algorithms.ts";
import { nameOf, type PeerIdentity } from "../tls/x509/identity.ts";
import type { Admission } from "./admission.ts";
import { prereadProxyHeader, prereadServerName } from "./preread.ts";
import { ConnectionEnded, type Reason, type Refusal } from "./reason.ts";
import type { ServiceStats } from "./service_stats.ts";

/** A connection that a listener has accepted. */
export interface AcceptedConnection {
  readonly connection: Connection;
  readonly address: ClientAddress;
  /** The address of the listener, as text. */
  readonly listener: string;
  /** The address that the client connected to; absent: not known. */
  readonly localAddr?: Deno.Addr | undefined;
  /** The client speaks TLS with what accepted its connection. @default {false} */
  readonly encrypted?: boolean | undefined;
}

/** What a client must do before it is served. */
export interface HandshakePolicy {
  /** The peers that must send a PROXY header; absent: none is expected. */
  readonly proxyFrom?: AddressSet | undefined;
  /** Whether the server name is read from the ClientHello, which is left in the stream. */
  readonly readsServerName: boolean;
  /** The TLS that is spoken with clients; absent: none. */
  readonly gate?: TlsGate | undefined;
  /** For all of it together, in milliseconds; 0: no deadline. */
  readonly timeoutMs: number;
  /** Whether the handshake stays pending when `run` resolves, until {@linkcode ClientHandshake.end} is called. */
  readonly staysPending: boolean;
}

/** What is known about TLS that is terminated here. */
export interface TerminatedTls {
  /** ALPN, version, cipher, and the certificates that the client presented. */
  readonly session: ClientSession;
  /** The verified identity of the client; absent: it presented no certificate. */
  readonly peer: PeerIdentity | undefined;
  /** The algorithms of the certificate that the client was shown. */
  readonly algorithms: CertificateAlgorithms;
}

/** What a {@linkcode ClientHandshake} needs of its service. */
export interface HandshakeContext {
  /** As it is now; a reload replaces it. */
  readonly policy: HandshakePolicy;
  readonly admission: Admission;
  readonly stats: ServiceStats;
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
}

/** The session that a handshake belongs to. */
export interface HandshakeOwner {
  /** Ends the session now. */
  destroy(reason: Reason): void;
}

/**
 * The phase of an admitted connection before it is served: PROXY header, ClientHello, TLS and authorization, within one
 * deadline. Keeps what it learns about the client. Made by {@linkcode Service.admit}.
 *
 * The service owns the connection: it closes {@linkcode ClientHandshake.connection}, or calls `close`.
 */
export class ClientHandshake implements Holder<Refusal> {
  /** The connection as it is now: behind the PROXY header, with prefetched bytes in front, or the TLS stream. */
  connection: Connection;
  /** The client's address: the peer's, or the one in the PROXY header. */
  address: ClientAddress;
  /** The address of the listener that accepted the connection, as text. */
  readonly listener: string;
  /** The address that the peer connected to; absent: not known. */
  readonly localAddr: Deno.Addr | undefined;
  /** Whether the client speaks TLS with what accepted its connection. */
  readonly encrypted: boolean;
  /** When the connection was accepted, in milliseconds on the timer wheel. */
  readonly startedAtMs: number;
  /** The address that the client connected to, by the PROXY header. */
  destination: ProxyAddress | undefined;
  /** The TLVs of the PROXY header. */
  tlvs: readonly ProxyTlv[] | undefined;
  /** The server name (SNI) that the client requested, if its ClientHello was read or its TLS terminated. */
  serverName: string | undefined;
  /** Why the ClientHello has no server name to route by; absent: it has one, or was not read. */
  serverNameError: CulvertError | undefined;
  /** The name of the client's certificate, verified or refused, for logs. Never authorize by it. */
  identity: string | undefined;
  /** The TLS with the client; absent: none is terminated here, or the service no longer needs to know. */
  tls: TerminatedTls | undefined;
  /** The gate whose TLS begins in the client's login, which its service joins with the backend's; absent: none. */
  loginGate: TlsGate | undefined;
  /** The protocol in which the client was greeted before TLS; absent: it was not. */
  greeted: StartTlsName | undefined;
  readonly #context: HandshakeContext;
  #owner: HandshakeOwner | undefined;
  #place: EvictionPlace<Refusal> | undefined;
  #deadline: Deadline | undefined;
  #aborted: Reason | undefined;

  constructor(accepted: AcceptedConnection, context: HandshakeContext) {
    this.#context = context;
    this.connection = takeTurns(accepted.connection);
    this.address = accepted.address;
    this.listener = accepted.listener;
    this.localAddr = accepted.localAddr;
    this.encrypted = accepted.encrypted ?? false;
    this.startedAtMs = context.wheel.now();
  }

  /** Whether the phase is under way. */
  get pending(): boolean {
    return this.#place !== undefined;
  }

  /**
   * Leads the client through the phase. Until it has completed, it may be evicted for another client at any time, which
   * destroys `owner`.
   *
   * @throws {ConnectionEnded} if the client is refused, fails or leaves, or `abort` was called.
   */
  async run(owner: HandshakeOwner): Promise<void> {
    const { admission } = this.#context;
    this.#owner = owner;
    this.#place = admission.handshakes.add(this, admission.source(this.address.ip));
    try {
      if (this.#context.policy.proxyFrom !== undefined) {
        await this.#readProxyHeader();
        const refusal = admission.checkClient(this.address.ip);
        if (refusal !== undefined) throw new ConnectionEnded(refusal);
      }
      if (this.#context.policy.readsServerName) await this.#readServerName();
      const { gate, staysPending } = this.#context.policy;
      if (gate?.joins === true) {
        this.loginGate = gate;
        return; // It stays pending until the login is joined.
      }
      if (gate !== undefined) await this.secure(gate);
      if (!staysPending) this.end();
    } catch (error) {
      this.end();
      throw error;
    }
  }

  /**
   * Speaks TLS with the client and authorizes it by its certificate. If a reload replaces the gate meanwhile, the new
   * one decides.
   *
   * @throws {ConnectionEnded} if the handshake fails or the client is refused, or `abort` was called.
   */
  async secure(gate: TlsGate): Promise<void> {
    const signal = this.begin();
    const { buffers, stats } = this.#context;
    try {
      const latest = () => this.#context.policy.gate ?? gate;
      const { session, identity, greeted } = await gate.enter(this.connection, { signal, buffers, latest });
      this.connection = session.connection;
      this.tls = { session, peer: identity, algorithms: gate.algorithms };
      this.identity = identity && nameOf(identity);
      this.serverName = session.serverName;
      this.greeted = greeted;
      stats.authorized(this);
    } catch (error) {
      this.throwIfAborted();
      if (!(error instanceof TlsHandshakeError)) throw error;
      this.identity = refusedName(error);
      this.serverName = error.serverName;
      throw new ConnectionEnded(error.reason === "timeout" ? "handshake" : `tls-${error.reason}`, error);
    }
  }

  /**
   * The signal of the deadline, which runs from the first call on.
   *
   * @throws {ConnectionEnded} if `abort` was called.
   */
  begin(): AbortSignal {
    this.throwIfAborted();
    this.#deadline ??= new Deadline(this.#context.wheel, {
      timeoutMs: this.#context.policy.timeoutMs,
      reason: () => {
        this.#aborted ??= "handshake";
        return new ConnectionEnded("handshake");
      },
    });
    return this.#deadline.signal;
  }

  /** The handshake is no longer pending: its deadline ends, and it can't be evicted. May be called again. */
  end(): void {
    if (this.#place !== undefined) this.#context.admission.handshakes.remove(this.#place);
    this.#deadline?.[Symbol.dispose]();
    this.#place = this.#deadline = undefined;
  }

  /** Makes the step under way, or the next one, fail with `reason`. */
  abort(reason: Reason): void {
    this.#aborted ??= reason;
    this.#deadline?.abort(new ConnectionEnded(reason));
  }

  /** @throws {ConnectionEnded} if `abort` was called, or the deadline has passed. */
  throwIfAborted(): void {
    if (this.#aborted !== undefined) throw new ConnectionEnded(this.#aborted);
  }

  /** Closes the connection so that the client can tell it from a regular end, where TLS allows that. */
  close(): void {
    abortQuietly(this.connection);
  }

  /** As of {@linkcode Holder}. */
  get sinceMs(): number {
    return this.startedAtMs;
  }

  /** As of {@linkcode Holder}. */
  evict(reason: Refusal): void {
    this.#owner!.destroy(reason);
  }

  async #readProxyHeader(): Promise<void> {
    const { admission } = this.#context;
    const { connection, endpoints, tlvs } = await this.#preread(prereadProxyHeader);
    this.connection = connection;
    this.tlvs = tlvs;
    if (endpoints === undefined) return;
    this.destination = endpoints.destination;
    this.address = endpoints.source;
    admission.handshakes.move(this.#place!, admission.source(this.address.ip));
  }

  async #readServerName(): Promise<void> {
    const { connection, serverName, error } = await this.#preread(prereadServerName);
    this.connection = connection;
    this.serverName = serverName;
    this.serverNameError = error;
  }

  /** Reads the client's first bytes. At the deadline the connection is closed, which ends the read. */
  async #preread<T>(read: (client: Connection) => Promise<T>): Promise<T> {
    const signal = this.begin();
    signal.onabort = () => this.close();
    try {
      return await read(this.connection);
    } catch (error) {
      this.throwIfAborted();
      throw prereadEnded(error);
    } finally {
      signal.onabort = null;
    }
  }
}

/** A client that leaves without a byte is no error: TCP health checks do that. */
function prereadEnded(error: unknown): ConnectionEnded {
  switch (error instanceof CulvertError ? error.code : undefined) {
    case "bad_proxy_header":
      return new ConnectionEnded("refused-by-proxy", error);
    case "bad_client_hello":
      return new ConnectionEnded("refused-by-name", error);
    case "no_proxy_header":
    case "no_client_hello":
      return new ConnectionEnded("client-closed");
    default:
      return new ConnectionEnded("client-reset");
  }
}
