import { Deadline } from "../core/deadline.ts";
import { CulvertError } from "../core/errors.ts";
import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import type { BagEntry } from "../core/bag.ts";
import type { BufferPool } from "../net/buffers.ts";
import { type ClientAddress, clientAddress } from "../net/client_address.ts";
import type { Connection } from "../net/connection.ts";
import { bareConnection } from "../net/prefixed_connection.ts";
import type { ProxyEnds } from "../net/proxy_endpoints.ts";
import type { PeerIdentity } from "../tls/identity.ts";
import type { ProxyAddress, ProxyTls } from "../net/proxy_header.ts";
import { ReadAhead } from "../net/read_ahead.ts";
import { Tunnel } from "../net/tunnel.ts";
import { TlsHandshakeError } from "../tls/handshake_errors.ts";
import { type ClientSession, refusedSubject, type TlsGate } from "../tls/tls_gate.ts";
import type { Backend, LiveConnection } from "../upstream/backend.ts";
import { BackendsDownError, NoBackendError } from "../upstream/errors.ts";
import type { BackendSearch, ClientStory, Found, SearchObserver } from "../upstream/search.ts";
import type { Timeouts } from "./options.ts";
import { type Preface, type PrefaceOptions, readPreface } from "./preface.ts";
import type { Reason } from "./reason.ts";

/** What a session works with. */
export interface SessionOptions {
  readonly client: Connection;
  readonly address: ClientAddress;
  /** The address of the listener that accepted it, as text. */
  readonly listener: string;
  /** Where the client connected to; absent: not known. */
  readonly localAddr?: Deno.Addr | undefined;
  readonly timeouts: Timeouts;
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
}

/**
 * How long a dial may still take when the client has ended its side without a word. Most such clients have left;
 * some only wait for a greeting, and a backend that is well answers within this time.
 */
const LEAVING_MS = 1000;

/**
 * One connection of a client. Its service leads it through `listen` (where something must come first),
 * `findBackend`, `carry` and `end`, or `giveUp` when something fails; meanwhile it can be drained or destroyed at
 * any moment.
 */
export class Session implements LiveConnection, SearchObserver {
  /** Who the client is; once a PROXY header has been read, who that says it is. */
  address: ClientAddress;
  readonly listener: string;
  readonly startedAtMs: number;
  /** From the start of the search until there was a backend; absent as long as there is none. */
  connectMs: number | undefined;
  /** The backend that was reached, or the last one tried. */
  backend: Backend | undefined;
  /** Backends tried. */
  tries = 0;
  /** Why no backend could be reached, or the client was refused. */
  failure: unknown;
  /** Who the client is by its certificate, or was refused as; absent: it has shown none. */
  identity: string | undefined;
  /** The name that the client asked for in its ClientHello, where that was read. */
  serverName: string | undefined;
  /** What the backend was told that this connection is called; absent: it was not told. */
  uniqueId: string | undefined;
  readonly #localAddr: Deno.Addr | undefined;
  #client: Connection;
  /** Where the client connected to, if a PROXY header says so. */
  #destination: ProxyAddress | undefined;
  readonly #timeouts: Timeouts;
  readonly #wheel: TimerWheel;
  readonly #buffers: BufferPool;
  /** What the client says before there is a tunnel, which takes it over. */
  #ahead: ReadAhead | undefined;
  #tls: ProxyTls | undefined;
  #handshake: Deadline | undefined;
  #search: BackendSearch | undefined;
  #searchesSinceMs = 0;
  #tunnel: Tunnel<Reason> | undefined;
  #place: BagEntry<LiveConnection> | undefined;
  #stop: Reason | undefined;
  #draining = false;
  #drainTimer: WheelTimer | undefined;

  constructor(options: SessionOptions) {
    this.address = options.address;
    this.listener = options.listener;
    this.#client = options.client;
    this.#localAddr = options.localAddr;
    this.#timeouts = options.timeouts;
    this.#wheel = options.wheel;
    this.#buffers = options.buffers;
    this.startedAtMs = options.wheel.now();
  }

