import { Bag } from "../core/bag.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { CulvertError, describeError } from "../core/errors.ts";
import { Histogram, type HistogramSnapshot } from "../core/histogram.ts";
import { type Log, silentLog } from "../core/log.ts";
import { TimerWheel } from "../core/timer_wheel.ts";
import { BufferPool } from "../net/buffers.ts";
import { type ClientAddress, formatClient } from "../net/client_address.ts";
import type { Connection } from "../net/connection.ts";
import type { BackendSearch } from "../upstream/search.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { Admission } from "./admission.ts";
import type { TcpServiceOptions } from "./options.ts";
import type { Reason, Refusal } from "./reason.ts";
import type { Route } from "./route.ts";
import { Ended } from "./ended.ts";
import { Handshakes } from "./handshakes.ts";
import { Session } from "./session.ts";

const CRY_INTERVAL_MS = 60_000;
/** In seconds: from a backend next door to the usual `timeouts.connect`, and from one request to a day. */
const CONNECT_BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const DURATION_BOUNDS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400];

/** What a service works with. Everything has a default that suits a program of its own. */
export interface TcpServiceParts {
  readonly route: Route;
  readonly wheel?: TimerWheel;
  readonly buffers?: BufferPool;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** @default {silentLog} */
  readonly log?: Log;
  /** Whether each finished connection gets its line in the log; those refused always do. @default {false} */
  readonly access?: boolean;
}

/** A connection, as it comes from a listener. */
export interface Accepted {
  readonly connection: Connection;
  readonly address: ClientAddress;
  /** The address of the listener, as text. */
  readonly listener: string;
  /** Where the client connected to, for a PROXY header; absent: not known. */
  readonly localAddr?: Deno.Addr | undefined;
}

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

/**
 * What happens to the connections that the listeners of a TCP service accept: admission, a backend, the tunnel,
 * the account. It owns every connection that it is handed.
 */
export class TcpService {
  readonly name: string;
  readonly #wheel: TimerWheel;
  readonly #buffers: BufferPool;
  readonly #admission: Admission;
  readonly #log: Log;
  readonly #sessions = new Bag<Session>();
  /** Those of them that have not yet said what they must. */
  readonly #handshakes = new Handshakes();
  readonly #ended: Partial<Record<Reason, number>> = {};
  readonly #durations = new Histogram(DURATION_BOUNDS);
  readonly #connects = new Histogram(CONNECT_BOUNDS);
  #options: TcpServiceOptions;
  #route: Route;
  #access: boolean;
  #criedAtMs = -Infinity;
  #total = 0;
  #rejected = 0;
  #bytesUp = 0;
  #bytesDown = 0;
  #draining = false;
  #onIdle: (() => void) | undefined;

  constructor(options: TcpServiceOptions, parts: TcpServiceParts) {
    const clock = parts.clock ?? systemClock;
    this.name = options.name;
    this.#options = options;
    this.#route = parts.route;
    this.#wheel = parts.wheel ?? new TimerWheel({ clock });
    this.#buffers = parts.buffers ?? new BufferPool();
    this.#admission = new Admission(options.admission, clock);
    this.#log = parts.log ?? silentLog;
    this.#access = parts.access ?? false;
  }

