import { type Connection, writeAll } from "../net/connection.ts";
import type { Address } from "../net/address.ts";
import type { Dial } from "../net/dial.ts";
import { formatProxyV1 } from "../net/proxy_protocol/format_v1.ts";
import { formatProxyV2 } from "../net/proxy_protocol/format_v2.ts";
import type { BackendSession, OpenConnection, TlsConnect, TlsConnectOptions } from "../tls/dial.ts";
import { type ProxyProtocolOption, proxySending } from "./proxy_sending.ts";

/** How connections to backends are made. */
export interface ConnectorOptions {
  /** Opens connections. */
  readonly dial: Dial;
  /** Speaks TLS with backends, behind the PROXY header if there is one; absent: none is spoken. */
  readonly connectTls?: TlsConnect | undefined;
}

/** Options of a {@linkcode BackendConnector}. */
export interface BackendConnectorOptions extends ConnectorOptions {
  /** The PROXY header that backends are sent. */
  readonly proxyProtocol: ProxyProtocolOption;
}

/**
 * Makes the connections of an upstream to its backends: dial, PROXY header, TLS, in this order. Immutable.
 *
 * A PROXY header describes one client and goes before TLS. So with both, a connection in the pool is a bare one, and the
 * search sends the header and then speaks {@linkcode BackendConnector.tlsBehindHeader}. Without a header, a connection
 * in the pool has completed its TLS handshake.
 */
export class BackendConnector implements ConnectorOptions {
  readonly dial: Dial;
  readonly connectTls: TlsConnect | undefined;
  /** The TLS that is spoken behind the header, over a connection of `open`; absent: none. */
  readonly tlsBehindHeader: TlsConnect | undefined;
  /** The TLS that begins in the middle of a client's login; absent: none. Until then connections are bare. */
  readonly joins: TlsConnect | undefined;
  readonly #proxyVersion: "v1" | "v2" | undefined;

  constructor({ dial, connectTls, proxyProtocol }: BackendConnectorOptions) {
    this.dial = dial;
    this.connectTls = connectTls;
    this.#proxyVersion = proxySending(proxyProtocol)?.version;
    this.joins = connectTls?.joins === true ? connectTls : undefined;
    const isBehindHeader = this.#proxyVersion !== undefined && this.joins === undefined;
    this.tlsBehindHeader = isBehindHeader ? connectTls : undefined;
  }

  /** Whether a connection that one of them has opened can be used as one of the other. */
  connectsLike({ dial, connectTls, tlsBehindHeader }: BackendConnector): boolean {
    return dial === this.dial && connectTls === this.connectTls && tlsBehindHeader === this.tlsBehindHeader;
  }

  /** Opens a connection for the pool, which is not yet a particular client's. */
  open(address: Address, signal: AbortSignal): Promise<Connection> {
    const { connectTls } = this;
    const isBare = this.tlsBehindHeader !== undefined || this.joins !== undefined;
    if (connectTls === undefined || isBare) return this.dial(address, signal);
    return connectTls(address, signal).then(({ connection }) => connection);
  }

  /** Opens a connection for a health check: with a PROXY header that describes no client, and TLS. */
  async openForCheck(
    address: Address,
    signal: AbortSignal,
    options?: TlsConnectOptions,
  ): Promise<Connection> {
    if (this.connectTls === undefined) return await this.#dialWithHeader(address, signal);
    return (await this.connectTlsForCheck(address, signal, options)).connection;
  }

  /** As `openForCheck`, with the TLS session. Only with `connectTls`. */
  async connectTlsForCheck(
    to: Address | OpenConnection,
    signal: AbortSignal,
    options?: TlsConnectOptions,
  ): Promise<BackendSession> {
    const connectTls = this.connectTls!;
    if (this.#proxyVersion === undefined || to.kind === "open") return await connectTls(to, signal, options);
    const connection = await this.#dialWithHeader(to, signal);
    return await connectTls({ kind: "open", address: to, connection }, signal, options);
  }

  /** The header is UNKNOWN in version 1, LOCAL in version 2. */
  async #dialWithHeader(address: Address, signal: AbortSignal): Promise<Connection> {
    const connection = await this.dial(address, signal);
    if (this.#proxyVersion === undefined) return connection;
    try {
      // Too few bytes to block.
      await writeAll(connection, this.#proxyVersion === "v1" ? formatProxyV1({}) : formatProxyV2({}));
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }
}