  /** What a PROXY header tells the backend. */
  tellBackend(): ClientStory {
    this.uniqueId = crypto.randomUUID();
    return { ...this.#ends, uniqueId: this.uniqueId, tls: this.#tls, authority: this.serverName };
  }

  get #ends(): ProxyEnds {
    const own = this.#localAddr === undefined ? undefined : clientAddress(this.#localAddr);
    return { source: this.address, destination: this.#destination ?? own };
  }

  /** Bytes delivered to the backend. */
  get bytesUp(): number {
    return this.#tunnel?.bytesUp ?? 0;
  }

  /** Bytes delivered to the client. */
  get bytesDown(): number {
    return this.#tunnel?.bytesDown ?? 0;
  }

  /**
   * Reads what the client must say first, within `timeouts.handshake`. Throws {@linkcode Ended} with the reason when
   * that is not what it should be.
   */
  async listen(options: PrefaceOptions): Promise<Preface> {
    const { signal } = this.#beginHandshake();
    signal.onabort = () => this.#closeClient();
    try {
      const preface = await readPreface(this.#client, options);
      this.#client = preface.connection;
      this.address = preface.endpoints?.source ?? this.address;
      this.#destination = preface.endpoints?.destination;
      this.serverName = preface.serverName;
      return preface;
    } catch (error) {
      throw this.#stop === undefined ? endOfPreface(error) : new Ended(this.#stop);
    } finally {
      signal.onabort = null;
    }
  }

  /**
   * Speaks TLS with the client from here on, within the same time. Throws {@linkcode Ended} with the reason when it
   * may not come in, as `latest` sees it in the end.
   */
  async secure(gate: TlsGate, latest: () => TlsGate): Promise<void> {
    const { signal } = this.#beginHandshake();
    try {
      const { session, identity } = await gate.enter(this.#client, {
        signal,
        buffers: this.#buffers,
        latest,
      });
      this.#client = session.connection;
      this.identity = identity?.subject;
      this.serverName = session.serverName;
      this.#tls = proxyTls(session, identity);
    } catch (error) {
      if (this.#stop !== undefined) throw new Ended(this.#stop);
      if (!(error instanceof TlsHandshakeError)) throw error;
      this.identity = refusedSubject(error);
      throw new Ended(error.reason === "timeout" ? "handshake" : `tls-${error.reason}`, error);
    }
  }

  /** What the client must say before it is served has `timeouts.handshake` in all. */
  #beginHandshake(): Deadline {
    // What came before found nothing to abort.
    if (this.#stop !== undefined) throw new Ended(this.#stop);
    this.#handshake ??= new Deadline(this.#wheel, {
      timeoutMs: this.#timeouts.handshakeMs,
      reason: () => {
        this.#stop ??= "handshake";
        return new Ended("handshake");
      },
    });
    return this.#handshake;
  }

  /** The client has said what it must. */
  endHandshake(): void {
    this.#handshake?.[Symbol.dispose]();
    this.#handshake = undefined;
  }

  /** Looks for a backend. Throws what the search throws. */
  findBackend(search: BackendSearch): Promise<Found> {
    this.#searchesSinceMs = this.#wheel.now();
    this.#search = search;
    search.observer = this;
    if (this.#stop !== undefined) search.abort(new Ended(this.#stop));
    return search.run();
  }

  /** Carries until the end; resolves to the reason. Both connections are closed then. */
  carry({ backend, lease }: Found): Promise<Reason> {
    this.connectMs = this.#wheel.now() - this.#searchesSinceMs;
    this.backend = backend;
    this.tries = this.#search!.tried.length;
    const timeouts = this.#timeouts;
    this.#tunnel = new Tunnel<Reason>(
      bareConnection(this.#client),
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
    this.endHandshake();
    this.tries = this.#search?.tried.length ?? 0;
    this.backend = this.#search?.tried.at(-1);
    this.failure = error instanceof Ended ? error.cause : error;
    const ahead = this.#ahead;
    ahead?.detach();
    this.#closeClient();
    await ahead?.pending;
    if (ahead !== undefined) this.#buffers.give(ahead.buffer);
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
    if (this.#tunnel !== undefined) this.#tunnel.destroy(reason);
    else if (this.#search !== undefined) this.#search.abort(new Ended(reason));
    else this.#handshake?.abort(new Ended(reason));
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

  /** Has an eye on the client from now on, which may leave meanwhile. A search that is soon over needs none. */
  onSlowSearch(): void {
    if (this.#search === undefined) return;
    this.#ahead ??= new ReadAhead(this.#client, {
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

  #closeClient(): void {
    try {
      this.#client.close();
    } catch {
      // Closed already.
    }
  }

  /** News from the client while there is no backend yet. */
  #onClient(): void {
    const { ended, error, filled } = this.#ahead!;
    if (!ended) return;
    if (error !== undefined) this.#search!.abort(new Ended("client-reset"));
    else if (filled === 0) this.#search!.leave(LEAVING_MS, new Ended("client-closed"));
  }
}

/** Ends a session for a reason that is known already. */
export class Ended extends CulvertError {
  readonly reason: Reason;

  constructor(reason: Reason, cause?: unknown) {
    super("ended", `The connection has ended: ${reason}`, { cause });
    this.reason = reason;
  }
}

/** How a client's first words have ended it. Leaving without any is no fault: a check by TCP does that. */
function endOfPreface(error: unknown): Ended {
  switch (error instanceof CulvertError ? error.code : undefined) {
    case "bad_proxy_header":
      return new Ended("refused-by-proxy", error);
    case "bad_client_hello":
      return new Ended("refused-by-name", error);
    case "no_proxy_header":
    case "no_client_hello":
      return new Ended("client-closed");
    default:
      return new Ended("client-reset");
  }
}

/** What a PROXY header tells of the client's TLS. */
function proxyTls(session: ClientSession, identity: PeerIdentity | undefined): ProxyTls {
  const { protocol, cipher, resumed } = session;
  const known = { ...(protocol && { version: protocol }), ...(cipher && { cipher }) };
  if (identity === undefined) return { clientCertificate: "none", verified: false, ...known };
  const [commonName] = identity.commonNames;
  return {
    clientCertificate: resumed ? "session" : "connection",
    verified: true,
    ...known,
    ...(commonName === undefined ? {} : { commonName }),
  };
}

function reasonOf(error: unknown): Reason {
  if (error instanceof Ended) return error.reason;
  if (error instanceof BackendsDownError) return "backends-down";
  return error instanceof NoBackendError ? "no-backend" : "connect-failed";
}