  get stats(): TcpServiceStats {
    let bytesUp = this.#bytesUp;
    let bytesDown = this.#bytesDown;
    for (const session of this.#sessions) {
      bytesUp += session.bytesUp;
      bytesDown += session.bytesDown;
    }
    return {
      active: this.#sessions.size,
      handshakes: this.#handshakes.size,
      total: this.#total,
      rejected: this.#rejected,
      ended: { ...this.#ended },
      bytesUp,
      bytesDown,
      durationSeconds: this.#durations.snapshot(),
      connectSeconds: this.#connects.snapshot(),
    };
  }

  /** The way of a connection, from the listener to its end. Never rejects. */
  async serve(accepted: Accepted): Promise<void> {
    const refusal = this.#refusal(accepted.address.ip);
    if (refusal !== undefined) return this.#refuse(accepted, refusal);

    const session = this.#open(accepted);
    const place = this.#sessions.add(session);
    if (this.#draining) session.drain(); // Accepted in the moment of the stop.
    let reason: Reason;
    try {
      const upstream = this.#meets ? await this.#meet(session) : this.#route.upstream!;
      const found = await session.findBackend(this.#search(session, upstream));
      const carried = session.carry(found);
      this.#connects.observe(session.connectMs! / 1000);
      reason = await carried;
      found.closed(reason === "backend-reset", session.bytesDown);
    } catch (error) {
      reason = await session.giveUp(error);
    }
    this.#sessions.remove(place);
    this.#account(session, session.end(reason));
    if (this.#sessions.size === 0) this.#onIdle?.();
  }

  /** Takes a new configuration for connections to come. Live ones go on as they began. */
  update(options: TcpServiceOptions, parts: { route: Route; access: boolean }): void {
    this.#options = options;
    this.#route = parts.route;
    this.#access = parts.access;
    this.#admission.update(options.admission);
  }

  /**
   * Lets the live connections finish within `timeouts.drain`, and cuts those that have not. Resolves when none is
   * left, to how many were cut. The listeners must have stopped.
   */
  async drain(): Promise<number> {
    this.#draining = true;
    const cutBefore = this.#ended.cut ?? 0;
    for (const session of this.#sessions) session.drain();
    await this.#idle();
    return (this.#ended.cut ?? 0) - cutBefore;
  }

  /** Ends all live connections now. Resolves when none is left. */
  async destroy(): Promise<void> {
    this.#draining = true;
    for (const session of this.#sessions) session.destroy("cut");
    await this.#idle();
  }

  #idle(): Promise<void> {
    if (this.#sessions.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const before = this.#onIdle;
      this.#onIdle = () => {
        before?.();
        resolve();
      };
    });
  }

  /** Who may not even begin. Where a PROXY header is expected, who the client is only turns out later. */
  #refusal(ip: string): Refusal | undefined {
    const { proxyFrom } = this.#options;
    if (proxyFrom !== undefined) return proxyFrom.has(ip) ? this.#makeRoom() : "refused-by-proxy";
    return this.#admission.checkAddress(ip) ?? this.#makeRoom(() => this.#admission.checkRate(ip));
  }

  /**
   * Sees to it that there is room for one more, in the place of somebody who has had the time to say what it must.
   * `check` is asked last, before anybody is sent away. Gives why the one more may not come in.
   */
  #makeRoom(check?: () => Refusal | undefined): Refusal | undefined {
    const busy = this.#meets ? this.#admission.checkHandshakes(this.#handshakes.size) : undefined;
    const full = busy ?? this.#admission.checkNumber(this.#sessions.size);
    if (full !== undefined && !this.#handshakes.canYield(this.#wheel.now())) return full;
    const refusal = check?.();
    if (full !== undefined && refusal === undefined) this.#handshakes.yieldOldest(full);
    return refusal;
  }

  #open({ connection, address, listener, localAddr }: Accepted): Session {
    this.#total++;
    return new Session({
      client: connection,
      address,
      listener,
      localAddr,
      timeouts: this.#options.timeouts,
      wheel: this.#wheel,
      buffers: this.#buffers,
    });
  }

  /** Whether there is anything to be settled with a client before it is led to a backend. */
  get #meets(): boolean {
    const { names, gate } = this.#route;
    return this.#options.proxyFrom !== undefined || names !== undefined || gate !== undefined;
  }

  /** PROXY header, admission of whom that names, server name, TLS and authorisation. Resolves to where to go. */
  async #meet(session: Session): Promise<Upstream> {
    const place = this.#handshakes.begin(session);
    let tookMs: number | undefined;
    try {
      const upstream = this.#hearsFirst ? await this.#hear(session) : this.#route.upstream!;
      const { gate } = this.#route;
      if (gate !== undefined) await session.meeting.secure(gate, () => this.#route.gate ?? gate);
      tookMs = this.#wheel.now() - session.startedAtMs;
      if (gate === undefined) return upstream;
      this.#tellAdmitted(session);
      // A reload may have closed the one of before meanwhile. (Names lead elsewhere, and go with no gate.)
      return this.#route.upstream ?? upstream;
    } finally {
      this.#handshakes.end(place, tookMs);
      session.meeting.end();
    }
  }

  get #hearsFirst(): boolean {
    return this.#options.proxyFrom !== undefined || this.#route.names !== undefined;
  }

