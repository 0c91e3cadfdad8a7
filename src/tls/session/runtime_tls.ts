import { onAbort } from "../../core/wait.ts";
import { CulvertError, describeError } from "../../core/errors.ts";
import { closeQuietly, type Connection } from "../../net/connection.ts";
import type { RuntimeTls } from "../../net/listen.ts";
import { TlsHandshakeError, toHandshakeError } from "./handshake_errors.ts";

const UNKNOWN_EXTENSION = "UnsupportedCriticalExtension";

/** Whether a connection comes from `Deno.listenTls`: then the runtime speaks TLS, and asks for no certificate. */
export function isRuntimeTls(connection: Connection): connection is Deno.TlsConn {
  return "handshake" in connection;
}

/**
 * Checks that the runtime's TLS can use a certificate and its key, without a listener or a handshake. Its HTTP client
 * hands both to the same function of rustls (`CertifiedKey::from_der`) as `Deno.listenTls`, which refuses certificates
 * of version 1, critical extensions that it does not know, kinds of keys that it cannot sign with, and a key that
 * belongs to another certificate. With `native` each of these is an error. `node:tls` takes a certificate of version 1,
 * and fails for critical extensions only in each handshake.
 *
 * @throws {CulvertError} `bad_certificate`, with what the runtime said as its cause.
 */
export function checkEngine(
  { cert, key }: Pick<RuntimeTls, "cert" | "key">,
  { native }: { native: boolean },
): void {
  try {
    Deno.createHttpClient({ cert, key }).close();
  } catch (cause) {
    const said = describeError(cause);
    if (!native && !said.includes(UNKNOWN_EXTENSION)) return;
    const who = native ? "the TLS of the runtime (tls.native: true)" : "the TLS of the runtime";
    throw new CulvertError("bad_certificate", `${who} cannot use it: ${explain(said)}`, { cause });
  }
}

function explain(said: string): string {
  const reasons: readonly [part: string, reason: string][] = [
    ["UnsupportedCertVersion", "the certificate is of version 1, and must be of version 3"],
    [UNKNOWN_EXTENSION, "the certificate has a critical extension that is not supported"],
    ["failed to parse private key", "keys of this kind or size are not supported"],
    ["KeyMismatch", "the key belongs to another certificate"],
  ];
  const reason = reasons.find(([part]) => said.includes(part))?.[1];
  return reason === undefined ? said : `${reason} (${said})`;
}

/**
 * Waits for the runtime's handshake, which has no deadline of its own. Closes the connection when it fails.
 * Resolves to the protocol that was agreed on (ALPN).
 *
 * @throws {TlsHandshakeError} `timeout` when the signal fires first; `failed` or what else the runtime tells.
 */
export async function runtimeHandshake(
  connection: Deno.TlsConn,
  signal: AbortSignal,
): Promise<string | undefined> {
  using _abort = onAbort(signal, () => closeQuietly(connection));
  try {
    signal.throwIfAborted();
    const { alpnProtocol } = await connection.handshake();
    return alpnProtocol ?? undefined;
  } catch (error) {
    if (signal.aborted) throw new TlsHandshakeError("timeout", { cause: signal.reason });
    closeQuietly(connection);
    throw toHandshakeError(error);
  }
}
