import { Bag } from "../core/unordered_list.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { CulvertError } from "../core/errors.ts";
import { type EvictionPlace, EvictionQueue } from "../core/eviction_queue.ts";
import { type Log, silentLog } from "../core/log.ts";
import { TimerWheel } from "../core/timer_wheel.ts";
import { BufferPool } from "../net/buffers.ts";
import type { AcceptFailure } from "../net/accept_loop.ts";
import type { ClientAddress } from "../net/client_address.ts";
import { closeQuietly, type Connection } from "../net/connection.ts";
import { takeTurns } from "../net/fair_connection.ts";
import type { BackendSearch, Found, SearchOptions } from "../upstream/search.ts";
import { eventLoopPoll, MAX_REFUSALS_PENDING, REFUSAL_POLLS } from "../core/grant.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { Account, type TcpServiceStats } from "./account.ts";
import { Admission } from "../service/admission.ts";
import type { JoinOptions } from "../service/client_handshake.ts";
import type { TcpServiceOptions } from "../service/options.ts";
import type { Reason, Refusal } from "../service/reason.ts";
import type { Route } from "../service/route.ts";
import { Ended } from "../service/reason.ts";
import { Session } from "./session.ts";

/** What a service works with. Everything has a default that suits a program of its own. */
export interface TcpServiceParts {
  readonly route: Route;
  readonly wheel?: TimerWheel;
  readonly buffers?: BufferPool;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** @default {silentLog} */
  readonly log?: Log;
  /** Whether there are too few descriptors for one more connection of the service. @default there are enough */
  readonly refuses?: (service: { readonly active: number }) => boolean;
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

/**
 * What happens to the connections that the listeners of a TCP service accept: admission, a backend, the tunnel,
 * the account. It owns every connection that it is handed.
 */
export class TcpService {
  readonly name: string;
  readonly #wheel: TimerWheel;
  readonly #buffers: BufferPool;
  readonly #admission: Admission;
  readonly #account: Account;
  readonly #refuses: TcpServiceParts["refuses"];
  readonly #sessions = new Bag<Session>();
  /** Those of them that have not yet said what they must. */
  readonly #handshakes = new EvictionQueue<Refusal>();
  #options: TcpServiceOptions;
  readonly #latest: { timeouts: TcpServiceOptions["timeouts"] };
  #route: Route;
  /** Connections that are about to be refused for want of room. */
  #pending = 0;
  #draining = false;
  #onIdle: (() => void) | undefined;

