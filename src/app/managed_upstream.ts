import type { DiscoverConfig, UpstreamConfig } from "../config/config.ts";
import type { Clock } from "../core/clock.ts";
import { CulvertError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import { type Address, formatAddress } from "../net/address.ts";
import { parseAddressSet } from "../net/address_set.ts";
import type { BufferPool } from "../net/buffers.ts";
import type { Dial } from "../net/dial.ts";
import type { TlsConnect } from "../tls/tls_dial.ts";
import type { BackendSpec } from "../upstream/backend.ts";
import { createCheck } from "../upstream/check/create_check.ts";
import type { HalfOpenChecker } from "../upstream/check/half_open_checker.ts";
import type { CheckScheduler } from "../upstream/check/scheduler.ts";
import { joinSets } from "../upstream/discover/backend_set.ts";
import { Discovery } from "../upstream/discover/discovery.ts";
import type { EtcdTls } from "../upstream/discover/etcd_options.ts";
import type { ReportingSource } from "../upstream/discover/source.ts";
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
  /** Makes the sources that a configuration asks for. @default {makeSources} */
  readonly makeSources?: typeof makeSources;
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
  /** The set from before the sources were what they are, until each of these has given one. */
  #lasting: readonly BackendSpec[] | undefined;
  /** Resolves when the sources have ended that have been replaced. */
  #ended: Promise<unknown> = Promise.resolve();
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
    const { connectTls, etcdTls } = this.#reach;
    const previous = this.#config;
    const set = this.#backends;
    const { discover } = config;
    const sameSources = same(sourcesOf(previous), sourcesOf(config)) && same(etcdTls, reach.etcdTls);
    this.#config = config;
    this.#reach = reach;
    if (discover !== undefined || !same(previous.backends, config.backends)) this.#byHand = undefined;
    const lasting = sameSources ? this.#lasting : set;
    this.#lasting = discover && lasting && stillGood(lasting, previous, config);
    if (!sameSources) this.#discover();
    else if (discover !== undefined) {
      this.#discovery!.update({ statics: config.backends, keepOnEmpty: discover.keepOnEmpty });
    }
    // Before backends come that would be dialled as before.
    if (reach.connectTls !== connectTls) this.upstream.redial(this.#dial);
    this.upstream.update({ ...config, backends: this.#backends });
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
    await Promise.all([this.#discovery?.close(), this.#ended, this.upstream.close()]);
  }

  get #dial(): Dial {
    const { connectTls } = this.#reach;
    if (connectTls === undefined) return this.#parts.dial;
    return async (address, signal) => (await connectTls(address, signal)).connection;
  }

  get #backends(): readonly BackendSpec[] {
    const { backends } = this.#discovery ?? this.#config;
    return this.#byHand ?? (this.#lasting === undefined ? backends : joinSets([backends, this.#lasting]));
  }

  /** Asks the sources of the configuration, in the place of those of before. */
  #discover(): void {
    this.#ended = Promise.all([this.#ended, this.#discovery?.close()]);
    this.#discovery = undefined;
    const { name, backends, discover } = this.#config;
    if (discover === undefined) return;
    const { clock, log, makeSources: make = makeSources } = this.#parts;
    const sources = make(discover, { clock, log, etcdTls: this.#reach.etcdTls });
    this.#discovery = new Discovery({
      upstream: name,
      sources: sources.map(({ name, source }) => ({
        name,
        source: telling(source, () => this.#lasting !== undefined && this.#follow()),
      })),
      statics: backends,
      keepOnEmpty: discover.keepOnEmpty,
      clock,
      log,
      onSet: () => this.#follow(),
    });
    this.#discovery.start();
  }

  /** There is another set, or the last source has given its first one. */
  #follow(): void {
    if (this.sources!.every(({ lastSetAtMs }) => lastSetAtMs !== undefined)) this.#lasting = undefined;
    this.upstream.updateBackends(this.#backends);
  }
}

/** As `source`; tells when a set of its has been taken, were it the same as before. */
function telling(source: ReportingSource, onTaken: () => void): ReportingSource {
  return async function* (signal) {
    for await (const given of source(signal)) {
      yield given;
      onTaken();
    }
  };
}

/**
 * What of the set of before may last: neither what has been taken off the list (who moves from a list to sources has
 * taken off nothing), nor what is where no discovered backend may be.
 */
function stillGood(
  set: readonly BackendSpec[],
  before: UpstreamConfig,
  after: UpstreamConfig,
): readonly BackendSpec[] {
  const gone = new Set(before.discover && before.backends.map(({ address }) => formatAddress(address)));
  for (const { address } of after.backends) gone.delete(formatAddress(address));
  const within = after.discover?.within && parseAddressSet(after.discover.within);
  const isWithin = (address: Address) =>
    within === undefined || (address.kind === "tcp" && within.has(address.host));
  return set.filter(({ address }) => !gone.has(formatAddress(address)) && isWithin(address));
}

/** What must be the same for the sources to go on. */
function sourcesOf({ discover }: UpstreamConfig): DiscoverConfig | undefined {
  return discover && { ...discover, keepOnEmpty: false };
}

/** Whether two parts of configurations say the same. */
function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
