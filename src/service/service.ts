import { type Clock, systemClock } from "../core/clock.ts";
import { Counter } from "../core/counter.ts";
import { type Log, silentLog } from "../core/log.ts";
import { TimerWheel } from "../core/timer_wheel.ts";
import { type ListEntry, UnorderedList } from "../core/unordered_list.ts";
import type { AcceptFailure } from "../net/accept_loop.ts";
import { BufferPool } from "../net/buffers.ts";
import { closeQuietly } from "../net/connection.ts";
import type { TlsGate } from "../tls/gate.ts";
import { Admission, type AdmissionParts } from "./admission.ts";
import {
  type AcceptedConnection,
  ClientHandshake,
  type HandshakeContext,
  type HandshakePolicy,
} from "./client_handshake.ts";
import type { ServiceOptions, Timeouts } from "./options.ts";
import type { Reason } from "./reason.ts";
import { type ServiceCounters, ServiceStats } from "./service_stats.ts";
import { type LoggedSession } from "./access_log.ts";
import type { Failures } from "./failures.ts";
import type { OpenSession } from "./live_session.ts";

/** What a service works with. Everything has a default that suits a program of its own. */
export interface ServiceParts {
  readonly wheel?: TimerWheel;
  readonly buffers?: BufferPool;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** @default {silentLog} */
  readonly log?: Log;
  /** Whether there are too few file descriptors for another connection of the service. @default never */
  readonly refuses?: (service: { readonly connections: { readonly value: number } }) => boolean;
  /** Whether every connection is logged when it ends. Refused ones always are. @default {false} */
  readonly access?: boolean;
  /** Gets connections and requests that are refused or fail. @default none is kept */
  readonly failures?: Failures | undefined;
  /** Makes what counts for `rate`, such as a limiter that is shared with other threads. @default {RateLimiter} */
  readonly createLimiter?: AdmissionParts["createLimiter"];
}

/** What a service demands of its clients, besides its {@linkcode ServiceOptions}. */
export interface ClientPolicy {
  /** The TLS that is spoken with clients; absent: none. */
  readonly gate?: TlsGate | undefined;
  /** Whether the server name is read from the ClientHello, which is left in the stream. @default {false} */
  readonly readsServerName?: boolean;
  /**
   * Whether the handshake of every client is pending until the service calls {@linkcode ClientHandshake.end}, such as
   * with the head of the first request. @default {false}
   */
  readonly staysPending?: boolean;
}

/** The session of an admitted connection. Its service makes it, and runs it to its end. */
export interface ServiceSession extends LoggedSession, OpenSession {
  readonly client: ClientHandshake;
  /** Lets it finish within `timeouts.drain` of the service. */
  drain(): void;
  /** `timeouts.drain` has changed, which applies to a drain under way. */
  onDrainChanged(): void;
  /** Ends it now. */
  destroy(reason: Reason): void;
}

/**
 * The client side of a service: admission, handshakes, open sessions, statistics. A subclass serves what is admitted, by
 * TCP or HTTP. It owns every connection that it is handed, and passes each through these steps:
 *
 * ```ts ignore
 * async serve(accepted: AcceptedConnection): Promise<void> {
 *   const { ip } = accepted.address;
 *   if (!this.admission.hasRoom(ip)) await this.admission.awaitRoom(ip);
 *   const client = this.admit(accepted);
 *   if (client === undefined) return;
 *   const session = new MySession(client);
 *   const entry = this.open(session);
 *   let reason: Reason;
 *   try {
 *     if (this.needsHandshake) await client.run(session);
 *     reason = await session.run(); // client.connection, client.address, client.identity, client.tls
 *   } catch (error) {
 *     reason = reasonOf(error);
 *   }
 *   client.end();
 *   this.close(entry, reason);
 * }
 * ```
 */
export abstract class Service implements HandshakeContext {
  readonly name: string;
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
  readonly admission: Admission;
  readonly stats: ServiceStats;
  /** Open connections: over all threads, if it is shared. */
  readonly connections = new Counter();
  readonly #sessions = new UnorderedList<ServiceSession>();
  #options: ServiceOptions;
  #policy!: HandshakePolicy;
  #needsHandshake = false;
  #draining = false;
  #onIdle: (() => void) | undefined;

  constructor(options: ServiceOptions, { policy, parts }: { policy: ClientPolicy; parts: ServiceParts }) {
    const { clock = systemClock, log = silentLog, access = false, refuses, failures, createLimiter } = parts;
    this.name = options.name;
    this.#options = options;
    this.wheel = parts.wheel ?? new TimerWheel({ clock });
    this.buffers = parts.buffers ?? new BufferPool();
    this.stats = new ServiceStats({ service: options.name, wheel: this.wheel, log, access, failures });
    this.admission = new Admission({ ...options.admission, needsHandshake: false }, {
      clock,
      wheel: this.wheel,
      connections: this.connections,
      createLimiter,
      outOfDescriptors: refuses && (() => refuses(this)),
    });
    this.configure(options, policy);
  }

