import type { OwnCredentials } from "./session/credentials.ts";
import type { BufferPool } from "../net/buffers.ts";
import type { Connection } from "../net/connection.ts";
import { FairConnection } from "../net/fair_connection.ts";
import { acceptTls, admitChain } from "./accept.ts";
import { type Certificate } from "./x509/certificate.ts";
import type { CertificateAlgorithms } from "./x509/certificate_algorithms.ts";
import { type Verdict, verifyChain } from "./x509/path/chain.ts";
import { ClientTrust, type ClientTrustOptions } from "./authorize/client_trust.ts";
import type { CrlProblem } from "./x509/crl/set.ts";
import { GatheringConnection } from "./session/gathering_connection.ts";
import { TlsHandshakeError } from "./session/handshake_errors.ts";
import type { TlsSession } from "./session/handshake.ts";
import { nameOf, type PeerIdentity, readIdentity, readSubject } from "./x509/identity.ts";
import { isRuntimeTls, runtimeHandshake } from "./session/runtime_tls.ts";
import { alpnWith, greets, isJoint, offerTls } from "./starttls/start_tls.ts";
import type { StartTlsName } from "./starttls/protocol.ts";
import { ServerContext, type ServerContextOptions } from "./session/server_context.ts";
import type { PeerVerdict } from "./authorize/verify_peer.ts";

/** What a {@linkcode TlsGate} is made of. */
export interface TlsGateOptions extends Omit<ServerContextOptions, "trust">, ClientTrustOptions {
  /**
   * The protocol in which clients ask for TLS, before which they speak in clear. For `postgres`, ALPN selects
   * `postgresql` unless `alpn` says otherwise. With `mysql`, the caller of {@linkcode TlsGate.enter} has read the client's
   * request, as services do ({@linkcode TlsGate.joins}). @default TLS is spoken from the first byte on
   */
  readonly starttls?: StartTlsName | undefined;
}

/** A session with a client, as far as is known: the runtime's own TLS tells little about it. */
export interface ClientSession extends Partial<Omit<TlsSession, "connection">> {
  /** Clear text. Closing it closes the connection below. */
  readonly connection: Connection;
}

/** A client that was accepted. */
export interface Entered {
  /** The session, whose connection is the caller's from here on. */
  readonly session: ClientSession;
  /** The verified identity of the client; absent if it presented no certificate. */
  readonly identity?: PeerIdentity;
  /**
   * The protocol in which it has asked for TLS and has had a greeting from us: that of the backend must not reach it, see
   * {@linkcode skipGreeting}. Absent: it has had none.
   */
  readonly greeted?: StartTlsName;
}

/**
 * The TLS of a listener: the handshake and the authorization by certificate. Immutable: a change is a new gate
 * for the connections to come.
 *
 * Every certificate is verified in full and in resumed handshakes: chain, dates, usage, revocation, rules.
 */
export class TlsGate {
  readonly #options: TlsGateOptions;
  readonly #context: ServerContext;
  /** What the name of this server is in greetings. */
  readonly #hostName: string;
  readonly #trust: ClientTrust;

