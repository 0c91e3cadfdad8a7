import type { Address } from "../../net/address.ts";
import { parseCertificate } from "../../tls/x509/read_certificates.ts";
import type { BackendSession, TlsConnect } from "../../tls/dial.ts";
import type { Check, CheckReport } from "./check.ts";

/** Options of {@linkcode TlsCheck}. */
export interface TlsCheckOptions {
  /** Connects with TLS as the upstream does, such as `tlsConnector`. */
  readonly connect: TlsConnect;
  /** The time of day in milliseconds. @default {Date.now} */
  readonly now?: () => number;
}

const DAY_MS = 86_400_000;

/** Succeeds if the TLS handshake does. Reports when the backend's certificate expires. */
export class TlsCheck implements Check {
  readonly #connect: TlsConnect;
  readonly #now: () => number;

  /** Opens nothing yet. */
  constructor(options: TlsCheckOptions) {
    this.#connect = options.connect;
    this.#now = options.now ?? Date.now;
  }

  async run(address: Address, signal: AbortSignal): Promise<CheckReport> {
    signal.throwIfAborted();
    let session: BackendSession;
    try {
      session = await this.#connect(address, signal);
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
    session.connection.close();
    const validToMs = notAfterOf(session.peer?.chain[0]);
    if (validToMs === undefined) return { detail: "handshake done" };
    const detail = `handshake done, certificate ${describe(validToMs - this.#now())}`;
    return { detail, certificateValidTo: new Date(validToMs) };
  }
}

function describe(leftMs: number): string {
  const days = Math.floor(Math.abs(leftMs) / DAY_MS);
  const text = `${days} ${days === 1 ? "day" : "days"}`;
  return leftMs < 0 ? `expired ${text} ago` : `good for ${text}`;
}

function notAfterOf(leaf: Uint8Array | undefined): number | undefined {
  if (leaf === undefined) return undefined;
  try {
    return parseCertificate(leaf).notAfterMs;
  } catch {
    // With `verify: false` it was accepted.
    return undefined;
  }
}
