import { Deadline } from "../core/deadline.ts";
import { CulvertError, describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import { type Address, formatAddress } from "../net/address.ts";
import type { BufferPool } from "../net/buffers.ts";
import { closeQuietly, type Connection } from "../net/connection.ts";
import { isAdminAddress } from "../net/loopback.ts";
import type { TlsGate } from "../tls/gate.ts";
import type { PeerIdentity } from "../tls/x509/identity.ts";
import { type AdminHandler, AdminSession, type AdminSessionLimits } from "./admin_session.ts";
import type { ConnectionSlot } from "./connection_limit.ts";

/** What an {@linkcode AdminConnection} works with. */
export interface AdminConnectionParts {
  /** The address of the listener. Unless it is local, a client certificate is required. */
  readonly address: Address;
  /** The address of the client, for the log. */
  readonly client: string;
  readonly slot: ConnectionSlot;
  /** The TLS gate at this moment; `undefined`: plain HTTP. */
  readonly gate: () => TlsGate | undefined;
  /** The handlers of plain connections and of TLS connections. */
  readonly handlers: { readonly plain: AdminHandler; readonly tls: AdminHandler };
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
  readonly log: Log;
  /** For the TLS handshake, in milliseconds. */
  readonly handshakeMs: number;
  readonly limits: AdminSessionLimits | undefined;
}

/** An accepted connection after its TLS handshake. */
interface Established {
  readonly connection: Connection;
  /** What the client certificate says. */
  readonly identity?: PeerIdentity | undefined;
  readonly handler: AdminHandler;
}

/** One connection of the admin listener: the TLS handshake, then HTTP. Owns the accepted connection. */
export class AdminConnection {
  readonly #accepted: Deno.Conn;
  readonly #parts: AdminConnectionParts;
  #session: AdminSession | undefined;
  #abortHandshake: (reason: Error) => void = () => {};
  #draining = false;

  constructor(accepted: Deno.Conn, parts: AdminConnectionParts) {
    this.#accepted = accepted;
    this.#parts = parts;
  }

  /** Serves the client. Resolves when the connection is closed and its slot is free. Never rejects. */
  async run(): Promise<void> {
    const { slot, client, log, wheel, limits } = this.#parts;
    try {
      const { connection, identity, handler } = await this.#establish();
      slot.authenticated();
      const onWait = (waiting: boolean) => waiting ? slot.waitForClient() : slot.handleRequest();
      const session = new AdminSession(connection, {
        ...limits,
        handler,
        wheel,
        log,
        client,
        identity,
        onWait,
      });
      this.#session = session;
      if (this.#draining) session.drain();
      await session.run();
    } catch (error) {
      log.info("admin connection refused", { client, error: describeError(error) });
      closeQuietly(this.#accepted);
    } finally {
      slot.release();
    }
  }

  /** Closes it, at once if it is idle or in its handshake, otherwise after the response to the current request. */
  drain(): void {
    this.#draining = true;
    this.#abortHandshake(new Error("the admin listener closes"));
    this.#session?.drain();
  }

  /** Closes it now. */
  destroy(reason: Error): void {
    this.#draining = true;
    this.#abortHandshake(reason);
    this.#session?.destroy();
  }

  async #establish(): Promise<Established> {
    const { address, gate, handlers, wheel, buffers, handshakeMs } = this.#parts;
    const first = gate();
    if (first === undefined) {
      if (!isAdminAddress(address)) throw exposedError(address);
      return { connection: this.#accepted, handler: handlers.plain };
    }
    using deadline = new Deadline(wheel, { timeoutMs: handshakeMs, reason: () => new Error("timed out") });
    this.#abortHandshake = (reason) => deadline.abort(reason);
    const { signal } = deadline;
    const { session, identity } = await first.enter(this.#accepted, {
      signal,
      buffers,
      latest: () => gate() ?? first,
    });
    this.#abortHandshake = () => {};
    if (identity === undefined && !isAdminAddress(address)) {
      closeQuietly(session.connection);
      throw new CulvertError("no_certificate", "Cannot accept the client: no client certificate");
    }
    return { connection: session.connection, identity, handler: handlers.tls };
  }
}

/** The error for an address that clients without a certificate could reach from other machines. */
export function exposedError(address: Address): CulvertError {
  return new CulvertError(
    "admin_exposed",
    `Cannot serve the admin API on "${
      formatAddress(address)
    }": expected loopback, a unix socket, or TLS with client certificates`,
  );
}
