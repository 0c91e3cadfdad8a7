import type { Log } from "../../core/log.ts";
import type { TimerWheel } from "../../core/timer_wheel.ts";
import type { BufferPool } from "../../net/buffers.ts";
import type { Dial } from "../../net/dial.ts";
import { type TlsConnect, tlsConnector } from "../../tls/dial.ts";
import { Backend } from "../../upstream/backend.ts";
import type { Check } from "../../upstream/check/check.ts";
import { createCheck } from "../../upstream/check/create_check.ts";
import { DEFAULT_HEALTH, type HealthOptions } from "../../upstream/check/options.ts";
import type { CheckScheduler } from "../../upstream/check/scheduler.ts";
import { checkParts } from "../../upstream/check_parts.ts";
import { BackendConnector } from "../../upstream/connector.ts";
import { HealthMonitor } from "../../upstream/health_monitor.ts";
import type { PoolOptions } from "../../upstream/pool/options.ts";
import { ConnectionPool } from "../../upstream/pool/pool.ts";
import type { Rewriter } from "../request_backends.ts";
import { UrlRewriter, type UrlRewriterOptions } from "../url_rewriter.ts";
import { type BackendUrl, badBackend, checkCount } from "./backend_url.ts";
import type { PoolBackendOptions } from "./options.ts";
import { PoolBackend } from "./pool_backend.ts";

/** What the backends of a pool have in common. */
export interface MemberParts {
  readonly name: string;
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
  readonly log: Log;
  readonly dial: Dial;
  readonly scheduler: CheckScheduler;
  readonly connections: PoolOptions;
  readonly connectMs: number;
  readonly rewriter: ((options: UrlRewriterOptions) => Rewriter) | undefined;
  /** The bound of those that have none of their own. */
  readonly maxConnections: () => number;
  /** A backend may take more or fewer requests; see `Backend`. */
  readonly onRoom: (freed: boolean) => void;
}

/** The options of a backend, checked: to apply them can't fail any more. */
interface PreparedMember {
  readonly url: BackendUrl;
  readonly options: PoolBackendOptions;
  /** The paths that it serves, without a slash at the end. */
  readonly path: string;
  readonly rewriter: Rewriter | undefined;
  readonly connectTls: TlsConnect | undefined;
  readonly health: HealthOptions | undefined;
}

/**
 * Checks all options of a backend.
 *
 * @throws {CulvertError} `bad_backend`, with the cause.
 */
export function prepareMember(
  url: BackendUrl,
  { options, parts, current }: {
    options: PoolBackendOptions;
    parts: MemberParts;
    /** The member that has the URL already. */
    current: PoolMember | undefined;
  },
): PreparedMember {
  const { weight = 1, maxConnections, tls, health } = options;
  checkCount("weight", weight, 65_535);
  if (maxConnections !== undefined) checkCount("maxConnections", maxConnections);
  try {
    if (tls !== undefined && url.scheme === "http") throw new TypeError("tls is for a URL with https");
    const connectTls = current !== undefined && same(current.options.tls, tls)
      ? current.connectTls
      : connectorOf(url, tls, parts);
    const complete = health && { ...DEFAULT_HEALTH, ...health };
    if (complete !== undefined) {
      // A check that can't be made is found now; it is made once more when it is needed.
      createCheck(complete, { dial: parts.dial, connectTls }).close?.();
    }
    return { url, options, ...mappingOf(url, options, parts), connectTls, health: complete };
  } catch (error) {
    throw badBackend(`Cannot use the backend "${url.text}": ${(error as Error).message}`, error);
  }
}

/** A backend in a pool: its connections, its checks, and how its URLs are mapped. */
export class PoolMember {
  readonly url: BackendUrl;
  readonly backend: Backend;
  /** What the program sees of it. */
  readonly view: PoolBackend;
  readonly #parts: MemberParts;
  readonly #monitor: HealthMonitor<Backend>;
  #prepared: PreparedMember;
  #connector: BackendConnector;

