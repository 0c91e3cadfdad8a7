import { Bag } from "../core/bag.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import { type Log, silentLog } from "../core/log.ts";
import { TimerWheel } from "../core/timer_wheel.ts";
import { BufferPool } from "../net/buffers.ts";
import { type ClientAddress, formatClient } from "../net/client_address.ts";
import type { Connection } from "../net/connection.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { Admission } from "./admission.ts";
import type { TcpServiceOptions } from "./options.ts";
import type { Reason } from "./reason.ts";
import { Session } from "./session.ts";

/** What a service works with. Everything has a default that suits a program of its own. */
export interface TcpServiceParts {
  readonly upstream: Upstream;
  readonly wheel?: TimerWheel;
  readonly buffers?: BufferPool;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** @default {silentLog} */
  readonly log?: Log;
  /** Whether each finished connection gets its line in the log. @default {false} */
  readonly access?: boolean;
}

/** A connection, as it comes from a listener. */
export interface Accepted {
  readonly connection: Connection;
  readonly address: ClientAddress;
  /** The address of the listener, as text. */
  readonly listener: string;
}

/** What a service has done since the start. */
export interface TcpServiceStats {
  /** Admitted connections that live now. */
  readonly active: number;
  /** Admitted connections since the start. */
  readonly total: number;
  /** Connections turned away since the start. */
  readonly rejected: number;
  /** How many connections ended for each reason. Reasons that never came up are absent. */
  readonly ended: Readonly<Partial<Record<Reason, number>>>;
  /** Bytes delivered to backends, those of live connections included. */
  readonly bytesUp: number;
  /** Bytes delivered to clients, those of live connections included. */
  readonly bytesDown: number;
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
  readonly #ended: Partial<Record<Reason, number>> = {};
  #options: TcpServiceOptions;
  #upstream: Upstream;
  #access: boolean;
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
    this.#upstream = parts.upstream;
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
      total: this.#total,
      rejected: this.#rejected,
      ended: { ...this.#ended },
      bytesUp,
      bytesDown,
    };
  }

  /** The way of a connection, from the listener to its end. Never rejects. */
  async serve(accepted: Accepted): Promise<void> {
    const refusal = this.#admission.check(accepted.address.ip, this.#sessions.size);
    if (refusal !== undefined) return this.#refuse(accepted, refusal);

    const session = this.#admit(accepted);
    const place = this.#sessions.add(session);
    if (this.#draining) session.drain(); // Accepted in the moment of the stop.
    let reason: Reason;
    try {
      const found = await session.findBackend();
      reason = await session.carry(found);
      found.closed();
    } catch (error) {
      reason = await session.giveUp(error);
    }
    this.#sessions.remove(place);
    this.#account(session, session.end(reason));
    if (this.#sessions.size === 0) this.#onIdle?.();
  }

  /** Takes a new configuration for connections to come. Live ones go on as they began. */
  update(options: TcpServiceOptions, parts: { upstream: Upstream; access: boolean }): void {
    this.#options = options;
    this.#upstream = parts.upstream;
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

  #admit({ connection, address, listener }: Accepted): Session {
    const { timeouts } = this.#options;
    this.#total++;
    return new Session({
      client: connection,
      address,
      listener,
      timeouts,
      search: this.#upstream.search({ source: address.ip, connectMs: timeouts.connectMs }),
      wheel: this.#wheel,
      buffers: this.#buffers,
    });
  }

  #refuse(accepted: Accepted, reason: Reason): void {
    try {
      accepted.connection.close();
    } catch {
      // The client has gone already.
    }
    this.#rejected++;
    this.#count(reason);
    if (!this.#access) return;
    this.#log.info("connection refused", {
      service: this.name,
      listener: accepted.listener,
      client: formatClient(accepted.address),
      reason,
    });
  }

  #account(session: Session, reason: Reason): void {
    this.#bytesUp += session.bytesUp;
    this.#bytesDown += session.bytesDown;
    this.#count(reason);
    if (!this.#access) return;
    this.#log.info("connection closed", {
      service: this.name,
      listener: session.listener,
      client: formatClient(session.address),
      backend: session.backend?.key,
      tries: session.tries,
      bytes_up: session.bytesUp,
      bytes_down: session.bytesDown,
      duration_ms: Math.round(this.#wheel.now() - session.startedAtMs),
      connect_ms: session.connectMs === undefined ? undefined : Math.round(session.connectMs),
      reason,
      error: session.failure === undefined ? undefined : describeError(session.failure),
    });
  }

  #count(reason: Reason): void {
    this.#ended[reason] = (this.#ended[reason] ?? 0) + 1;
  }
}
