import { CulvertError, describeError } from "../../core/errors.ts";

/**
 * Why there is no TLS session. Stable, for counting.
 *
 * - `timeout`: the deadline passed · `aborted`: the peer closed the connection
 * - `not-tls`: what came is no TLS · `bad-message`: it began as TLS and broke the rules
 * - `no-shared-version`, `no-shared-cipher`, `no-shared-alpn`: the two sides can't agree
 * - `no-certificate`, `unknown-ca`, `expired`, `not-yet-valid`, `wrong-usage`, `bad-certificate`,
 *   `name-mismatch`: the peer's certificate; a verifier may add reasons of its own, such as `revoked`
 * - `no-starttls`, `bad-starttls`, `plaintext-injection`: with STARTTLS, a client went on without TLS, a peer broke the
 *   rules of its protocol, or sent something in clear that would have been taken for a part of what came through TLS
 * - `starttls-refused`: a server does not begin TLS
 * - `too-large`, `too-costly`: a server's certificates, of which no more is to be processed
 * - `refused-by-peer`: the peer sent an alert, which `alert` names
 * - `failed`: anything else; the message tells
 */
export type HandshakeReason =
  | "timeout"
  | "aborted"
  | "not-tls"
  | "bad-message"
  | "no-shared-version"
  | "no-shared-cipher"
  | "no-shared-alpn"
  | "no-certificate"
  | "unknown-ca"
  | "expired"
  | "not-yet-valid"
  | "wrong-usage"
  | "bad-certificate"
  | "name-mismatch"
  | "no-starttls"
  | "bad-starttls"
  | "plaintext-injection"
  | "starttls-refused"
  | "refused-by-peer"
  | "failed"
  // deno-lint-ignore ban-types
  | (string & {});

/** There is no TLS session with a peer, or no longer. The connection has been closed. */
export class TlsHandshakeError extends CulvertError {
  /** What it is called. */
  override name = "TlsHandshakeError";
  /** Why, in a word. */
  readonly reason: HandshakeReason;
  /** The alert that the peer sent, in the words of RFC 8446, such as `certificate_required`. */
  readonly alert: string | undefined;
  /** The certificates that the peer sent (DER, the leaf first), as far as it came to that. */
  readonly chain: readonly Uint8Array[];
  /** The name that a client asked for (SNI); known of those whose certificate was looked at. */
  serverName: string | undefined;

  /** `detail` says why in words; there is one for most reasons. */
  constructor(
    reason: HandshakeReason,
    options: { detail?: string; alert?: string; chain?: readonly Uint8Array[]; cause?: unknown } = {},
  ) {
    const { detail = DETAILS[reason] ?? reason, alert, chain = [], cause } = options;
    super("tls_handshake", `Cannot speak TLS with the peer: ${detail}`, { cause });
    this.reason = reason;
    this.alert = alert;
    this.chain = chain;
  }
}

const DETAILS: Readonly<Record<string, string>> = {
  "timeout": "the handshake timed out",
  "aborted": "it closed the connection during the handshake",
  "no-certificate": "it sent no certificate",
  "expired": "its certificate has expired",
  "not-yet-valid": "its certificate is not valid yet",
};

/** What the engine says, and what that is called here. The first that fits counts. */
const ENGINE_MESSAGES: readonly (readonly [pattern: RegExp, reason: HandshakeReason])[] = [
  [/disconnected before secure|socket hang up/, "aborted"],
  [/^peer sent no certificates/, "no-certificate"],
  [/InvalidContentType|UnknownProtocolVersion|InvalidEmptyPayload/, "not-tls"],
  // A client without signature algorithms knows nothing newer than TLS 1.1.
  [/Tls1[23]|TlsVersion|SupportedVersions|SignatureAlgorithmsExtensionRequired/, "no-shared-version"],
  [/^unsupported protocol|ProtocolVersion/, "no-shared-version"],
  [/known protocol|NoApplicationProtocol/, "no-shared-alpn"],
  [/^peer is incompatible/, "no-shared-cipher"],
  [/^invalid peer certificate: (?:NotValidForName|certificate not valid for name)/, "name-mismatch"],
  // Said of the chain. Where the engine has no CAs it can only be the signature with the peer's key that failed.
  [/^self-signed certificate|^unable to (?:verify|get)/, "bad-certificate"],
  [/^certificate has expired/, "expired"],
  [/^certificate is not yet valid/, "not-yet-valid"],
  // The second is said of what the runtime's own parser does not read, such as a CA with unique identifiers.
  [/^invalid peer certificate|^invalid X\.509 /, "bad-certificate"],
  [
    /corrupt message|cannot decrypt|peer misbehaved|inappropriate|unexpected message|oversized/,
    "bad-message",
  ],
];

/** Converts what the engine has thrown. */
export function toHandshakeError(error: unknown): TlsHandshakeError {
  if (error instanceof TlsHandshakeError) return error;
  const detail = describeError(error);
  const alert = /received fatal alert: (?:the server |the client )?(\w+)/.exec(detail)?.[1];
  if (alert !== undefined) {
    const name = alert.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase();
    return new TlsHandshakeError("refused-by-peer", {
      detail: `it sent the alert ${name}`,
      alert: name,
      cause: error,
    });
  }
  const reason = ENGINE_MESSAGES.find(([pattern]) => pattern.test(detail))?.[1] ?? "failed";
  return new TlsHandshakeError(reason, { detail, cause: error });
}

/** The error for a handshake that `signal` has given up. */
export function timeoutError({ reason }: AbortSignal): TlsHandshakeError {
  return reason instanceof TlsHandshakeError ? reason : new TlsHandshakeError("timeout", { cause: reason });
}
