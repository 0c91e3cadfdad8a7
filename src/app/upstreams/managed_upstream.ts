import type { DiscoverConfig, UpstreamConfig } from "../../config/config.ts";
import type { Clock } from "../../core/clock.ts";
import { CulvertError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { TimerWheel } from "../../core/timer_wheel.ts";
import { type Address, formatAddress } from "../../net/address.ts";
import { parseAddressSet } from "../../net/address_set.ts";
import type { BufferPool } from "../../net/buffers.ts";
import type { Dial } from "../../net/dial.ts";
import type { TlsConnect } from "../../tls/dial.ts";
import type { BackendSpec } from "../../upstream/options.ts";
import { createCheck } from "../../upstream/check/create_check.ts";
import type { HalfOpenChecker } from "../../upstream/check/half_open/checker.ts";
import type { CheckScheduler } from "../../upstream/check/scheduler.ts";
import { checkSet, joinSets } from "../../upstream/discover/backend_set.ts";
import { filteredSource } from "../../upstream/discover/filtered_source.ts";
import { Discovery } from "../../upstream/discover/discovery.ts";
import type { EtcdTls } from "../../upstream/discover/etcd/options.ts";
import type { ReportingSource } from "../../upstream/discover/source.ts";
import type { NamedSource, SourceStatus } from "../../upstream/discover/source_run.ts";
import { Upstream, type UpstreamParts } from "../../upstream/upstream.ts";
import { makeSources } from "./sources.ts";

/** How the backends of an upstream are reached, and its etcd. */
export interface Reach {
  /** Absent: in plain. */
  readonly connectTls: TlsConnect | undefined;
  /**
   * All that `connectTls` was made of, as text: where that is the same, the one of before goes on, and with it what it
   * has dialled. Absent: nothing that could be compared.
   */
  readonly fingerprint?: string | undefined;
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
  /** Why an address can't be a backend of an upstream; `undefined`: it can. */
  readonly refusal?: (upstream: string, address: Address) => Error | undefined;
  /** Told that a dial failed for want of something of our own. */
  readonly onShortage?: () => void;
  /** For checks that are half open. */
  readonly halfOpen: () => HalfOpenChecker;
  /** Makes the sources that a configuration asks for. @default {makeSources} */
  readonly makeSources?: typeof makeSources;
}

/** How a {@linkcode ManagedUpstream} is made. */
export interface ManagedUpstreamOptions {
  readonly reach: Reach;
  readonly parts: ManagedUpstreamParts;
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
  /** The set from before the sources were what they are, until these have given theirs. */
  #lasting: readonly BackendSpec[] | undefined;
  /** It has been said that the set of before lasts because the sources have none to give. */
  #toldEmpty = false;
  /** Resolves when the sources have ended that have been replaced. */
  #ended: Promise<unknown> = Promise.resolve();
  /** In the place of those that are listed, until the configuration lists others. */
  #byHand: readonly BackendSpec[] | undefined;

  constructor(config: UpstreamConfig, { reach, parts }: ManagedUpstreamOptions) {
    this.#config = config;
    this.#reach = reach;
    this.#parts = parts;
    const { connectTls } = reach;
    const refusal = (address: Address) => parts.refusal?.(config.name, address);
    this.upstream = new Upstream(config, { ...parts, connectTls, refusal, makeCheck: checkMaker(parts) });
    this.#discover();
  }

  /**
   * Makes what an upstream of this configuration is made of, and opens nothing. What can fail fails here; where it
   * does not, neither making the upstream nor changing another one to this configuration does.
   *
   * @throws {CulvertError} what {@linkcode createCheck} and sources throw, or that the backends can't be used.
   */
  static tryOut(config: UpstreamConfig, { reach, parts }: ManagedUpstreamOptions): void {
    const { backends, health, discover } = config;
    const { connectTls, etcdTls } = reach;
    if (health !== undefined) checkMaker(parts)(health, { dial: parts.dial, connectTls }).close?.();
    if (discover === undefined) return;
    checkSet(backends);
    sourcesFor(discover, { parts, etcdTls });
  }

  /** How each source of backends is; absent: there are none. */
  get sources(): readonly SourceStatus[] | undefined {
    return this.#discovery?.status;
  }

  /** The sources that have not answered yet, unless a set of before stands in for theirs. */
  get awaited(): readonly SourceStatus[] {
    if (this.#lasting !== undefined && this.#lasting.length > 0) return [];
    return this.#discovery?.status.filter(({ state }) => state === "waiting") ?? [];
  }

  /**
   * Takes a new configuration. What backends have shown of themselves stays, and so do sources that are the same, which
   * are asked again at once, and idle connections where TLS is made of the same. Where the sources are others, the set of before lasts until these
   * have given theirs.
   */
  update(config: UpstreamConfig, reach: Reach): void {
    const [previous, before, set] = [this.#config, this.#reach, this.#backends];
    const { discover } = config;
    const sameSources = same(sourcesOf(previous), sourcesOf(config)) && same(before.etcdTls, reach.etcdTls);
    const sameTls = reach.fingerprint !== undefined && reach.fingerprint === before.fingerprint;
    this.#config = config;
    this.#reach = sameTls ? { ...reach, connectTls: before.connectTls } : reach;
    if (discover !== undefined || !same(previous.backends, config.backends)) this.#byHand = undefined;
    const lasting = sameSources ? this.#lasting : set;
    this.#lasting = discover && lasting && stillGood(lasting, previous, config);
    if (!sameSources) this.#discover();
    else if (discover !== undefined) {
      this.#discovery!.update({ statics: config.backends, keepOnEmpty: discover.keepOnEmpty });
      this.#discovery!.refresh();
    }
    this.#follow();
  }

  /**
   * Puts another set in the place of the backends that are listed, until the configuration lists others.
   *
   * @throws {CulvertError} `discovered` if the set comes from somewhere else, which would undo that; and why one of
   * the addresses can't be a backend.
   */
  replaceBackends(backends: readonly BackendSpec[]): void {
    const { name } = this.upstream;
    if (this.#discovery !== undefined) {
      throw new CulvertError("discovered", `Cannot replace the backends of "${name}": they are discovered`);
    }
    for (const { address } of backends) {
      const refusal = this.#parts.refusal?.(name, address);
      if (refusal !== undefined) throw refusal;
    }
    this.#byHand = backends;
    this.upstream.updateBackends(backends);
  }

  /** Ends discovery and removes all backends, as the upstream does. */
  async close(): Promise<void> {
    await Promise.all([this.#discovery?.close(), this.#ended, this.upstream.close()]);
  }

  get #backends(): readonly BackendSpec[] {
    const { backends } = this.#discovery ?? this.#config;
    return this.#byHand ?? (this.#lasting === undefined ? backends : joinSets([backends, this.#lasting]));
  }

  /** Asks the sources of the configuration, in the place of those of before. */
  #discover(): void {
    this.#ended = Promise.all([this.#ended, this.#discovery?.close()]);
    this.#discovery = undefined;
    this.#toldEmpty = false;
    const { name, backends, discover } = this.#config;
    if (discover === undefined) return;
    const { clock, log } = this.#parts;
    const sources = sourcesFor(discover, { parts: this.#parts, etcdTls: this.#reach.etcdTls });
    this.#discovery = new Discovery({
      upstream: name,
      sources: sources.map(({ name, source, retryMaxMs }) => ({
        name,
        retryMaxMs,
        source: telling(
          this.#withoutLoops(name, source),
          () => this.#lasting !== undefined && this.#follow(),
        ),
      })),
      statics: backends,
      keepOnEmpty: discover.keepOnEmpty,
      inUse: () => this.#backends.length,
      clock,
      log,
      onSet: () => this.#follow(),
    });
    this.#discovery.start();
  }

  /** As `source`, without what leads back to this program. */
  #withoutLoops(name: string, source: ReportingSource): ReportingSource {
    const { log, refusal } = this.#parts;
    if (refusal === undefined) return source;
    return filteredSource(source, {
      accepts: ({ address }) => refusal(this.upstream.name, address) === undefined,
      message: "discovered backend ignored: it leads back to this program",
      name,
      log,
    });
  }

  /** There is another set, another configuration, or the last source has given its first set. */
  #follow(): void {
    if (this.#lasting !== undefined && this.#found()) this.#lasting = undefined;
    const { connectTls } = this.#reach;
    const { dial } = this.#parts;
    // With the configuration of now: what leaves the set leaves as that says.
    this.upstream.update({ ...this.#config, backends: this.#backends }, { dial, connectTls });
  }

  /** Whether each source has given a set, and these together are one that can take the place of the one of before. */
  #found(): boolean {
    const { name, discover } = this.#config;
    const { status, backends } = this.#discovery!;
    if (!status.every(({ lastSetAtMs }) => lastSetAtMs !== undefined)) return false;
    if (!discover!.keepOnEmpty || status.some(({ size }) => size > 0)) return true;
    const { length } = joinSets([backends, this.#lasting!]);
    if (length === backends.length) return true; // There is nothing to keep.
    const fields = { upstream: name, backends: length };
    if (!this.#toldEmpty) {
      this.#parts.log.warn("discovery returned no backends, keeping the last set", fields);
    }
    this.#toldEmpty = true;
    return false;
  }
}

/** Makes checks of what all upstreams have in common. */
function checkMaker({ halfOpen }: ManagedUpstreamParts): NonNullable<UpstreamParts["makeCheck"]> {
  return (health, ways) =>
    createCheck(health, { ...ways, halfOpen: health.type === "half-open" ? halfOpen() : undefined });
}

function sourcesFor(
  discover: DiscoverConfig,
  { parts, etcdTls }: { parts: ManagedUpstreamParts; etcdTls: EtcdTls | undefined },
): NamedSource[] {
  const { clock, log, makeSources: make = makeSources } = parts;
  return make(discover, { clock, log, etcdTls });
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