  /**
   * Checks everything that it is made of.
   *
   * @throws {CulvertError} `bad_certificate`, `bad_tls_options` or `bad_rule`.
   */
  constructor(options: TlsGateOptions) {
    this.#options = { ...options };
    const { starttls, alpn = [] } = options;
    this.#trust = new ClientTrust(options);
    this.#context = new ServerContext({
      ...options,
      trust: this.#trust.store,
      alpn: alpnWith(starttls, alpn),
    });
    const { dnsNames } = this.#context.credentials.identity;
    // The first one without a wildcard.
    const hostName = dnsNames.find((name) => /^[\w-]+(\.[\w-]+)*$/.test(name)) ?? "localhost";
    this.#hostName = starttls === undefined ? "" : hostName;
  }

  /**
   * The same gate with other CRLs, and with other CAs, trust domains and rules where these are given.
   *
   * @throws {CulvertError} `bad_certificate`, `bad_tls_options` or `bad_rule`.
   */
  withTrust(trust: ClientTrustOptions): TlsGate {
    const { ca, trustDomains, allow } = this.#options;
    const given = Object.fromEntries(Object.entries(trust).filter(([, value]) => value !== undefined));
    return new TlsGate({ ...this.#options, ca, trustDomains, allow, crls: undefined, ...given });
  }

  /**
   * The CAs that may have issued the clients' certificates, without those of trust domains.
   *
   * @internal
   */
  get authorities(): readonly Certificate[] {
    return this.#trust.authorities;
  }

  /**
   * What client certificates are checked against.
   *
   * @internal
   */
  get trust(): ClientTrust {
    return this.#trust;
  }

  /**
   * The server's own certificates and key.
   *
   * @internal
   */
  get credentials(): OwnCredentials {
    return this.#context.credentials;
  }

  /**
   * The algorithms of the server's certificate.
   *
   * @internal
   */
  get algorithms(): CertificateAlgorithms {
    return this.#context.algorithms;
  }

  /** Whether TLS begins in the middle of a login, which involves the client and the backend. */
  get joins(): boolean {
    return isJoint(this.#options.starttls);
  }

  /** What clients may reject the server's certificate for. */
  get warnings(): readonly string[] {
    return this.#context.warnings;
  }

  /** Why clients are rejected now because a CRL is missing, unreadable or expired; `undefined`: none are. */
  get problem(): CrlProblem | undefined {
    return this.#trust.problem(this.#context.now());
  }

  /**
   * Speaks TLS with a client. Owns the connection: when the promise rejects, it has been closed. Where another gate
   * has come in the place of this one by the end of the handshake, `latest` is the one that decides.
   *
   * @throws {TlsHandshakeError} whose `reason` tells why the client is refused.
   */
  async enter(
    connection: Connection,
    options: { signal: AbortSignal; buffers: BufferPool; latest?: () => TlsGate },
  ): Promise<Entered> {
    const { latest = () => this } = options;
    const entered = isRuntimeTls(connection)
      ? await this.#enterRuntime(connection, options)
      : await this.#enterOurs(connection, { ...options, latest });
    if (entered.identity !== undefined || latest().#context.clientAuth !== "require") return entered;
    entered.session.connection.close();
    throw new TlsHandshakeError("no-certificate");
  }

  /**
   * Decides about the certificates of a client (DER, the leaf first; none: it sends none) as a handshake would, without
   * one: only the proof that the client has the private key is missing.
   *
   * @returns The verified path, from the client's certificate to the trusted CA; `undefined` if no certificate is
   * requested or none was sent.
   * @throws {TlsHandshakeError} whose `reason` tells why the client would be rejected.
   * @internal
   */
  checkClient(chain: readonly Uint8Array[]): readonly Certificate[] | undefined {
    const { clientAuth } = this.#context;
    if (clientAuth === "none") return undefined;
    const verify = (sent: readonly Uint8Array[]) => this.#verify(sent);
    if (admitChain(chain, { context: { clientAuth }, verify }).length === 0) return undefined;
    const verdict = this.#judge(chain);
    return verdict.trusted ? verdict.path : undefined;
  }

  async #enterOurs(
    connection: Connection,
    options: { signal: AbortSignal; buffers: BufferPool; latest: () => TlsGate },
  ): Promise<Entered> {
    const { signal, buffers, latest } = options;
    const verify = (chain: readonly Uint8Array[]) => {
      const gate = latest();
      // A gate without client authentication has no CAs to verify the certificate with.
      return (gate.#context.clientAuth === "none" ? this : gate).#verify(chain);
    };
    const { starttls: protocol } = this.#options;
    const below = protocol === undefined
      ? { connection, isDirect: false }
      : await offerTls(connection, { protocol, signal, hostName: this.#hostName });
    const session = await acceptTls(below.connection, {
      ...{ signal, buffers, context: this.#context, verify, requireAlpn: below.isDirect },
    });
    const leaf = session.peer?.chain[0];
    return {
      session,
      ...(leaf === undefined ? {} : { identity: readIdentity(leaf) }),
      ...(greets(protocol) ? { greeted: protocol } : {}),
    };
  }

  /** The runtime terminates TLS for this client. It cannot request a certificate, so a gate that requires one rejects. */
  async #enterRuntime(
    connection: Deno.TlsConn,
    { signal, buffers }: { signal: AbortSignal; buffers: BufferPool },
  ): Promise<Entered> {
    if (this.#context.clientAuth !== "none") {
      connection.close();
      throw new TlsHandshakeError("no-certificate");
    }
    const alpn = await runtimeHandshake(connection, signal);
    return {
      session: { connection: new GatheringConnection(new FairConnection(connection), buffers), alpn },
    };
  }

  #verify(chain: readonly Uint8Array[]): PeerVerdict {
    const verdict = this.#judge(chain);
    return verdict.trusted ? { ok: true } : { ok: false, reason: verdict.reason, detail: verdict.detail };
  }

  #judge(chain: readonly Uint8Array[]): Verdict {
    const { trust, now } = this.#context;
    if (trust === undefined) {
      return { trusted: false, reason: "unknown-ca", detail: "no CA is trusted", leaf: undefined };
    }
    return verifyChain(chain, {
      trust,
      authorizer: this.#trust,
      now: new Date(now()),
      usage: "client",
    });
  }
}

/** The reasons for which clients with a trusted certificate are rejected. */
const VOUCHED_FOR: ReadonlySet<string> = new Set(["revoked", "not-allowed", "wrong-trust-domain"]);

/** The name of a rejected client, for the log. Of an untrusted certificate only the subject is read. */
export function refusedName(error: TlsHandshakeError): string | undefined {
  const [leaf] = error.chain;
  if (leaf === undefined) return undefined;
  try {
    const name = VOUCHED_FOR.has(error.reason) ? nameOf(readIdentity(leaf)) : readSubject(leaf);
    return name === "" ? undefined : name;
  } catch {
    return undefined; // What it sent is no certificate.
  }
}
