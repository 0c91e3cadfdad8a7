import { describeError } from "../core/errors.ts";
import { Histogram, type HistogramSnapshot } from "../core/histogram.ts";
import type { Log } from "../core/log.ts";
import { LogInterval } from "../core/log_interval.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import type { AcceptFailure } from "../net/accept_loop.ts";
import { type ClientAddress, formatClient } from "../net/client_address.ts";
import { isCrlRefusal, isRefusal, type Reason } from "./reason.ts";

/** In seconds: from a backend next door to the usual `timeouts.connect`, and from one request to a day. */
const CONNECT_BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const DURATION_BOUNDS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400];

/** The counters of a service since its start. */
export interface ServiceCounters {
  /** Admitted connections that are open now. */
  readonly active: number;
  /** Of these, connections whose handshake (PROXY header, ClientHello, TLS) is pending. */
  readonly handshakes: number;
  /** Admitted connections, including those refused later, in their handshake. */
  readonly total: number;
  /** Connections that were refused, at accept or in their handshake. */
  readonly rejected: number;
  /** Connections that could not be accepted, by cause. */
  readonly acceptFailures: Readonly<Record<AcceptFailure, number>>;
  /** Connections by the reason for which they ended or were refused. Reasons that never occurred are absent. */
  readonly ended: Readonly<Partial<Record<Reason, number>>>;
  /** Bytes delivered to backends, including those of open connections. */
  readonly bytesUp: number;
  /** Bytes delivered to clients, including those of open connections. */
  readonly bytesDown: number;
  /** Duration of the admitted connections that have ended. */
  readonly durationSeconds: HistogramSnapshot;
  /** Time until a backend was connected, of the connections for which one was. */
  readonly connectSeconds: HistogramSnapshot;
}

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

/** What a {@linkcode ServiceStats} works with. */
export interface ServiceStatsOptions {
  /** The name of the service. */
  readonly service: string;
  readonly wheel: TimerWheel;
  readonly log: Log;
  /** Whether every connection is logged when it ends. Refused ones always are. */
  readonly access: boolean;
}

/** Counts the connections of a service, and writes its access log: one line for each connection, with its reason. */
export class ServiceStats {
  /** As of {@linkcode ServiceStatsOptions}. */
  access: boolean;
  readonly #service: string;
  readonly #wheel: TimerWheel;
  readonly #log: Log;
  readonly #ended: Partial<Record<Reason, number>> = {};
  readonly #durations = new Histogram(DURATION_BOUNDS);
  readonly #connects = new Histogram(CONNECT_BOUNDS);
  readonly #acceptFailures: Record<AcceptFailure, number> = { reset: 0, descriptors: 0, other: 0 };
  readonly #crlLogInterval = new LogInterval();
  #total = 0;
  #rejected = 0;
  #bytesUp = 0;
  #bytesDown = 0;

  constructor(options: ServiceStatsOptions) {
    this.#service = options.service;
    this.#wheel = options.wheel;
    this.#log = options.log;
    this.access = options.access;
  }

  /** Connections that ended with the reason `cut`. */
  get cut(): number {
    return this.#ended.cut ?? 0;
  }

  /** The counters as they are now; `open` are the sessions that have not ended. */
  counters(
    open: Iterable<TransferredBytes>,
    now: Pick<ServiceCounters, "active" | "handshakes">,
  ): ServiceCounters {
    let bytesUp = this.#bytesUp;
    let bytesDown = this.#bytesDown;
    for (const session of open) {
      bytesUp += session.bytesUp;
      bytesDown += session.bytesDown;
    }
    return {
      ...now,
      total: this.#total,
      rejected: this.#rejected,
      acceptFailures: { ...this.#acceptFailures },
      ended: { ...this.#ended },
      bytesUp,
      bytesDown,
      durationSeconds: this.#durations.snapshot(),
      connectSeconds: this.#connects.snapshot(),
    };
  }

  /** A connection could not be accepted. */
  acceptFailed(failure: AcceptFailure): void {
    this.#acceptFailures[failure]++;
  }

  /** A connection was refused at accept. */
  refused({ address, listener }: Pick<LoggedClient, "address" | "listener">, reason: Reason): void {
    this.#rejected++;
    this.#count(reason);
    const client = formatClient(address);
    this.#log.info("connection refused", { service: this.#service, listener, client, reason });
  }

  /** A connection was admitted. */
  opened(): void {
    this.#total++;
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

  /** A backend was connected, `connectMs` milliseconds after it was asked for. */
  connected(connectMs: number): void {
    this.#connects.observe(connectMs / 1000);
  }

  /** An admitted connection has ended. */
  ended(session: LoggedSession, reason: Reason): void {
    const { client, connectMs, failure } = session;
    const durationMs = this.#wheel.now() - client.startedAtMs;
    this.#durations.observe(durationMs / 1000);
    this.#bytesUp += session.bytesUp;
    this.#bytesDown += session.bytesDown;
    const refused = isRefusal(reason);
    if (refused) this.#rejected++;
    this.#count(reason);
    // Logged as an error, as it is no fault of the client.
    if (isCrlRefusal(reason) && this.#crlLogInterval.begin(this.#wheel.now())) {
      const fields = { service: this.#service, error: describeError(failure) };
      this.#log.error("rejecting clients: CRL unusable", fields);
    }
    if (!this.access && !refused && reason !== "handshake") return;
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

  #count(reason: Reason): void {
    this.#ended[reason] = (this.#ended[reason] ?? 0) + 1;
  }
}
