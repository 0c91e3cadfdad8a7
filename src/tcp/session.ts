import { type TimerWheel } from "../core/timer_wheel.ts";
import type { ListEntry } from "../core/unordered_list.ts";
import { bareConnection } from "../net/prefixed_connection.ts";
import { ReadAhead } from "../net/read_ahead.ts";
import { Tunnel } from "../net/tunnel.ts";
import type { ClientHandshake } from "../service/client_handshake.ts";
import { DrainTimer } from "../service/drain_timer.ts";
import type { Timeouts } from "../service/options.ts";
import type { SessionActivity, SessionState } from "../service/live_session.ts";
import { ConnectionEnded, type Reason, reasonOf } from "../service/reason.ts";
import type { ServiceSession } from "../service/service.ts";
import type { TlsGate } from "../tls/gate.ts";
import { MysqlServerError } from "../tls/starttls/mysql_login.ts";
import type { TlsConnect } from "../tls/dial.ts";
import type { Backend, LiveConnection } from "../upstream/backend.ts";
import type { BackendSearch, SearchObserver } from "../upstream/search.ts";
import type { AcquiredBackend } from "../upstream/acquired_backend.ts";
import type { BufferPool } from "../net/buffers.ts";
import { joinLogin } from "./login_join.ts";

/** What a {@linkcode TcpSession} needs of its service. */
export interface SessionContext {
  /** As they are now; a reload replaces them. */
  readonly timeouts: Timeouts;
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
}

/**
 * How long a connect may still take after the client has ended its side without a byte. Most such clients have left;
 * some only wait for a greeting, and a healthy backend answers within this time.
 */
const LEAVING_MS = 1000;

/**
 * An admitted connection of a TCP service. The service calls `connect`, `carry` and `end` in turn, or `fail` when one of
 * them or the handshake fails. It can be drained or destroyed at any moment.
 */
export class TcpSession implements ServiceSession, LiveConnection, SearchObserver {
  readonly client: ClientHandshake;
  /** From the start of the search until a backend was connected; absent: none is yet. */
  connectMs: number | undefined;
  /** The backend that was connected, or the last one tried. */
  backend: Backend | undefined;
  /** Backends tried. */
  tries = 0;
  /** Why no backend could be connected, the client was refused, or the tunnel broke. */
  failure: unknown;
  /** The id that the backend was sent in a PROXY header. */
  uniqueId: string | undefined;
  readonly #context: SessionContext;
  /** As they were when the connection was accepted. */
  readonly #timeouts: Timeouts;
  /** Reads from the client while there is no tunnel, which takes it over. */
  #ahead: ReadAhead | undefined;
  #search: BackendSearch | undefined;
  #searchStartedAtMs = 0;
  #tunnel: Tunnel<Reason> | undefined;
  #entry: ListEntry<LiveConnection> | undefined;
  #destroyed: Reason | undefined;
  #joining = false;
  #drain: DrainTimer | undefined;

  constructor(client: ClientHandshake, context: SessionContext) {
    this.client = client;
    this.#context = context;
    this.#timeouts = context.timeouts;
  }

  /** Bytes delivered to the backend. */
  get bytesUp(): number {
    return this.#tunnel?.bytesUp ?? 0;
  }

  /** Bytes delivered to the client. */
  get bytesDown(): number {
    return this.#tunnel?.bytesDown ?? 0;
  }

