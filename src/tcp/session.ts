import { CulvertError } from "../core/errors.ts";
import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import type { BufferPool } from "../net/buffers.ts";
import type { ClientAddress } from "../net/client_address.ts";
import type { Connection } from "../net/connection.ts";
import { ReadAhead } from "../net/read_ahead.ts";
import { Tunnel } from "../net/tunnel.ts";
import type { Backend, LiveConnection } from "../upstream/backend.ts";
import { NoBackendError } from "../upstream/errors.ts";
import type { BackendSearch, Found } from "../upstream/search.ts";
import type { Timeouts } from "./options.ts";
import type { Reason } from "./reason.ts";

/** What a session works with. */
export interface SessionOptions {
  readonly client: Connection;
  readonly address: ClientAddress;
  /** The address of the listener that accepted it, as text. */
  readonly listener: string;
  readonly timeouts: Timeouts;
  readonly search: BackendSearch;
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
}

/**
 * How long a dial may still take when the client has ended its side without a word. Most such clients have left;
 * some only wait for a greeting, and a backend that is well answers within this time.
 */
const LEAVING_MS = 1000;

/** One admitted connection of a client, from the search for a backend to the end. */
export class Session implements LiveConnection {
  readonly address: ClientAddress;
  readonly listener: string;
  readonly startedAtMs: number;
  /** From the start of the search until there was a backend; absent as long as there is none. */
  connectMs: number | undefined;
  /** The backend that was reached, or the last one tried. */
  backend: Backend | undefined;
  /** Why no backend could be reached. */
  failure: unknown;
  readonly #options: SessionOptions;
  #tunnel: Tunnel<Reason> | undefined;
  #stop: Reason | undefined;
  #draining = false;
  #drainTimer: WheelTimer | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.address = options.address;
    this.listener = options.listener;
    this.startedAtMs = options.wheel.now();
  }

  /** Backends tried so far. */
  get tries(): number {
    return this.#options.search.tried.length;
  }

  /** Bytes delivered to the backend. */
  get bytesUp(): number {
    return this.#tunnel?.bytesUp ?? 0;
  }

  /** Bytes delivered to the client. */
  get bytesDown(): number {
    return this.#tunnel?.bytesDown ?? 0;
  }

  /** Finds a backend and carries until the end; resolves to the reason. Both connections are closed then. */
  async run(): Promise<Reason> {
    const { client, buffers, search, wheel } = this.#options;
    const ahead = new ReadAhead(client, {
      buffer: buffers.takeSmall(),
      onChange: () => this.#onClient(ahead),
    });
    try {
      const found = await search.run();
      this.backend = found.backend;
      this.connectMs = wheel.now() - this.startedAtMs;
      return this.#settle(await this.#carry(found, ahead));
    } catch (error) {
      this.backend = search.tried.at(-1);
      if (!(error instanceof Ended)) this.failure = error;
      await this.#abandon(ahead);
      return this.#settle(reasonOf(error));
    } finally {
      if (this.#drainTimer !== undefined) wheel.stop(this.#drainTimer);
    }
  }

  /** Ends it now, with this reason, whatever it is doing. */
  destroy(reason: Reason): void {
    if (this.#stop !== undefined) return;
    this.#stop = reason;
    this.#tunnel?.destroy(reason);
    this.#options.search.abort(new Ended(reason));
  }

  /** Lets it finish within `timeouts.drain`, and cuts it then. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    const { drainMs } = this.#options.timeouts;
    if (drainMs === 0) return this.destroy("cut");
    this.#drainTimer = new WheelTimer(() => {
      this.destroy("cut");
      return 0;
    });
    this.#options.wheel.start(this.#drainTimer, drainMs);
  }

  onBackendRemoved(): void {
    this.destroy("backend-removed");
  }

  async #carry(found: Found, clientAhead: ReadAhead): Promise<Reason> {
    const { client, wheel, buffers, timeouts } = this.#options;
    const { backend, lease } = found;
    this.#tunnel = new Tunnel<Reason>(client, lease.ahead?.connection ?? lease.connection, {
      wheel,
      buffers,
      idleMs: timeouts.idleMs,
      halfCloseMs: timeouts.halfCloseMs,
      lifetimeMs: timeouts.lifetimeMs,
      clientAhead,
      backendAhead: lease.ahead,
    });
    const entry = backend.live.add(this);
    try {
      return await this.#tunnel.run();
    } finally {
      backend.live.remove(entry);
      lease.closed();
    }
  }

  /** News from the client while there is no backend yet. */
  #onClient(ahead: ReadAhead): void {
    if (!ahead.ended) return;
    if (ahead.error !== undefined) this.#options.search.abort(new Ended("client-reset"));
    else if (ahead.filled === 0) this.#options.search.leave(LEAVING_MS, new Ended("client-closed"));
  }

  async #abandon(ahead: ReadAhead): Promise<void> {
    const { client, buffers } = this.#options;
    ahead.detach();
    try {
      client.close();
    } catch {
      // Closed already.
    }
    await ahead.pending;
    buffers.give(ahead.buffer);
  }

  #settle(reason: Reason): Reason {
    if (!this.#draining || this.#stop !== undefined) return reason;
    return reason === "client-closed" || reason === "backend-closed" ? "drained" : reason;
  }
}

/** Ends a search for a reason that is not a failure. */
class Ended extends CulvertError {
  readonly reason: Reason;

  constructor(reason: Reason) {
    super("ended", `The connection has ended: ${reason}`);
    this.reason = reason;
  }
}

function reasonOf(error: unknown): Reason {
  if (error instanceof Ended) return error.reason;
  return error instanceof NoBackendError ? "no-backend" : "connect-failed";
}
