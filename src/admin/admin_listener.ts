import { LogInterval } from "../core/log_interval.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { Deadline } from "../core/deadline.ts";
import { CulvertError, describeError } from "../core/errors.ts";
import { type Log, silentLog } from "../core/log.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import { AcceptLoop } from "../net/accept_loop.ts";
import { type Address, formatAddress } from "../net/address.ts";
import type { BufferPool } from "../net/buffers.ts";
import { type ClientAddress, clientAddress, formatClient } from "../net/client_address.ts";
import { closeQuietly, type Connection } from "../net/connection.ts";
import { prepareSocket } from "../net/dial.ts";
import type { BoundListener } from "../net/listen.ts";
import { isAdminAddress } from "../net/loopback.ts";
import type { Entered, TlsGate } from "../tls/gate.ts";
import { type AdminPlace, AdminPlaces } from "./admin_places.ts";
import { AllowedHosts } from "./allowed_hosts.ts";
import { AdminApi } from "./api.ts";
import { type HttpLimits, HttpSession } from "./http_session.ts";
import type { AdminTarget } from "./target.ts";

const MAX_CONNECTIONS = 64;

/** The TLS of an {@linkcode AdminListener}. */
export interface AdminTls {
  /**
   * The gate for the next connection: asked each time, as a reload brings another one. `undefined`: plain HTTP, which
   * only loopback and unix sockets may speak; call {@linkcode AdminListener.refresh} when that changes.
   */
  readonly gate: () => TlsGate | undefined;
  /** The names of the certificate, which clients may call us by. */
  readonly names: () => readonly string[];
}

/** What an {@linkcode AdminListener} works with. */
export interface AdminListenerParts {
  /** What is shown and changed. */
  readonly target: AdminTarget;
  readonly wheel: TimerWheel;
  /** Lends the read buffers of TLS. */
  readonly buffers: BufferPool;
  /** Absent: plain HTTP for good, which only loopback and unix sockets may speak. */
  readonly tls?: AdminTls | undefined;
  /** Told that there was no descriptor for a connection. */
  readonly onShortage?: () => void;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** @default {silentLog} */
  readonly log?: Log;
  /**
   * Connections at once. One that waits for its client is closed for the next; half of them are for clients on this
   * machine and authenticated ones. @default {64}
   */
  readonly maxConnections?: number;
  /** For the TLS handshake, in milliseconds. @default {10_000} */
  readonly handshakeMs?: number;
  /** How long requests that are under way may take when it closes, in milliseconds. @default {5_000} */
  readonly drainMs?: number;
  /** The bounds of each connection. */
  readonly limits?: HttpLimits;
}

/** One connection, from before its handshake to its end. */
interface Visitor {
  readonly place: AdminPlace;
  readonly client: string;
  session: HttpSession | undefined;
  /** Gives up the handshake. */
  giveUp(reason: Error): void;
}

/** Somebody who has come in. */
interface Visit {
  readonly connection: Connection;
  /** Whose certificate it has shown. */
  readonly identity?: string | undefined;
  readonly tls: boolean;
}

/**
 * The admin API on a bound address. Elsewhere than on loopback or a unix socket, whoever comes must show a
 * certificate that the gate lets in, even where that could do without one.
 *
 * Owns the listener, and every connection that it accepts.
 */
export class AdminListener {
  readonly address: Address;
  readonly #parts: AdminListenerParts;
  readonly #log: Log;
  /** By whether a connection speaks TLS, whose default port is another one. */
  readonly #apis: { readonly plain: AdminApi; readonly tls: AdminApi };
  readonly #loop: AcceptLoop<Deno.Conn>;
  readonly #visitors = new Map<Visitor, Promise<void>>();
  readonly #places: AdminPlaces;
  #closed = false;
  readonly #fullLogInterval = new LogInterval();