  /** As of {@linkcode ServiceSession}. */
  activity(): SessionActivity {
    return { state: this.#state(), backend: this.backend ?? this.#search?.tried.at(-1) };
  }

  #state(): SessionState {
    if (this.#drain !== undefined) return "draining";
    if (this.#tunnel !== undefined) return "open";
    return this.client.pending ? "handshake" : "connecting";
  }

  /** Runs a search for a backend. Throws what the search throws. */
  connect(search: BackendSearch): Promise<AcquiredBackend> {
    this.#searchStartedAtMs = this.#context.wheel.now();
    this.#search = search;
    this.uniqueId = search.uniqueId;
    // In a joint login nothing is read from the client before the backend has sent its greeting.
    if (!search.joins) search.observer = this;
    if (this.#destroyed !== undefined) search.abort(new ConnectionEnded(this.#destroyed));
    return search.run();
  }

  /**
   * Joins the client and a MySQL server in a login with TLS. Resolves to the backend to carry on with; if it fails, the
   * backend's connection is closed.
   */
  async join(
    acquired: AcquiredBackend,
    { gate, connectTls }: { gate: TlsGate | undefined; connectTls: TlsConnect | undefined },
  ): Promise<AcquiredBackend> {
    const { backend: { address }, lease, greeting } = acquired;
    this.connectMs = this.#context.wheel.now() - this.#searchStartedAtMs;
    this.#joining = true;
    try {
      const server = await joinLogin(this.client, {
        ...{ server: lease.connection, greeting: greeting!, gate },
        connectTls: connectTls &&
          (async (connection, signal) =>
            (await connectTls({ kind: "open", address, connection }, signal, { asked: true })).connection),
      });
      return acquired.over(server);
    } catch (error) {
      if (error instanceof MysqlServerError) acquired.broke();
      else acquired.discard();
      throw error;
    } finally {
      this.#joining = false;
      this.client.end();
    }
  }

  /** Carries bytes until the end; resolves to the reason. Both connections are closed then. */
  carry({ backend, lease }: AcquiredBackend): Promise<Reason> {
    const { client } = this;
    const { wheel, buffers } = this.#context;
    this.connectMs ??= wheel.now() - this.#searchStartedAtMs;
    this.backend = backend;
    this.tries = this.#search!.tried.length;
    const { idleMs, halfCloseMs, lifetimeMs } = this.#timeouts;
    this.#tunnel = new Tunnel<Reason>(
      bareConnection(client.connection),
      lease.ahead?.connection ?? lease.connection,
      {
        wheel,
        buffers,
        idleMs,
        halfCloseMs,
        lifetimeMs,
        clientAhead: this.#ahead,
        backendAhead: lease.ahead,
      },
    );
    this.#entry = backend.live.add(this);
    client.tls = undefined; // An idle tunnel must not keep certificates in memory.
    this.#ahead = this.#search = undefined;
    const ended = this.#tunnel.run();
    // What happened since the search resolved has found no tunnel to end.
    if (backend.removed) this.onBackendRemoved();
    else if (backend.down && backend.closeOnDown) this.onBackendDown();
    if (this.#destroyed !== undefined) this.#tunnel.destroy(this.#destroyed);
    return ended;
  }

  /** Closes a client that can't be served; resolves to the reason. */
  async fail(error: unknown): Promise<Reason> {
    this.client.end();
    this.tries = this.#search?.tried.length ?? 0;
    this.backend = this.#search?.tried.at(-1);
    this.failure = error instanceof ConnectionEnded ? error.cause : error;
    const ahead = this.#ahead;
    ahead?.detach();
    this.client.close();
    await ahead?.pending;
    if (ahead !== undefined) this.#context.buffers.give(ahead.buffer);
    return reasonOf(error);
  }

  /** Everything has ended, for `reason`; returns the reason to log. */
  end(reason: Reason): Reason {
    if (this.#entry !== undefined) this.backend!.live.remove(this.#entry);
    this.failure ??= this.#tunnel?.error;
    this.#drain?.stop();
    const finished = reason === "client-closed" || reason === "backend-closed";
    return this.#drain !== undefined && finished ? "drained" : reason;
  }

  /** Ends it now, whatever it is doing. */
  destroy(reason: Reason): void {
    if (this.#destroyed !== undefined) return;
    this.#destroyed = reason;
    if (this.#tunnel !== undefined) this.#tunnel.destroy(reason);
    else if (this.#search !== undefined && !this.#joining) this.#search.abort(new ConnectionEnded(reason));
    else this.client.abort(reason);
  }

  drain(): void {
    this.#drain ??= new DrainTimer({
      wheel: this.#context.wheel,
      drainMs: () => this.#context.timeouts.drainMs,
      onExpired: () => this.destroy("cut"),
    });
  }

  onDrainChanged(): void {
    this.#drain?.refresh();
  }

  /** A quick search needs no read from the client; during a slow one the client may leave, which a read notices. */
  onSlowSearch(): void {
    if (this.#search === undefined) return;
    this.#ahead ??= new ReadAhead(this.client.connection, {
      buffer: this.#context.buffers.take(),
      onChange: () => this.#onClient(),
    });
  }

  onBackendRemoved(): void {
    this.destroy("backend-removed");
  }

  onBackendDown(): void {
    this.destroy("backend-down");
  }

  onClosedByAdmin(): void {
    this.destroy("closed-by-admin");
  }

  /** The client has sent something, ended its side or broken the connection while no backend is connected. */
  #onClient(): void {
    const { ended, error, filled } = this.#ahead!;
    if (!ended) return;
    if (error !== undefined) this.#search!.abort(new ConnectionEnded("client-reset"));
    else if (filled === 0) this.#search!.abortAfter(LEAVING_MS, new ConnectionEnded("client-closed"));
  }
}
