import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { LogInterval } from "../core/log_interval.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import { type ClientAddress, formatClient } from "../net/client_address.ts";
import { RefusalSummary } from "./refusal_summary.ts";
import { isCrlRefusal, isRefusal, type Reason } from "./reason.ts";

/** The bytes that a session has transferred. */
export interface TransferredBytes {
  /** Delivered to the backend. */
  readonly bytesUp: number;
  /** Delivered to the client. */
  readonly bytesDown: number;
}

/** What is logged of a client. */
export interface LoggedClient {
  readonly address: ClientAddress;
  /** The address of the listener that accepted the connection, as text. */
  readonly listener: string;
  /** When the connection was accepted, in milliseconds on the timer wheel. */
  readonly startedAtMs: number;
  /** The name of the client's certificate; absent: it has presented none. */
  readonly identity: string | undefined;
  /** The server name (SNI) that it requested. */
  readonly serverName: string | undefined;
  /** Why its first bytes contain no server name to route by. */
  readonly serverNameError: Error | undefined;
}

/** What is logged of a session that has ended. */
export interface LoggedSession extends TransferredBytes {
  readonly client: LoggedClient;
  /** Time until a backend was connected, in milliseconds; absent: none was. */
  readonly connectMs: number | undefined;
  /** The backend that was connected, or the last one tried. */
  readonly backend: { readonly key: string } | undefined;
  /** Backends tried. */
  readonly tries: number;
  /** The error that ended the session. */
  readonly failure: unknown;
  /** The id that the backend was sent in a PROXY header. */
  readonly uniqueId: string | undefined;
}

/** What an {@linkcode AccessLog} works with. */
export interface AccessLogOptions {
  /** The name of the service. */
  readonly service: string;
  readonly wheel: TimerWheel;
  readonly log: Log;
  /** Whether every connection is logged when it ends. Refused ones always are. */
  readonly access: boolean;
}

/** The access log of a service: one line for each connection, with the reason for which it ended or was refused. */
export class AccessLog {
  /** As of {@linkcode AccessLogOptions}. */
  access: boolean;
  readonly #service: string;
  readonly #wheel: TimerWheel;
  readonly #log: Log;
  readonly #crlLogInterval = new LogInterval();
  readonly #refusals: RefusalSummary;

  constructor(options: AccessLogOptions) {
    const { service, wheel, log, access } = options;
    this.#refusals = new RefusalSummary(options);
    this.#service = service;
    this.#wheel = wheel;
    this.#log = log;
    this.access = access;
  }

  /** A connection was refused at accept. */
  refused({ address, listener }: Pick<LoggedClient, "address" | "listener">, reason: Reason): void {
    if (!this.#refusals.admits(reason, () => formatClient(address))) return;
    const client = formatClient(address);
    this.#log.info("connection refused", { service: this.#service, listener, client, reason });
  }

  /** Writes the line about refusals that have been counted. */
  flush(): void {
    this.#refusals.flush();
  }

  /** A client has completed its TLS handshake and is authorized. Logged for long-lived connections. */
  authorized({ address, listener, identity, serverName }: LoggedClient): void {
    if (identity === undefined) return;
    const client = formatClient(address);
    this.#log.debug("client admitted", {
      service: this.#service,
      listener,
      client,
      identity,
      name: serverName,
    });
  }

  /** An admitted connection has ended, `durationMs` milliseconds after it was accepted. */
  ended(session: LoggedSession, { reason, durationMs }: { reason: Reason; durationMs: number }): void {
    const { client, connectMs, failure } = session;
    const refused = isRefusal(reason);
    // Logged as an error, as it is no fault of the client.
    if (isCrlRefusal(reason) && this.#crlLogInterval.begin(this.#wheel.now())) {
      const fields = { service: this.#service, error: describeError(failure) };
      this.#log.error("rejecting clients: CRL unusable", fields);
    }
    const isClientFault = refused || reason === "handshake";
    if (!this.access && !isClientFault) return;
    if (isClientFault && !this.#refusals.admits(reason, () => formatClient(client.address))) return;
    this.#log.info(refused ? "connection refused" : "connection closed", {
      service: this.#service,
      listener: client.listener,
      client: formatClient(client.address),
      identity: client.identity,
      name: client.serverName,
      // Of a refused connection it is the error.
      name_fault: refused ? undefined : client.serverNameError?.message,
      unique_id: session.uniqueId,
      backend: session.backend?.key,
      tries: session.tries,
      bytes_up: session.bytesUp,
      bytes_down: session.bytesDown,
      duration_ms: Math.round(durationMs),
      connect_ms: connectMs === undefined ? undefined : Math.round(connectMs),
      reason,
      error: failure === undefined ? undefined : describeError(failure),
    });
  }
}
