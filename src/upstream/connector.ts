import type { Address } from "../net/address.ts";
import { type Connection, writeAll } from "../net/connection.ts";
import type { Dial } from "../net/dial.ts";
import { formatProxyV1 } from "../net/proxy_protocol/format_v1.ts";
import { formatProxyV2 } from "../net/proxy_protocol/format_v2.ts";
import type { BackendSession, OpenConnection, TlsConnect, TlsConnectOptions } from "../tls/dial.ts";
import { type ProxyProtocolOption, proxySending } from "./proxy_sending.ts";

/** How backends are reached. */
export interface Reach {
  /** Opens connections. */
  readonly dial: Dial;
  /** Speaks TLS with backends, behind the PROXY header where there is one; absent: none is spoken. */
  readonly connectTls?: TlsConnect | undefined;
}

/** Options of a {@linkcode Way}. */
export interface WayOptions extends Reach {
  /** The header that tells the backend who the client is. */
  readonly proxyProtocol: ProxyProtocolOption;
}

/**
 * How an upstream reaches its backends: over what, and in which order. Immutable.
 *
 * A header is about one client, and goes before TLS. So where there are both, a connection that waits for its client
 * is a bare one, and {@linkcode Way.secure} is for when the header has been written; where there is no header, it
 * has its handshake behind it. A header without TLS is the first that is said over what `dial` makes, whatever
 * that is.
 */
export class Way implements Reach {
  readonly dial: Dial;
  readonly connectTls: TlsConnect | undefined;
  /** What is spoken behind the header over a connection of {@linkcode Way.open}; absent: nothing. */
  readonly secure: TlsConnect | undefined;
  /** What is spoken in the middle of a client's login; absent: nothing. Connections are bare up to there. */
  readonly joins: TlsConnect | undefined;
  readonly #proxyVersion: "v1" | "v2" | undefined;

  constructor({ dial, connectTls, proxyProtocol }: WayOptions) {
    this.dial = dial;
    this.connectTls = connectTls;
    this.#proxyVersion = proxySending(proxyProtocol)?.version;
    this.joins = connectTls?.joins === true ? connectTls : undefined;
    this.secure = this.#proxyVersion === undefined || this.joins !== undefined ? undefined : connectTls;
  }

  /** Whether what one of them opens can be used as if the other had. */
  opensAs({ dial, connectTls, secure }: Way): boolean {
    return dial === this.dial && connectTls === this.connectTls && secure === this.secure;
  }

  /** A connection for a client who need not be known yet. */
  open(address: Address, signal: AbortSignal): Promise<Connection> {
    const isBare = this.connectTls === undefined || this.secure !== undefined || this.joins !== undefined;
    if (isBare) return this.dial(address, signal);
    return this.connectTls!(address, signal).then(({ connection }) => connection);
  }

  /** A connection of our own, for a check: the header says that nobody's is passed on, and TLS is spoken. */
  async openOwn(address: Address, signal: AbortSignal, options?: TlsConnectOptions): Promise<Connection> {
    if (this.connectTls === undefined) return await this.#introduced(address, signal);
    return (await this.connectOwn(address, signal, options)).connection;
  }

  /** As {@linkcode Way.openOwn}, for those who want to know what was agreed on. There must be TLS. */
  async connectOwn(
    to: Address | OpenConnection,
    signal: AbortSignal,
    options?: TlsConnectOptions,
  ): Promise<BackendSession> {
    const speak = this.connectTls!;
    if (this.#proxyVersion === undefined || to.kind === "open") return await speak(to, signal, options);
    const connection = await this.#introduced(to, signal);
    return await speak({ kind: "open", address: to, connection }, signal, options);
  }

  /** UNKNOWN in version 1, LOCAL in version 2. */
  async #introduced(address: Address, signal: AbortSignal): Promise<Connection> {
    const connection = await this.dial(address, signal);
    if (this.#proxyVersion === undefined) return connection;
    try {
      // So few bytes that nothing can hold them up.
      await writeAll(connection, this.#proxyVersion === "v1" ? formatProxyV1({}) : formatProxyV2({}));
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }
}
