import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import type { BagEntry } from "../core/unordered_list.ts";
import type { Holder } from "../core/eviction_queue.ts";
import type { BufferPool } from "../net/buffers.ts";
import { type ClientAddress, clientAddress } from "../net/client_address.ts";
import type { Connection } from "../net/connection.ts";
import { bareConnection } from "../net/prefixed_connection.ts";
import type { ProxyEnds } from "../net/proxy_protocol/endpoints.ts";
import { ReadAhead } from "../net/read_ahead.ts";
import { Tunnel } from "../net/tunnel.ts";
import { MysqlServerError } from "../tls/starttls/mysql_login.ts";
import type { TlsConnect } from "../tls/dial.ts";
import type { Backend, LiveConnection } from "../upstream/backend.ts";
import { BackendsDownError, NoBackendError, QueueFullError, QueueTimeoutError } from "../upstream/errors.ts";
import type { ClientStory } from "../upstream/client_header.ts";
import type { BackendSearch, Found, SearchObserver } from "../upstream/search.ts";
import type { Timeouts } from "../service/options.ts";
import { Ended } from "../service/reason.ts";
import { type JoinOptions, Meeting } from "../service/client_handshake.ts";
import type { Reason, Refusal } from "../service/reason.ts";

/** What a session works with. */
export interface SessionOptions {
  readonly client: Connection;
  readonly address: ClientAddress;
  /** The address of the listener that accepted it, as text. */
  readonly listener: string;
  /** Where the client connected to; absent: not known. */
  readonly localAddr?: Deno.Addr | undefined;
  readonly timeouts: Timeouts;
  /** The timeouts of the service as they are now, after a reload perhaps, for draining. */
  readonly latest: { readonly timeouts: Timeouts };
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
}

/**
 * How long a dial may still take when the client has ended its side without a word. Most such clients have left;
 * some only wait for a greeting, and a backend that is well answers within this time.
 */
const LEAVING_MS = 1000;

/**
 * One connection of a client. Its service leads it through its meeting (where something must come first),
 * `findBackend`, `carry` and `end`, or `giveUp` when something fails; meanwhile it can be drained or destroyed at
 * any moment.
 */
export class Session implements LiveConnection, SearchObserver, Holder<Refusal> {
  readonly listener: string;
  readonly startedAtMs: number;
  /** From the start of the search until there was a backend; absent as long as there is none. */
  connectMs: number | undefined;
  /** The backend that was reached, or the last one tried. */
  backend: Backend | undefined;
  /** Backends tried. */
  tries = 0;
  /** Why no backend could be reached, or the client was refused, or what broke the tunnel. */
  failure: unknown;
  /** What the backend was told that this connection is called; absent: it was not told. */
  uniqueId: string | undefined;
  /** What comes before there is a backend, and who the client is. */
  readonly meeting: Meeting;
  readonly #localAddr: Deno.Addr | undefined;
  readonly #timeouts: Timeouts;
  readonly #latest: { readonly timeouts: Timeouts };
  readonly #wheel: TimerWheel;
  readonly #buffers: BufferPool;
  /** What the client says before there is a tunnel, which takes it over. */
  #ahead: ReadAhead | undefined;
  #search: BackendSearch | undefined;
  #searchesSinceMs = 0;
  #tunnel: Tunnel<Reason> | undefined;
  #place: BagEntry<LiveConnection> | undefined;
  #stop: Reason | undefined;
  #joining = false;
  #draining = false;
  #drainSinceMs = 0;
  #drainTimer: WheelTimer | undefined;

  constructor(options: SessionOptions) {
    this.listener = options.listener;
    this.#localAddr = options.localAddr;
    this.#timeouts = options.timeouts;
    this.#latest = options.latest;
    this.#wheel = options.wheel;
    this.#buffers = options.buffers;
    this.startedAtMs = options.wheel.now();
    this.meeting = new Meeting(options);
  }

  /** What a PROXY header tells the backend. */
  tellBackend(): ClientStory {
    const { tls, serverName, alpn, tlvs } = this.meeting;
    return { ...this.#ends, uniqueId: crypto.randomUUID(), tls, authority: serverName, alpn, tlvs };
  }

  get #ends(): ProxyEnds {
    const own = this.#localAddr === undefined ? undefined : clientAddress(this.#localAddr);
    const { address, destination } = this.meeting;
    return { source: address, destination: destination ?? own };
  }

  /** When it began, for the eviction of handshakes. */
  get sinceMs(): number {
    return this.startedAtMs;
  }

  /** Its place goes to another client. */
  evict(reason: Refusal): void {
    this.destroy(reason);
  }

  /** Bytes delivered to the backend. */
  get bytesUp(): number {
    return this.#tunnel?.bytesUp ?? 0;
  }

  /** Bytes delivered to the client. */
  get bytesDown(): number {
    return this.#tunnel?.bytesDown ?? 0;
  }

