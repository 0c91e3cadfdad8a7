import { Histogram, type HistogramSnapshot } from "../core/histogram.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import type { AcceptFailure } from "../net/accept_loop.ts";
import {
  AccessLog,
  type AccessLogOptions,
  type LoggedClient,
  type LoggedSession,
  type TransferredBytes,
} from "./access_log.ts";
import { type Failures, isFailure } from "./failures.ts";
import { formatClient } from "../net/client_address.ts";
import { isRefusal, type Reason } from "./reason.ts";

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
  /** Further backends that were tried because one could not be connected; absent: none. */
  readonly retries?: number;
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

/** What {@linkcode ServiceStats} work with. */
export interface ServiceStatsOptions extends AccessLogOptions {
  /** Gets connections that are refused or fail. @default none is kept */
  readonly failures?: Failures | undefined;
}

/** Counts the connections of a service, and has them written to its access log. */
export class ServiceStats {
  readonly #wheel: TimerWheel;
  readonly #log: AccessLog;
  readonly #service: string;
  readonly #failures: Failures | undefined;
  readonly #ended: Partial<Record<Reason, number>> = {};
  readonly #durations = new Histogram(DURATION_BOUNDS);
  readonly #connects = new Histogram(CONNECT_BOUNDS);
  readonly #acceptFailures: Record<AcceptFailure, number> = { reset: 0, descriptors: 0, other: 0 };
  #total = 0;
  #rejected = 0;
  #retries = 0;
  #bytesUp = 0;
  #bytesDown = 0;

  constructor(options: ServiceStatsOptions) {
    this.#service = options.service;
    this.#failures = options.failures;
    this.#wheel = options.wheel;
    this.#log = new AccessLog(options);
  }

  /** As of {@linkcode AccessLogOptions}. */
  get access(): boolean {
    return this.#log.access;
  }

  set access(access: boolean) {
    this.#log.access = access;
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
      ...(this.#retries === 0 ? {} : { retries: this.#retries }),
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
    this.#log.refused({ address, listener }, reason);
    this.#failures?.add({
      service: this.#service,
      client: formatClient(address),
      reason,
      error: undefined,
    });
  }

  /** The service has stopped: writes what waits to be logged. */
  flush(): void {
    this.#log.flush();
  }

  /** A connection was admitted. */
  opened(): void {
    this.#total++;
  }

  /** A client has completed its TLS handshake and is authorized. */
  authorized(client: LoggedClient): void {
    this.#log.authorized(client);
  }

  /** A backend was connected, `connectMs` milliseconds after it was asked for. */
  connected(connectMs: number): void {
    this.#connects.observe(connectMs / 1000);
  }

  /** An admitted connection has ended. */
  ended(session: LoggedSession, reason: Reason): void {
    const durationMs = this.#wheel.now() - session.client.startedAtMs;
    this.#durations.observe(durationMs / 1000);
    this.#bytesUp += session.bytesUp;
    this.#bytesDown += session.bytesDown;
    if (isRefusal(reason)) this.#rejected++;
    if (session.tries > 1) this.#retries += session.tries - 1;
    this.#count(reason);
    this.#log.ended(session, { reason, durationMs });
    if (this.#failures !== undefined && isFailure(reason)) this.#keep(session, reason);
  }

  #keep({ client, backend, failure }: LoggedSession, reason: Reason): void {
    this.#failures!.add({
      service: this.#service,
      client: formatClient(client.address),
      identity: client.identity,
      backend: backend?.key,
      reason,
      error: failure,
    });
  }

  #count(reason: Reason): void {
    this.#ended[reason] = (this.#ended[reason] ?? 0) + 1;
  }
}
