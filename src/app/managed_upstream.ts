import type { UpstreamConfig } from "../config/config.ts";
import type { Clock } from "../core/clock.ts";
import { CulvertError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import type { BufferPool } from "../net/buffers.ts";
import type { Dial } from "../net/dial.ts";
import type { TlsConnect } from "../tls/tls_dial.ts";
import type { BackendSpec } from "../upstream/backend.ts";
import { createCheck } from "../upstream/check/create_check.ts";
import type { HalfOpenChecker } from "../upstream/check/half_open_checker.ts";
import type { CheckScheduler } from "../upstream/check/scheduler.ts";
import { Discovery } from "../upstream/discover/discovery.ts";
import type { EtcdTls } from "../upstream/discover/etcd_options.ts";
import type { SourceStatus } from "../upstream/discover/source_run.ts";
import { Upstream } from "../upstream/upstream.ts";
import { makeSources } from "./sources.ts";

/** How the backends of an upstream are reached, and its etcd. */
export interface Reach {
  /** Absent: in plain. */
  readonly connectTls: TlsConnect | undefined;
  readonly etcdTls: EtcdTls | undefined;
}

/** What a {@linkcode ManagedUpstream} works with. */
export interface ManagedUpstreamParts {
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
  readonly scheduler: CheckScheduler;
  readonly clock: Clock;
  readonly log: Log;
  /** Opens plain connections. */
  readonly dial: Dial;
  /** For checks that are half open. */
  readonly halfOpen: () => HalfOpenChecker;
}

/**
 * An upstream of the configuration with all that its set comes from: the backends that are listed, those that are
 * discovered, or those that somebody has put in their place while the program ran.
 */
export class ManagedUpstream {
  readonly upstream: Upstream;
  readonly #parts: ManagedUpstreamParts;
  #config: UpstreamConfig;
  #reach: Reach;
  #discovery: Discovery | undefined;
  /** The set of sources that have been replaced, until those in their place have given theirs. */
  #lasting: readonly BackendSpec[] | undefined;
  /** In the place of those that are listed, until the configuration lists others. */
  #byHand: readonly BackendSpec[] | undefined;

  constructor(config: UpstreamConfig, options: { reach: Reach; parts: ManagedUpstreamParts }) {
    const { reach, parts } = options;
    this.#config = config;
    this.#reach = reach;
    this.#parts = parts;
    this.upstream = new Upstream(config, {
      ...parts,
      dial: this.#dial,
      makeCheck: (health, ways) =>
        createCheck(health, {
          ...ways,
          connectTls: (address, signal) => this.#reach.connectTls!(address, signal),
          halfOpen: health.type === "half-open" ? parts.halfOpen() : undefined,
        }),
    });
    this.#discover();
  }

  /** How each source of backends is; absent: there are none. */
  get sources(): readonly SourceStatus[] | undefined {
    return this.#discovery?.status;
  }

  /** Takes a new configuration. What backends have shown of themselves stays, and so do sources that are the same. */
  update(config: UpstreamConfig, reach: Reach): void {
    const { connectTls } = this.#reach;
    const previous = this.#config;
    const sameSources = same(previous.discover, config.discover) && same(this.#reach.etcdTls, reach.etcdTls);
    this.#config = config;
    this.#reach = reach;
    if (!same(previous.backends, config.backends)) this.#byHand = undefined;
    if (!sameSources) this.#discover();
    else if (config.discover !== undefined) {
      this.#discovery!.update({ statics: config.backends, keepOnEmpty: config.discover.keepOnEmpty });
    }
    this.upstream.update({ ...config, backends: this.#backends });
    if (reach.connectTls !== connectTls) this.upstream.redial(this.#dial);
  }

  /**
   * Puts another set in the place of the backends that are listed, until the configuration lists others.
   *
   * @throws {CulvertError} `discovered` if the set comes from somewhere else, which would undo that.
   */
  replaceBackends(backends: readonly BackendSpec[]): void {
    const { name } = this.upstream;
    if (this.#discovery !== undefined) {
      throw new CulvertError("discovered", `Cannot replace the backends of "${name}": they are discovered`);
    }
    this.#byHand = backends;
    this.upstream.updateBackends(backends);
  }

  /** Ends discovery and removes all backends, as the upstream does. */
  async close(): Promise<void> {
    await Promise.all([this.#discovery?.close(), this.upstream.close()]);
  }

  get #backends(): readonly BackendSpec[] {
    return this.#byHand ?? this.#lasting ?? this.#discovery?.backends ?? this.#config.backends;
  }

  get #dial(): Dial {
    const { connectTls } = this.#reach;
    if (connectTls === undefined) return this.#parts.dial;
    return async (address, signal) => (await connectTls(address, signal)).connection;
  }

  /** Asks the sources of the configuration, in the place of those of before. */
  #discover(): void {
    const before = this.#discovery;
    void before?.close();
    this.#discovery = this.#lasting = undefined;
    const { name, backends, discover } = this.#config;
    if (discover === undefined) return;
    const { clock, log } = this.#parts;
    this.#lasting = before?.backends;
    const discovery = new Discovery({
      upstream: name,
      sources: makeSources(discover, { clock, log, etcdTls: this.#reach.etcdTls }),
      statics: backends,
      keepOnEmpty: discover.keepOnEmpty,
      clock,
      log,
      onSet: () => this.#follow(),
    });
    this.#discovery = discovery;
    void discovery.ready.then(() => this.#follow());
    discovery.start();
  }

  /** There is another set, or there may be. */
  #follow(): void {
    const sources = this.sources ?? [];
    if (this.#lasting !== undefined && sources.some(({ lastSetAtMs }) => lastSetAtMs === undefined)) return;
    this.#lasting = undefined;
    if (this.#discovery !== undefined) this.upstream.updateBackends(this.#backends);
  }
}

/** Whether two parts of configurations say the same. */
function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
