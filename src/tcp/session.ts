import { CulvertError } from "../core/errors.ts";
import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import type { BagEntry } from "../core/bag.ts";
import type { BufferPool } from "../net/buffers.ts";
import type { ClientAddress } from "../net/client_address.ts";
import type { Connection } from "../net/connection.ts";
import { ReadAhead } from "../net/read_ahead.ts";
import { Tunnel } from "../net/tunnel.ts";
import type { Backend, LiveConnection } from "../upstream/backend.ts";
import { NoBackendError } from "../upstream/errors.ts";
import type { BackendSearch, Found, SearchObserver } from "../upstream/search.ts";
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

/**
 * One admitted connection of a client. Its service leads it through `findBackend`, `carry` and `end`, or
 * `giveUp` when something fails; meanwhile it can be drained or destroyed at any moment.
 */
export class Session implements LiveConnection, SearchObserver {
  readonly address: ClientAddress;
  readonly listener: string;
  readonly startedAtMs: number;
  /** From the start of the search until there was a backend; absent as long as there is none. */
  connectMs: number | undefined;
  /** The backend that was reached, or the last one tried. */
  backend: Backend | undefined;
  /** Backends tried. */
  tries = 0;
  /** Why no backend could be reached. */
  failure: unknown;
  readonly #client: Connection;
  readonly #timeouts: Timeouts;
  readonly #wheel: TimerWheel;
  readonly #buffers: BufferPool;
  /** What the client says before there is a tunnel, which takes it over. */
  #ahead: ReadAhead | undefined;
  #search: BackendSearch | undefined;
  #tunnel: Tunnel<Reason> | undefined;
  #place: BagEntry<LiveConnection> | undefined;
  #stop: Reason | undefined;
  #draining = false;
  #drainTimer: WheelTimer | undefined;

  constructor(options: SessionOptions) {
    this.address = options.address;
    this.listener = options.listener;
    this.#client = options.client;
    this.#timeouts = options.timeouts;
    this.#wheel = options.wheel;
    this.#buffers = options.buffers;
    this.#search = options.search;
    this.startedAtMs = options.wheel.now();
  }

  /** Bytes delivered to the backend. */
  get bytesUp(): number {
    return this.#tunnel?.bytesUp ?? 0;
  }

  /** Bytes delivered to the client. */
  get bytesDown(): number {
    return this.#tunnel?.bytesDown ?? 0;
  }

  /** Looks for a backend, with an eye on the client, which may leave meanwhile. Throws what the search throws. */
  findBackend(): Promise<Found> {
    this.#ahead = new ReadAhead(this.#client, {
      buffer: this.#buffers.take(),
      once: true,
      onChange: () => this.#onClient(),
    });
    this.#search!.observer = this;
    return this.#search!.run();
  }

  /** Carries until the end; resolves to the reason. Both connections are closed then. */
  carry({ backend, lease }: Found): Promise<Reason> {
    this.connectMs = this.#wheel.now() - this.startedAtMs;
    this.backend = backend;
    this.tries = this.#search!.tried.length;
    const timeouts = this.#timeouts;
    this.#tunnel = new Tunnel<Reason>(this.#client, lease.ahead?.connection ?? lease.connection, {
      wheel: this.#wheel,
      buffers: this.#buffers,
      idleMs: timeouts.idleMs,
      halfCloseMs: timeouts.halfCloseMs,
      lifetimeMs: timeouts.lifetimeMs,
      clientAhead: this.#ahead,
      backendAhead: lease.ahead,
    });
    this.#place = backend.live.add(this);
    this.#ahead = this.#search = undefined;
    const ended = this.#tunnel.run();
    // What came between the find and now found no tunnel to end.
    if (backend.removed) this.onBackendRemoved();
    if (this.#stop !== undefined) this.#tunnel.destroy(this.#stop);
    return ended;
  }

  /** Closes a client for whom there is no backend; resolves to the reason. */
  async giveUp(error: unknown): Promise<Reason> {
    const { tried } = this.#search!;
    this.tries = tried.length;
    this.backend = tried.at(-1);
    if (!(error instanceof Ended)) this.failure = error;
    const ahead = this.#ahead!;
    ahead.detach();
    try {
      this.#client.close();
    } catch {
      // Closed already.
    }
    await ahead.pending;
    this.#buffers.give(ahead.buffer);
    return reasonOf(error);
  }

  /** Everything is over, for `reason`; returns how that counts. */
  end(reason: Reason): Reason {
    if (this.#place !== undefined) this.backend!.live.remove(this.#place);
    if (this.#drainTimer !== undefined) this.#wheel.stop(this.#drainTimer);
    const byItself = reason === "client-closed" || reason === "backend-closed";
    return this.#draining && byItself ? "drained" : reason;
  }

  /** Ends it now, with this reason, whatever it is doing. */
  destroy(reason: Reason): void {
    if (this.#stop !== undefined) return;
    this.#stop = reason;
    this.#tunnel?.destroy(reason);
    this.#search?.abort(new Ended(reason));
  }

  /** Lets it finish within `timeouts.drain`, and cuts it then. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    const { drainMs } = this.#timeouts;
    if (drainMs === 0) return this.destroy("cut");
    this.#drainTimer = new WheelTimer(() => {
      this.destroy("cut");
      return 0;
    });
    this.#wheel.start(this.#drainTimer, drainMs);
  }

  /** Reads on, so that the end of a client that has said something is noticed too. */
  onSlowSearch(): void {
    this.#ahead?.readOn();
  }

  onBackendRemoved(): void {
    this.destroy("backend-removed");
  }

  /** News from the client while there is no backend yet. */
  #onClient(): void {
    const { ended, error, filled } = this.#ahead!;
    if (!ended) return;
    if (error !== undefined) this.#search!.abort(new Ended("client-reset"));
    else if (filled === 0) this.#search!.leave(LEAVING_MS, new Ended("client-closed"));
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