  /** Looks for a backend. Throws what the search throws. */
  findBackend(search: BackendSearch): Promise<Found> {
    this.#searchesSinceMs = this.#wheel.now();
    this.#search = search;
    this.uniqueId = search.uniqueId;
    // A client that is to be joined with its backend is read from only then.
    if (!search.joins) search.observer = this;
    if (this.#stop !== undefined) search.abort(new Ended(this.#stop));
    return search.run();
  }

  /**
   * Joins the client and the MySQL server that was found, where TLS begins in their login. Resolves to what to carry on
   * with; closes what was found if there is nothing.
   */
  async join(
    found: Found,
    { gate, connectTls }: { gate?: JoinOptions["gate"]; connectTls: TlsConnect | undefined },
  ): Promise<Found> {
    const { backend: { address }, lease, greeting } = found;
    this.connectMs = this.#wheel.now() - this.#searchesSinceMs;
    this.#joining = true;
    try {
      const server = await this.meeting.join({
        ...{ server: lease.connection, greeting: greeting!, gate },
        connectTls: connectTls &&
          (async (connection, signal) =>
            (await connectTls({ kind: "open", address, connection }, signal, { asked: true })).connection),
      });
      return found.over(server);
    } catch (error) {
      if (error instanceof MysqlServerError) found.broke();
      else found.discard();
      throw error;
    } finally {
      this.#joining = false;
      this.meeting.end();
    }
  }

  /** Carries until the end; resolves to the reason. Both connections are closed then. */
  carry({ backend, lease }: Found): Promise<Reason> {
    this.connectMs ??= this.#wheel.now() - this.#searchesSinceMs;
    this.backend = backend;
    this.tries = this.#search!.tried.length;
    const timeouts = this.#timeouts;
    this.#tunnel = new Tunnel<Reason>(
      bareConnection(this.meeting.client),
      lease.ahead?.connection ?? lease.connection,
      {
        wheel: this.#wheel,
        buffers: this.#buffers,
        idleMs: timeouts.idleMs,
        halfCloseMs: timeouts.halfCloseMs,
        lifetimeMs: timeouts.lifetimeMs,
        clientAhead: this.#ahead,
        backendAhead: lease.ahead,
      },
    );
    this.#place = backend.live.add(this);
    this.#ahead = this.#search = undefined;
    const ended = this.#tunnel.run();
    // What came between the find and now found no tunnel to end.
    if (backend.removed) this.onBackendRemoved();
    else if (backend.down && backend.cutOff) this.onBackendDown();
    if (this.#stop !== undefined) this.#tunnel.destroy(this.#stop);
    return ended;
  }

  /** Closes a client for whom there is no backend; resolves to the reason. */
  async giveUp(error: unknown): Promise<Reason> {
    this.meeting.end();
    this.tries = this.#search?.tried.length ?? 0;
    this.backend = this.#search?.tried.at(-1);
    this.failure = error instanceof Ended ? error.cause : error;
    const ahead = this.#ahead;
    ahead?.detach();
    this.meeting.close();
    await ahead?.pending;
    if (ahead !== undefined) this.#buffers.give(ahead.buffer);
    return reasonOf(error);
  }

  /** Everything is over, for `reason`; returns how that counts. */
  end(reason: Reason): Reason {
    if (this.#place !== undefined) this.backend!.live.remove(this.#place);
    this.failure ??= this.#tunnel?.error;
    if (this.#drainTimer !== undefined) this.#wheel.stop(this.#drainTimer);
    const byItself = reason === "client-closed" || reason === "backend-closed";
    return this.#draining && byItself ? "drained" : reason;
  }

  /** Ends it now, with this reason, whatever it is doing. */
  destroy(reason: Reason): void {
    if (this.#stop !== undefined) return;
    this.#stop = reason;
    if (this.#tunnel !== undefined) this.#tunnel.destroy(reason);
    else if (this.#joining) this.meeting.abort(reason);
    else if (this.#search !== undefined) this.#search.abort(new Ended(reason));
    else this.meeting.abort(reason);
  }

  /** Lets it finish within `timeouts.drain` of the service as it is now, and cuts it then. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#drainSinceMs = this.#wheel.now();
    this.#startDrainTimer();
  }

  /** `timeouts.drain` of the service has changed, which holds for a drain that is under way too. */
  onDrainChanged(): void {
    if (this.#draining) this.#startDrainTimer();
  }

  #startDrainTimer(): void {
    const leftMs = this.#drainSinceMs + this.#latest.timeouts.drainMs - this.#wheel.now();
    if (leftMs <= 0) return this.destroy("cut");
    this.#drainTimer ??= new WheelTimer(() => {
      this.destroy("cut");
      return 0;
    });
    this.#wheel.start(this.#drainTimer, leftMs);
  }

  /** Has an eye on the client from now on, which may leave meanwhile. A search that is soon over needs none. */
  onSlowSearch(): void {
    if (this.#search === undefined) return;
    this.#ahead ??= new ReadAhead(this.meeting.client, {
      buffer: this.#buffers.take(),
      onChange: () => this.#onClient(),
    });
  }

  onBackendRemoved(): void {
    this.destroy("backend-removed");
  }

  onBackendDown(): void {
    this.destroy("backend-down");
  }

  /** News from the client while there is no backend yet. */
  #onClient(): void {
    const { ended, error, filled } = this.#ahead!;
    if (!ended) return;
    if (error !== undefined) this.#search!.abort(new Ended("client-reset"));
    else if (filled === 0) this.#search!.leave(LEAVING_MS, new Ended("client-closed"));
  }
}

function reasonOf(error: unknown): Reason {
  if (error instanceof Ended) return error.reason;
  if (error instanceof BackendsDownError) return "backends-down";
  if (error instanceof QueueFullError) return "queue-full";
  if (error instanceof QueueTimeoutError) return "queue-timeout";
  return error instanceof NoBackendError ? "no-backend" : "connect-failed";
}