  /** Serves a connection, from the listener to its end. Never rejects. */
  abstract serve(accepted: AcceptedConnection): Promise<void>;

  /** Open connections. */
  get active(): number {
    return this.#sessions.size;
  }

  /** The sessions that have not ended. */
  get sessions(): Iterable<ServiceSession> {
    return this.#sessions;
  }

  /** The statistics as they are now. */
  get counters(): ServiceCounters {
    const { handshakes } = this.admission;
    return this.stats.counters(this.#sessions, { active: this.active, handshakes: handshakes.size });
  }

  /** The timeouts as they are configured now. */
  get timeouts(): Timeouts {
    return this.#options.timeouts;
  }

  /** What clients must do before they are served, as configured now. */
  get policy(): HandshakePolicy {
    return this.#policy;
  }

  /** A connection could not be accepted. */
  acceptFailed(failure: AcceptFailure): void {
    this.stats.acceptFailed(failure);
  }

  /** Ends that many open sessions, the newest first, to free their file descriptors. */
  shed(count: number): void {
    const sessions = [...this.#sessions].sort((a, b) => b.client.startedAtMs - a.client.startedAtMs);
    for (const session of sessions.slice(0, count)) session.destroy("no-descriptors");
  }

  /**
   * Lets the open sessions finish within `timeouts.drain`, and cuts those that have not by then. Resolves when all have
   * ended, to the number that were cut. The listeners must have stopped.
   */
  async drain(): Promise<number> {
    const cutBefore = this.stats.cut;
    await this.#stop((session) => session.drain());
    return this.stats.cut - cutBefore;
  }

  /** Resolves when no session is open. New ones must not come. */
  async idle(): Promise<void> {
    if (!this.#isIdle) await this.#awaitIdle();
  }

  /** Ends all open sessions now. Resolves when they have ended. */
  async destroy(): Promise<void> {
    await this.#stop((session) => session.destroy("cut"));
  }

  /** Whether clients must complete a handshake, by {@linkcode ClientHandshake.run}, before they are served. */
  protected get needsHandshake(): boolean {
    return this.#needsHandshake;
  }

  /**
   * Takes a configuration for the connections that are accepted from now on. The gate, `proxyFrom` and `timeouts.drain`
   * apply to open connections, too.
   */
  protected configure(options: ServiceOptions, policy: ClientPolicy): void {
    const { proxyFrom, timeouts: { drainMs, handshakeMs: timeoutMs } } = options;
    const { gate, readsServerName = false, staysPending = false } = policy;
    const isNewDrain = drainMs !== this.#options.timeouts.drainMs;
    const needsHandshake = proxyFrom !== undefined || gate !== undefined || readsServerName || staysPending;
    this.#options = options;
    this.#policy = { proxyFrom, gate, readsServerName, timeoutMs, staysPending };
    this.#needsHandshake = needsHandshake;
    this.admission.update({ ...options.admission, proxyFrom, needsHandshake });
    if (isNewDrain) { for (const session of this.#sessions) session.onDrainChanged(); }
  }

  /** Admits an accepted connection; or refuses, counts, logs and closes it (`undefined`). */
  protected admit(accepted: AcceptedConnection): ClientHandshake | undefined {
    const refusal = this.admission.checkAccepted(accepted.address.ip);
    if (refusal === undefined) {
      this.stats.opened();
      return new ClientHandshake(accepted, this);
    }
    closeQuietly(accepted.connection);
    this.stats.refused(accepted, refusal);
    this.#checkIdle();
    return undefined;
  }

  /** Adds the session of an admitted connection, which from then on can be drained and destroyed. */
  protected open(session: ServiceSession): ListEntry<ServiceSession> {
    const entry = this.#sessions.add(session);
    if (this.#draining) session.drain(); // Accepted at the moment of the stop.
    return entry;
  }

  /** Removes a session that has ended, and logs it. */
  protected close(entry: ListEntry<ServiceSession>, reason: Reason): void {
    this.#sessions.remove(entry);
    this.connections.remove();
    this.stats.ended(entry.value, reason);
    this.#checkIdle();
  }

  async #stop(end: (session: ServiceSession) => void): Promise<void> {
    this.#draining = this.admission.closing = true;
    for (const session of this.#sessions) end(session);
    if (!this.#isIdle) await this.#awaitIdle();
    this.stats.flush();
  }

  async #awaitIdle(): Promise<void> {
    await new Promise<void>((resolve) => {
      const before = this.#onIdle;
      this.#onIdle = () => {
        before?.();
        resolve();
      };
    });
  }

  get #isIdle(): boolean {
    return this.#sessions.size === 0 && this.admission.waiting === 0;
  }

  #checkIdle(): void {
    if (this.#isIdle) this.#onIdle?.();
  }
}
