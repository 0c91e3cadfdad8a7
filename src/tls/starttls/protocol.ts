import type { PreludeStream } from "./prelude_stream.ts";

/** The name of a protocol in which TLS can be asked for. */
export type StartTlsName = "postgres" | "mysql" | "smtp" | "imap" | "pop3" | "ldap";

/** The protocols in which TLS can be asked for. */
export const STARTTLS_NAMES: readonly StartTlsName[] = ["postgres", "mysql", "smtp", "imap", "pop3", "ldap"];

/** What a server tells of itself before TLS. */
export interface OfferOptions {
  /** Its host name, for protocols with a greeting. */
  readonly hostName: string;
}

/** How TLS begins in one protocol. */
export interface StartTlsProtocol {
  /**
   * The protocol that ALPN has for it, where servers are expected to select it. A client that begins TLS without a
   * request must name it.
   */
  readonly alpn?: string;
  /**
   * The part of a server: resolves when the client's first byte of TLS comes next, which {@linkcode PreludeStream.rest}
   * may have already where the protocol allows TLS without a request. Absent where it takes the server's own greeting:
   * see `joinMysql`.
   *
   * @throws {TlsHandshakeError} `no-starttls`, `bad-starttls`, `plaintext-injection` or `aborted`.
   */
  offer?(stream: PreludeStream, options: OfferOptions): Promise<void>;
  /**
   * The part of a client: resolves when the server awaits TLS, to the greeting that clients of the server have to see,
   * in a protocol in which it speaks first.
   *
   * @throws {TlsHandshakeError} `starttls-refused`, `bad-starttls`, `plaintext-injection` or `aborted`.
   */
  request(stream: PreludeStream): Promise<Uint8Array | undefined>;
  /**
   * Reads the greeting of a server whose client has had one already; absent where clients speak first.
   *
   * @throws {TlsHandshakeError} `starttls-refused` if it greets with a refusal.
   */
  readGreeting?(stream: PreludeStream): Promise<unknown>;
}
