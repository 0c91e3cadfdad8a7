import { describeError } from "../core/errors.ts";
import { Histogram, type HistogramSnapshot } from "../core/histogram.ts";
import type { Log } from "../core/log.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import type { AcceptFailure } from "../net/accept_loop.ts";
import { type ClientAddress, formatClient } from "../net/client_address.ts";
import type { Reason } from "../service/reason.ts";
import type { Session } from "./session.ts";

const CRY_INTERVAL_MS = 60_000;
/** In seconds: from a backend next door to the usual `timeouts.connect`, and from one request to a day. */
const CONNECT_BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const DURATION_BOUNDS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400];

/** What a service has done since the start. */
export interface TcpServiceStats {
  /** Admitted connections that live now. */
  readonly active: number;
  /** Of these, clients that have not yet said what they must (TLS handshake, PROXY header, server name). */
  readonly handshakes: number;
  /** Admitted connections since the start, those included that were turned away for what they said first. */
  readonly total: number;
  /** Connections turned away since the start. */
  readonly rejected: number;
  /** Connections that could not be accepted since the start, by why. */
  readonly acceptFailures: Readonly<Record<AcceptFailure, number>>;
  /** How many connections ended for each reason. Reasons that never came up are absent. */
  readonly ended: Readonly<Partial<Record<Reason, number>>>;
  /** Bytes delivered to backends, those of live connections included. */
  readonly bytesUp: number;
  /** Bytes delivered to clients, those of live connections included. */
  readonly bytesDown: number;
  /** How long the admitted connections that have ended had lived. */
  readonly durationSeconds: HistogramSnapshot;
  /** How long it took to find a backend for those that got one. */
  readonly connectSeconds: HistogramSnapshot;
}

/** What an account is kept with. */
export interface AccountOptions {
  /** The service's name. */
  readonly service: string;
  readonly wheel: TimerWheel;
  readonly log: Log;
  /** Whether each finished connection gets its line in the log; those that were not let in always do. */
  readonly access: boolean;
}

/** The account of a service: each connection is counted and told of once, with its reason. */
export class Account {
  readonly #service: string;
  readonly #wheel: TimerWheel;
  readonly #log: Log;
  readonly #ended: Partial<Record<Reason, number>> = {};
  readonly #durations = new Histogram(DURATION_BOUNDS);
  readonly #connects = new Histogram(CONNECT_BOUNDS);
  /** As of {@linkcode AccountOptions}. */
  access: boolean;
  readonly #acceptFailures: Record<AcceptFailure, number> = { reset: 0, descriptors: 0, other: 0 };
  #criedAtMs = -Infinity;
  #total = 0;
  #rejected = 0;
  #bytesUp = 0;
  #bytesDown = 0;

  constructor(options: AccountOptions) {
    this.#service = options.service;
    this.#wheel = options.wheel;
    this.#log = options.log;
    this.access = options.access;
  }

  /** How many connections have been cut. */
  get cut(): number {
    return this.#ended.cut ?? 0;
  }

  /** Everything up to now; `live` are the sessions that have not ended. */
  stats(live: Iterable<Session>, now: Pick<TcpServiceStats, "active" | "handshakes">): TcpServiceStats {
    let bytesUp = this.#bytesUp;
    let bytesDown = this.#bytesDown;
    for (const session of live) {
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

  /** A connection has come, and may stay for what it has to say. */
  opened(): void {
    this.#total++;
  }

  /** There is a backend for it. */
  connected(connectMs: number): void {
    this.#connects.observe(connectMs / 1000);
  }

  /** Who has come in, for those who can't wait for the line at the end. */
  admitted({ listener, meeting: { address, identity, serverName } }: Session): void {
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

  /** A connection has been turned away as it came. */
  refused({ address, listener }: { address: ClientAddress; listener: string }, reason: Reason): void {
    this.#rejected++;
    this.#count(reason);
    const client = formatClient(address);
    this.#log.info("connection refused", { service: this.#service, listener, client, reason });
  }

  /** A session is over. */
  ended(session: Session, reason: Reason): void {
    const { connectMs } = session;
    const durationMs = this.#wheel.now() - session.startedAtMs;
    this.#durations.observe(durationMs / 1000);
    this.#bytesUp += session.bytesUp;
    this.#bytesDown += session.bytesDown;
    const refused = reason.startsWith("refused-") || reason.startsWith("tls-");
    if (refused) this.#rejected++;
    this.#count(reason);
    if (reason.startsWith("tls-crl-")) this.#cryOut(session.failure);
    if (!this.access && !refused && reason !== "handshake") return;
    this.#log.info(refused ? "connection refused" : "connection closed", {
      service: this.#service,
      listener: session.listener,
      client: formatClient(session.meeting.address),
      identity: session.meeting.identity,
      name: session.meeting.serverName,
      // Of a refused one it is the error.
      name_fault: refused ? undefined : session.meeting.nameFault,
      unique_id: session.uniqueId,
      backend: session.backend?.key,
      tries: session.tries,
      bytes_up: session.bytesUp,
      bytes_down: session.bytesDown,
      duration_ms: Math.round(durationMs),
      connect_ms: connectMs === undefined ? undefined : Math.round(connectMs),
      reason,
      error: session.failure === undefined ? undefined : describeError(session.failure),
    });
  }

  /** It is a CRL that keeps clients out, and no fault of theirs: said loudly, though not for each of them. */
  #cryOut(failure: unknown): void {
    const nowMs = this.#wheel.now();
    if (nowMs - this.#criedAtMs < CRY_INTERVAL_MS) return;
    this.#criedAtMs = nowMs;
    this.#log.error("a CRL keeps clients out", { service: this.#service, error: describeError(failure) });
  }

  #count(reason: Reason): void {
    this.#ended[reason] = (this.#ended[reason] ?? 0) + 1;
  }
}