  constructor(options: TcpServiceOptions, parts: TcpServiceParts) {
    const clock = parts.clock ?? systemClock;
    this.name = options.name;
    this.#options = options;
    this.#latest = { timeouts: options.timeouts };
    this.#route = parts.route;
    this.#refuses = parts.refuses;
    this.#wheel = parts.wheel ?? new TimerWheel({ clock });
    this.#buffers = parts.buffers ?? new BufferPool();
    this.#admission = new Admission(options.admission, clock);
    this.#account = new Account({
      service: options.name,
      wheel: this.#wheel,
      log: parts.log ?? silentLog,
      access: parts.access ?? false,
    });
  }

  get stats(): TcpServiceStats {
    const { size: active } = this.#sessions;
    return this.#account.stats(this.#sessions, { active, handshakes: this.#handshakes.size });
  }

  /** How many connections live. */
  get active(): number {
    return this.#sessions.size;
  }

  /** A connection of one of its listeners could not be accepted. */
  acceptFailed(failure: AcceptFailure): void {
    this.#account.acceptFailed(failure);
  }

  /** Ends that many live connections, the newest first, as others need their descriptors. */
  shed(count: number): void {
    const sessions = [...this.#sessions].sort((a, b) => b.startedAtMs - a.startedAtMs);
    for (const session of sessions.slice(0, count)) session.destroy("no-descriptors");
  }

  /** The way of a connection, from the listener to its end. Never rejects. */
  async serve(accepted: Accepted): Promise<void> {
    const { ip } = accepted.address;
    if (this.#hasNoRoom(ip)) await this.#awaitEnds(ip);
    const refusal = this.#refusal(ip);
    if (refusal !== undefined) {
      closeQuietly(accepted.connection);
      this.#account.refused(accepted, refusal);
      return this.#checkIdle();
    }

    const session = this.#open(accepted);
    const place = this.#sessions.add(session);
    if (this.#draining) session.drain(); // Accepted in the moment of the stop.
    let reason: Reason;
    try {
      const found = this.#route.gate?.joins === true
        ? await this.#meetJoined(session)
        : await this.#find(session, {
          upstream: this.#meets ? await this.#meet(session) : this.#route.upstream!,
        });
      const carried = session.carry(found);
      this.#account.connected(session.connectMs!);
      reason = await carried;
      found.closed(reason === "backend-reset", session.bytesDown);
    } catch (error) {
      reason = await session.giveUp(error);
    }
    this.#sessions.remove(place);
    this.#account.ended(session, session.end(reason));
    this.#checkIdle();
  }

  /** Takes a new configuration for connections to come. Live ones go on as they began, but for `timeouts.drain`. */
  update(options: TcpServiceOptions, parts: { route: Route; access: boolean }): void {
    const { drainMs } = this.#options.timeouts;
    this.#options = options;
    this.#latest.timeouts = options.timeouts;
    this.#route = parts.route;
    this.#account.access = parts.access;
    this.#admission.update(options.admission);
    if (options.timeouts.drainMs === drainMs) return;
    for (const session of this.#sessions) session.onDrainChanged();
  }

  /**
   * Lets the live connections finish within `timeouts.drain`, and cuts those that have not. Resolves when none is
   * left, to how many were cut. The listeners must have stopped.
   */
  async drain(): Promise<number> {
    this.#draining = true;
    const cutBefore = this.#account.cut;
    for (const session of this.#sessions) session.drain();
    await this.#idle();
    return this.#account.cut - cutBefore;
  }

  /** Ends all live connections now. Resolves when none is left. */
  async destroy(): Promise<void> {
    this.#draining = true;
    for (const session of this.#sessions) session.destroy("cut");
    await this.#idle();
  }

  get #isIdle(): boolean {
    return this.#sessions.size === 0 && this.#pending === 0;
  }

  #checkIdle(): void {
    if (this.#isIdle) this.#onIdle?.();
  }

  #idle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve();
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
    const byAddress = this.#refusalByAddress(ip);
    if (byAddress !== undefined) return byAddress;
    const full = this.#full();
    const evicted = full && this.#evictable(ip);
    if (full !== undefined && evicted === undefined) return full;
    const byRate = this.#options.proxyFrom === undefined ? this.#admission.checkRate(ip) : undefined;
    // Only now: a client that is refused by a rule evicts nobody.
    if (evicted !== undefined && byRate === undefined) this.#handshakes.evict(evicted, full!);
    return byRate;
  }

  #refusalByAddress(ip: string): Refusal | undefined {
    const { proxyFrom } = this.#options;
    if (proxyFrom === undefined) return this.#admission.checkAddress(ip);
    return proxyFrom.has(ip) ? undefined : "refused-by-proxy";
  }

  /** Whether a client at `ip` would be refused, only as there is no room. */
  #hasNoRoom(ip: string): boolean {
    if (this.#full() === undefined || this.#evictable(ip) !== undefined) return false;
    return this.#refusalByAddress(ip) === undefined;
  }

  /**
   * Before a client is refused for want of room, connections end whose end the system knows of already: the client
   * may have ended the last one itself just before it came again.
   */
  async #awaitEnds(ip: string): Promise<void> {
    if (this.#pending >= MAX_REFUSALS_PENDING) return;
    this.#pending++;
    for (let polls = 0; polls < REFUSAL_POLLS && !this.#draining && this.#hasNoRoom(ip); polls++) {
      await eventLoopPoll();
    }
    this.#pending--;
  }

  #evictable(ip: string): EvictionPlace<Refusal> | undefined {
    return this.#handshakes.candidate(this.#admission.source(ip), {
      nowMs: this.#wheel.now(),
      graceMs: this.#admission.handshakeGraceMs,
    });
  }

  /** Why there is no room for one more. */
  #full(): Refusal | undefined {
    const busy = this.#meets ? this.#admission.checkHandshakes(this.#handshakes.size) : undefined;
    if (this.#refuses?.(this) === true) return "refused-by-descriptors";
    return busy ?? this.#admission.checkNumber(this.#sessions.size);
  }

  #open({ connection, address, listener, localAddr }: Accepted): Session {
    this.#account.opened();
    return new Session({
      client: takeTurns(connection),
      address,
      listener,
      localAddr,
      timeouts: this.#options.timeouts,
      latest: this.#latest,
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
    const place = this.#handshakes.add(session, this.#admission.source(session.meeting.address.ip));
    try {
      const upstream = this.#hearsFirst ? await this.#hear(session, place) : this.#route.upstream!;
      const { gate } = this.#route;
      if (gate !== undefined) await session.meeting.secure(gate, () => this.#route.gate ?? gate);
      if (gate === undefined) return upstream;
      this.#account.admitted(session);
      // A reload may have closed the one of before meanwhile. (Names lead elsewhere, and go with no gate.)
      return this.#route.upstream ?? upstream;
    } finally {
      this.#handshakes.remove(place);
      session.meeting.end();
    }
  }

  /** As {@linkcode #meet}, where TLS begins in the middle of a login: the backend is found before that. */
  async #meetJoined(session: Session): Promise<Found> {
    const place = this.#handshakes.add(session, this.#admission.source(session.meeting.address.ip));
    try {
      const upstream = this.#hearsFirst ? await this.#hear(session, place) : this.#route.upstream!;
      const own = this.#route.gate!;
      const found = await this.#find(session, {
        upstream,
        gate: { own, latest: () => this.#route.gate ?? own },
      });
      this.#account.admitted(session);
      return found;
    } finally {
      this.#handshakes.remove(place);
      session.meeting.end();
    }
  }

  /** Finds a backend, and joins the client and it where TLS begins in their login. */
  async #find(
    session: Session,
    { upstream, gate }: { upstream: Upstream; gate?: JoinOptions["gate"] },
  ): Promise<Found> {
    const { joins: connectTls } = upstream;
    const isJoined = gate !== undefined || connectTls !== undefined;
    const joins = isJoined ? { tls: connectTls !== undefined } : undefined;
    const found = await session.findBackend(this.#search(session, { upstream, joins }));
    if (!isJoined) return found;
    return await session.join(found, { gate, connectTls });
  }

  get #hearsFirst(): boolean {
    return this.#options.proxyFrom !== undefined || this.#route.names !== undefined;
  }

  /**
   * Hears what the client must say first; resolves to where it is to go. What names no upstream, TLS or not, goes to
   * the default one, as with nginx (`ssl_preread`) and HAProxy (`req.ssl_sni`).
   */
  async #hear(session: Session, place: EvictionPlace<Refusal>): Promise<Upstream> {
    const { proxyFrom } = this.#options;
    const { serverName, nameFault } = await session.meeting.listen({
      proxyHeader: proxyFrom !== undefined,
      clientHello: this.#route.names !== undefined,
      // From then on the client is the source, and no longer the sender of the header.
      onEndpoints: ({ source }) => this.#handshakes.move(place, this.#admission.source(source.ip)),
    });
    const refusal = proxyFrom && this.#admission.check(session.meeting.address.ip, this.#sessions.size - 1);
    if (refusal !== undefined) throw new Ended(refusal);
    // Not the route of before: a reload may have closed its upstreams meanwhile.
    const { names, upstream } = this.#route;
    const wanted = names?.get(serverName) ?? upstream;
    if (wanted !== undefined) return wanted;
    throw new Ended("refused-by-name", nameFault ?? new UnknownNameError(serverName));
  }

  #search(
    session: Session,
    { upstream, joins }: { upstream: Upstream; joins: SearchOptions["joins"] },
  ): BackendSearch {
    const { connectMs } = this.#options.timeouts;
    const told = upstream.tellsClient ? { client: session.tellBackend() } : {};
    const { address: { ip: source }, greeted } = session.meeting;
    return upstream.search({ source, connectMs, greeted, joins, ...told });
  }
}

/** A client has asked for a name that leads nowhere. */
class UnknownNameError extends CulvertError {
  constructor(serverName: string | undefined) {
    const asked = serverName === undefined ? "no name" : `"${serverName}"`;
    super("unknown_name", `Cannot find an upstream: the client asks for ${asked}`);
  }
}
