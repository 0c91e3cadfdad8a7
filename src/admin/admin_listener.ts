import { LogInterval } from "../core/log_interval.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { Deadline } from "../core/deadline.ts";
import { type Log, silentLog } from "../core/log.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import { AcceptLoop } from "../net/accept_loop.ts";
import { type Address, formatAddress } from "../net/address.ts";
import type { BufferPool } from "../net/buffers.ts";
import { type ClientAddress, clientAddress, formatClient } from "../net/client_address.ts";
import { closeQuietly } from "../net/connection.ts";
import { prepareSocket } from "../net/dial.ts";
import type { BoundListener } from "../net/listen.ts";
import { isAdminAddress } from "../net/loopback.ts";
import type { TlsGate } from "../tls/gate.ts";
import type { AdminAccess } from "./admin_access.ts";
import { AdminConnection, exposedError } from "./admin_connection.ts";
import type { AdminHandler, AdminSessionLimits } from "./admin_session.ts";
import type { AdminTarget } from "./admin_target.ts";
import { AllowedHosts } from "./allowed_hosts.ts";
import { AdminApi } from "./api.ts";
import { ConnectionLimit } from "./connection_limit.ts";
import { LiveFeed } from "./live/live_feed.ts";

const MAX_CONNECTIONS = 64;

/** The TLS of an {@linkcode AdminListener}. */
export interface AdminTls {
  /**
   * The gate for the next connection, asked for each one because a reload may replace it. `undefined`: plain HTTP, which
   * is allowed on loopback addresses and unix sockets only. Call {@linkcode AdminListener.refresh} when TLS is added or
   * removed.
   */
  readonly gate: () => TlsGate | undefined;
  /** The names of the server certificate, which clients may use as `Host`. */
  readonly names: () => readonly string[];
}

/** What an {@linkcode AdminListener} works with. */
export interface AdminListenerParts {
  /** The program that the API shows and changes. */
  readonly target: AdminTarget;
  readonly wheel: TimerWheel;
  /** The read buffers of TLS. */
  readonly buffers: BufferPool;
  /** Absent: always plain HTTP, which is allowed on loopback addresses and unix sockets only. */
  readonly tls?: AdminTls | undefined;
  /** As of {@linkcode AdminApiOptions}. Call {@linkcode AdminListener.refresh} when it changes. */
  readonly access?: () => AdminAccess | undefined;
  /** Called when a connection could not be accepted because no file descriptor was free. */
  readonly onShortage?: () => void;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** @default {silentLog} */
  readonly log?: Log;
  /** The maximum number of connections, see {@linkcode ConnectionLimit}. @default {64} */
  readonly maxConnections?: number;
  /** For the TLS handshake, in milliseconds. @default {10_000} */
  readonly handshakeMs?: number;
  /** For requests in progress when the listener closes, in milliseconds. @default {5_000} */
  readonly drainMs?: number;
  /** The limits of each connection. */
  readonly limits?: AdminSessionLimits;
}

/**
 * The admin API on a bound address. Unless that is a loopback address or a unix socket, clients must present a
 * certificate that the gate allows, even if the gate itself does not require one.
 *
 * Owns the listener and every connection that it accepts.
 */
export class AdminListener {
  readonly address: Address;
  readonly #parts: AdminListenerParts;
  readonly #log: Log;
  /** Two, because the default port of `Host` depends on TLS. */
  readonly #handlers: { readonly plain: AdminHandler; readonly tls: AdminHandler };
  readonly #loop: AcceptLoop<Deno.Conn>;
  readonly #connections = new Map<AdminConnection, Promise<void>>();
  readonly #limit: ConnectionLimit;
  #closed = false;
  readonly #fullLogInterval = new LogInterval();

  /**
   * Serves at once.
   *
   * @throws {CulvertError} `admin_exposed` if clients without a certificate could connect from other machines. The
   * listener is closed then.
   */
  constructor(listener: BoundListener, parts: AdminListenerParts) {
    this.address = listener.address;
    if (parts.tls?.gate() === undefined && !isAdminAddress(this.address)) {
      listener.close();
      throw exposedError(this.address);
    }
    const { target, tls, access, clock = systemClock, log = silentLog, maxConnections = MAX_CONNECTIONS } =
      parts;
    this.#parts = parts;
    this.#limit = new ConnectionLimit({ maxConnections, clock: parts.wheel });
    this.#log = log;
    const names = () => tls?.names() ?? [];
    const common = { target, access, feed: new LiveFeed({ target, clock, log }) };
    const { address } = this;
    this.#handlers = {
      plain: new AdminApi({ ...common, hosts: new AllowedHosts({ address, tls: false }) }),
      tls: new AdminApi({ ...common, hosts: new AllowedHosts({ address, tls: true, names }) }),
    };
    this.#loop = new AcceptLoop<Deno.Conn>(listener, {
      onConnection: (connection) => this.#accept(connection),
      onFailure: (failure) => failure === "descriptors" && parts.onShortage?.(),
      name: `admin ${formatAddress(this.address)}`,
      clock,
      log,
    });
  }

  /** The number of connections, including those in their handshake. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Stops listening, closes connections that are idle or in their handshake, and closes the others after their current
   * request or after `drainMs`. Resolves when no connection is left. A request that closes the listener (a reload that
   * removes it) must not wait for this, because it would wait for itself.
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#loop.close();
    this.refresh();
    const { wheel, drainMs = 5000 } = this.#parts;
    const reason = new Error("the time to drain is over");
    using deadline = new Deadline(wheel, { timeoutMs: drainMs, reason: () => reason });
    deadline.signal.addEventListener("abort", () => {
      for (const connection of this.#connections.keys()) connection.destroy(reason);
    }, { once: true });
    await Promise.all([this.#loop.done, ...this.#connections.values()]);
  }

  /** Closes all present connections as `close` does, without a time limit, and continues to listen. */
  refresh(): void {
    for (const connection of this.#connections.keys()) connection.drain();
  }

  #accept(accepted: Deno.Conn): void {
    if (this.#closed) return closeQuietly(accepted);
    let address: ClientAddress;
    try {
      address = clientAddress(accepted.remoteAddr);
      prepareSocket(accepted);
    } catch {
      return closeQuietly(accepted); // Reset already.
    }
    const slot = this.#limit.acquire(address, () => {
      connection.destroy(new Error("evicted: there are too many connections"));
      this.#warnFull();
    });
    if (slot === undefined) {
      closeQuietly(accepted);
      return this.#warnFull();
    }
    const { tls, wheel, buffers, handshakeMs = 10_000, limits } = this.#parts;
    const connection = new AdminConnection(accepted, {
      address: this.address,
      client: formatClient(address),
      slot,
      gate: () => tls?.gate(),
      handlers: this.#handlers,
      wheel,
      buffers,
      log: this.#log,
      handshakeMs,
      limits,
    });
    this.#connections.set(connection, connection.run().finally(() => this.#connections.delete(connection)));
  }

  /** At most once a minute. */
  #warnFull(): void {
    if (!this.#fullLogInterval.begin(this.#parts.wheel.now())) return;
    const { maxConnections: max = MAX_CONNECTIONS } = this.#parts;
    this.#log.warn("too many admin connections, closing those that have waited longest", { max });
  }
}