  /**
   * Serves at once.
   *
   * @throws {CulvertError} `admin_exposed` if everybody could come in. The listener is closed then.
   */
  constructor(listener: BoundListener, parts: AdminListenerParts) {
    this.address = listener.address;
    const name = formatAddress(this.address);
    if (parts.tls?.gate() === undefined && !isAdminAddress(this.address)) {
      listener.close();
      throw exposed(this.address);
    }
    this.#parts = parts;
    const { maxConnections = MAX_CONNECTIONS } = parts;
    this.#places = new AdminPlaces({ maxConnections, clock: parts.wheel });
    this.#log = parts.log ?? silentLog;
    const api = (tls: boolean) => {
      const names = () => parts.tls?.names() ?? [];
      const hosts = new AllowedHosts({ address: this.address, tls, ...(tls ? { names } : {}) });
      return new AdminApi({ target: parts.target, hosts });
    };
    this.#apis = { plain: api(false), tls: api(true) };
    const { clock = systemClock } = parts;
    const onConnection = (connection: Deno.Conn) => this.#accept(connection);
    this.#loop = new AcceptLoop<Deno.Conn>(listener, {
      onConnection,
      onFailure: (failure) => failure === "descriptors" && parts.onShortage?.(),
      name: `admin ${name}`,
      clock,
      log: this.#log,
    });
  }

  /** How many connections there are now, those in their handshake included. */
  get connections(): number {
    return this.#visitors.size;
  }

  /**
   * Stops listening, ends what is idle or in its handshake, and lets requests that are under way finish within
   * `drainMs`; cuts the rest. Resolves when no connection is left: a request that waits for this itself (a reload
   * that takes the listener away) would wait for its own end, so let that go on without waiting.
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#loop.close();
    this.refresh();
    const { wheel, drainMs = 5000 } = this.#parts;
    const cut = () => {
      for (const { session } of this.#visitors.keys()) session?.destroy();
    };
    using deadline = new Deadline(wheel, { timeoutMs: drainMs, reason: () => new Error("cut") });
    deadline.signal.addEventListener("abort", cut, { once: true });
    await Promise.all([this.#loop.done, ...this.#visitors.values()]);
  }

  /**
   * Ends the connections from before, for those after them to come in another way: what is idle or in its handshake
   * at once, the others with the answer that is under way.
   */
  refresh(): void {
    for (const visitor of this.#visitors.keys()) {
      visitor.giveUp(new Error("the admin listener closes"));
      visitor.session?.drain();
    }
  }

  #accept(connection: Deno.Conn): void {
    if (this.#closed) return closeQuietly(connection);
    let address: ClientAddress;
    try {
      address = clientAddress(connection.remoteAddr);
      prepareSocket(connection);
    } catch {
      return closeQuietly(connection); // Reset already.
    }
    const place = this.#places.enter(address, () => {
      visitor.giveUp(new Error("evicted: there are too many connections"));
      visitor.session?.destroy();
      this.#warnFull();
    });
    if (place === undefined) {
      closeQuietly(connection);
      return this.#warnFull();
    }
    const visitor: Visitor = { place, client: formatClient(address), session: undefined, giveUp() {} };
    const served = this.#serve(connection, visitor).finally(() => {
      place.leave();
      this.#visitors.delete(visitor);
    });
    this.#visitors.set(visitor, served);
  }

  /** Not for each of them. */
  #warnFull(): void {
    if (!this.#fullLogInterval.begin(this.#parts.wheel.now())) return;
    const { maxConnections: max = MAX_CONNECTIONS } = this.#parts;
    this.#log.warn("too many admin connections: those that have waited longest are closed", { max });
  }

  /** Never rejects. */
  async #serve(accepted: Deno.Conn, visitor: Visitor): Promise<void> {
    const { client, place } = visitor;
    let entered: Visit;
    try {
      entered = await this.#enter(accepted, visitor);
    } catch (error) {
      this.#log.info("admin connection refused", { client, error: describeError(error) });
      return closeQuietly(accepted);
    }
    const { wheel, limits } = this.#parts;
    const { connection, identity, tls } = entered;
    place.admitted();
    visitor.session = new HttpSession(connection, {
      ...limits,
      handler: tls ? this.#apis.tls : this.#apis.plain,
      wheel,
      log: this.#log,
      client,
      identity,
      onWait: (waiting) => waiting ? place.wait() : place.work(),
    });
    if (this.#closed) visitor.session.drain();
    await visitor.session.run();
  }

  async #enter(accepted: Deno.Conn, visitor: Visitor): Promise<Visit> {
    const { tls, wheel, buffers, handshakeMs = 10_000 } = this.#parts;
    const gate = tls?.gate();
    if (gate === undefined) {
      if (!isAdminAddress(this.address)) throw exposed(this.address);
      return { connection: accepted, tls: false };
    }
    using deadline = new Deadline(wheel, { timeoutMs: handshakeMs, reason: () => new Error("timed out") });
    visitor.giveUp = (reason) => deadline.abort(reason);
    const { signal } = deadline;
    const latest = () => tls?.gate() ?? gate;
    const { session, identity }: Entered = await gate.enter(accepted, { signal, buffers, latest });
    visitor.giveUp = () => {};
    if (identity === undefined && !isAdminAddress(this.address)) {
      closeQuietly(session.connection);
      throw new CulvertError("no_certificate", "Cannot let the client in: it shows no certificate");
    }
    return { connection: session.connection, identity: identity?.subject, tls: true };
  }
}

function exposed(address: Address): CulvertError {
  return new CulvertError(
    "admin_exposed",
    `Cannot serve the admin API on "${
      formatAddress(address)
    }": expected loopback, a unix socket, or TLS with client certificates`,
  );
}