  /** Its checks begin at once. */
  constructor(prepared: PreparedMember, parts: MemberParts) {
    const { log, name, onRoom, scheduler } = parts;
    this.url = prepared.url;
    this.#parts = parts;
    this.#prepared = prepared;
    this.#connector = this.#connect();
    this.backend = new Backend(this.#spec(), { createPool: (backend) => this.#createPool(backend), onRoom });
    this.view = new PoolBackend(this.url.text, this.backend);
    const onDown = ({ usedPool }: Backend) => usedPool?.dropIdle();
    this.#monitor = new HealthMonitor({ upstream: name, scheduler, log, onDown, onUp() {} });
    this.#watch();
    this.#warn();
  }

  get options(): PoolBackendOptions {
    return this.#prepared.options;
  }

  get connectTls(): TlsConnect | undefined {
    return this.#prepared.connectTls;
  }

  /** How its URLs are mapped; `undefined`: they are not. */
  get rewriter(): Rewriter | undefined {
    return this.#prepared.rewriter;
  }

  /** The paths that it serves. */
  get path(): string {
    return this.#prepared.path;
  }

  /** Takes other options. What it has counted stays, and all else that they do not change. */
  configure(prepared: PreparedMember): void {
    const before = this.#prepared;
    this.#prepared = prepared;
    if (before.connectTls !== prepared.connectTls) {
      this.#connector = this.#connect();
      this.backend.usedPool?.renew();
      this.#warn();
    }
    this.refresh();
    if (!same(before.health, prepared.health)) this.#watch();
  }

  /** Follows the bound of the pool. */
  refresh(): void {
    const { weight, maxConnections } = this.backend.spec;
    const spec = this.#spec();
    if (spec.weight !== weight || spec.maxConnections !== maxConnections) this.backend.configure(spec);
  }

  /** Holds until a check or the next mark says otherwise. */
  mark(state: "up" | "down"): void {
    const { health } = this.backend;
    health.state = state;
    health.since = Date.now();
    health.inARow = 0;
    this.backend.followHealth(true);
  }

  /** Leaves the set for good: requests under way finish or end. */
  remove(onRemove: "close" | "drain"): void {
    this.#monitor.forget(this.backend);
    this.#monitor.configure(undefined, undefined);
    this.backend.remove(onRemove);
  }

  #connect(): BackendConnector {
    const { connectTls } = this.#prepared;
    return new BackendConnector({ dial: this.#parts.dial, connectTls, proxyProtocol: "none" });
  }

  #createPool({ usable }: Backend): ConnectionPool {
    const { wheel, buffers, log, connections, connectMs } = this.#parts;
    return new ConnectionPool({
      ...connections,
      name: this.url.text,
      dial: (signal) => this.#connector.open(this.url.address, signal),
      ...{ connectMs, wheel, buffers, log },
      resting: !usable,
    });
  }

  #spec(): Backend["spec"] {
    const { weight = 1, maxConnections = this.#parts.maxConnections() } = this.options;
    return { address: this.url.address, weight, maxConnections, backup: false };
  }

  #watch(): void {
    this.#monitor.configure(this.#prepared.health, this.#check());
    this.#monitor.watch(this.backend);
  }

  #check(): Check | undefined {
    const { health, connectTls } = this.#prepared;
    if (health === undefined) return undefined;
    const connector = () => this.#connector;
    return createCheck(health, checkParts(health, { connector, hasTls: connectTls !== undefined }));
  }

  #warn(): void {
    if (this.options.tls?.verify !== false) return;
    const { log, name } = this.#parts;
    log.warn("the certificate of a backend is not verified", { pool: name, backend: this.url.text });
  }
}

function connectorOf(
  { scheme }: BackendUrl,
  tls: PoolBackendOptions["tls"],
  { dial, buffers }: MemberParts,
): TlsConnect | undefined {
  return scheme === "http" ? undefined : tlsConnector({ ...tls, dial, buffers });
}

function mappingOf(
  url: BackendUrl,
  { route }: PoolBackendOptions,
  { rewriter }: MemberParts,
): Pick<PreparedMember, "path" | "rewriter"> {
  const options = { ...route, backend: url.text };
  // Also where the program maps URLs itself: the path of the route has to be one.
  const own = new UrlRewriter(options);
  const isPlain = route === undefined && url.path === "/";
  return { path: own.path, rewriter: rewriter?.(options) ?? (isPlain ? undefined : own) };
}

/** Options are plain data. */
function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