  /** Hears what the client must say first; resolves to where it is to go. */
  async #hear(session: Session): Promise<Upstream> {
    const { proxyFrom } = this.#options;
    const { serverName } = await session.meeting.listen({
      proxyHeader: proxyFrom !== undefined,
      clientHello: this.#route.names !== undefined,
    });
    const refusal = proxyFrom && this.#admission.check(session.meeting.address.ip, this.#sessions.size - 1);
    if (refusal !== undefined) throw new Ended(refusal);
    // Not the route of before: a reload may have closed its upstreams meanwhile.
    const { names, upstream } = this.#route;
    const wanted = names?.get(serverName) ?? upstream;
    if (wanted !== undefined) return wanted;
    throw new Ended("refused-by-name", new UnknownNameError(serverName));
  }

  #search(session: Session, upstream: Upstream): BackendSearch {
    const { connectMs } = this.#options.timeouts;
    const told = upstream.tellsClient ? { client: session.tellBackend() } : {};
    return upstream.search({ source: session.meeting.address.ip, connectMs, ...told });
  }

  #refuse(accepted: Accepted, reason: Reason): void {
    try {
      accepted.connection.close();
    } catch {
      // The client has gone already.
    }
    this.#rejected++;
    this.#count(reason);
    this.#log.info("connection refused", {
      service: this.name,
      listener: accepted.listener,
      client: formatClient(accepted.address),
      reason,
    });
  }

  /** Who has come in, for those who can't wait for the line at the end. */
  #tellAdmitted({ listener, meeting: { address, identity, serverName } }: Session): void {
    if (identity === undefined) return;
    const client = formatClient(address);
    this.#log.debug("client admitted", { service: this.name, listener, client, identity, name: serverName });
  }

  #account(session: Session, reason: Reason): void {
    const { connectMs } = session;
    const durationMs = this.#wheel.now() - session.startedAtMs;
    this.#durations.observe(durationMs / 1000);
    this.#bytesUp += session.bytesUp;
    this.#bytesDown += session.bytesDown;
    const refused = reason.startsWith("refused-") || reason.startsWith("tls-");
    if (refused) this.#rejected++;
    this.#count(reason);
    if (reason.startsWith("tls-crl-")) this.#cryOut(session.failure);
    if (!this.#access && !refused) return;
    this.#log.info(refused ? "connection refused" : "connection closed", {
      service: this.name,
      listener: session.listener,
      client: formatClient(session.meeting.address),
      identity: session.meeting.identity,
      name: session.meeting.serverName,
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

  /** It is a CRL that keeps everybody out, and no client's fault: said loudly, though not for each of them. */
  #cryOut(failure: unknown): void {
    const nowMs = this.#wheel.now();
    if (nowMs - this.#criedAtMs < CRY_INTERVAL_MS) return;
    this.#criedAtMs = nowMs;
    this.#log.error("nobody can come in", { service: this.name, error: describeError(failure) });
  }

  #count(reason: Reason): void {
    this.#ended[reason] = (this.#ended[reason] ?? 0) + 1;
  }
}

/** A client has asked for a name that leads nowhere. */
class UnknownNameError extends CulvertError {
  constructor(serverName: string | undefined) {
    const asked = serverName === undefined ? "no name" : `"${serverName}"`;
    super("unknown_name", `Cannot find an upstream: the client asks for ${asked}`);
  }
}
