import type { DiscoverConfig, UpstreamConfig } from "../../config/config.ts";
import type { Clock } from "../../core/clock.ts";
import { CulvertError } from "../../core/errors.ts";
import type { HistogramSnapshot } from "../../core/histogram.ts";
import type { Log } from "../../core/log.ts";
import {
  type BackendCredentials,
  type BackendTls,
  backendTls,
  type buildConnector,
} from "../../dataplane/credentials.ts";
import type { DataPlane } from "../../dataplane/data_plane.ts";
import { type Address, formatAddress } from "../../net/address.ts";
import { parseAddressSet } from "../../net/address_set.ts";
import type { BufferPool } from "../../net/buffers.ts";
import type { Dial } from "../../net/dial.ts";
import type { BackendSpec } from "../../upstream/options.ts";
import { type CheckParts, createCheck } from "../../upstream/check/create_check.ts";
import type { HalfOpenChecker } from "../../upstream/check/half_open/checker.ts";
import type { Health } from "../../upstream/check/health.ts";
import type { HealthOptions } from "../../upstream/check/options.ts";
import type { CheckScheduler } from "../../upstream/check/scheduler.ts";
import { checkSet, equalSets, joinSets } from "../../upstream/discover/backend_set.ts";
import { Discovery } from "../../upstream/discover/discovery.ts";
import type { EtcdTls } from "../../upstream/discover/etcd/options.ts";
import { filteredSource } from "../../upstream/discover/filtered_source.ts";
import type { ReportingSource } from "../../upstream/discover/source.ts";
import type { NamedSource, SourceStatus } from "../../upstream/discover/source_run.ts";
import { BackendChecks } from "./backend_checks.ts";
import { makeSources } from "./sources.ts";
import { WeightOverrides } from "./weight_overrides.ts";

/** The credentials of an upstream. */
export interface UpstreamCredentials {
  /** For its backends; absent: no TLS is spoken with them. */
  readonly tls?: BackendCredentials | undefined;
  readonly etcd?: EtcdTls | undefined;
}

/** What a {@linkcode ManagedUpstream} works with. */
export interface ManagedUpstreamParts {
  /** Gets the backends and their health. */
  readonly dataPlane: Pick<DataPlane, "setBackends" | "setHealth">;
  readonly buffers: BufferPool;
  readonly scheduler: CheckScheduler;
  readonly clock: Clock;
  readonly log: Log;
  /** Opens plain connections, for checks. */
  readonly dial: Dial;
  /** Why an address can't be a backend of an upstream; `undefined`: it can. */
  readonly refusal?: (upstream: string, address: Address) => Error | undefined;
  /** For checks that are half open. */
  readonly halfOpen: () => HalfOpenChecker;
  /** Makes the sources that a configuration asks for. @default {makeSources} */
  readonly makeSources?: typeof makeSources;
  /** Makes what speaks TLS with backends, for checks. @default {buildConnector} */
  readonly buildConnector?: typeof buildConnector;
}

/** A configuration of an upstream that has been prepared: making the upstream of it, or changing one to it, can't fail. */
export interface PreparedUpstream {
  readonly config: UpstreamConfig;
  readonly etcd: EtcdTls | undefined;
  readonly connector: BackendTls | undefined;
  /** Absent: there are none, or those that run go on. */
  readonly sources: readonly NamedSource[] | undefined;
}

/** What {@linkcode ManagedUpstream.prepare} works with. */
export interface PrepareUpstreamOptions {
  readonly credentials: UpstreamCredentials;
  readonly parts: ManagedUpstreamParts;
  /** The upstream of the same name, which is to be changed; absent: there is none. */
  readonly running?: ManagedUpstream | undefined;
}

/**
 * The control side of an upstream: where its backends come from (those that are listed, those that are discovered, or
 * those that were set by hand), and their checks. The data plane gets the result.
 */
export class ManagedUpstream {
  readonly name: string;
  readonly #parts: ManagedUpstreamParts;
  readonly #checks: BackendChecks;
  #config: UpstreamConfig;
  #etcd: EtcdTls | undefined;
  #connector: BackendTls | undefined;
  #discovery: Discovery | undefined;
  /** The previous set, where sources have changed and have not answered yet. */
  #lasting: readonly BackendSpec[] | undefined;
  /** It has been logged that the previous set is kept because the sources have none to give. */
  #toldEmpty = false;
  /** Resolves when the sources have ended that have been replaced. */
  #ended: Promise<unknown> = Promise.resolve();
  /** In place of those that are listed, until the configuration lists others. */
  #byHand: readonly BackendSpec[] | undefined;
  readonly #weights = new WeightOverrides();
  /** It is being changed by a plan, which passes the backends on itself. */
  #updating = true;

  constructor({ config, etcd, connector, sources }: PreparedUpstream, parts: ManagedUpstreamParts) {
    this.name = config.name;
    this.#parts = parts;
    this.#config = config;
    this.#etcd = etcd;
    this.#connector = connector;
    this.#checks = new BackendChecks({
      ...parts,
      upstream: config.name,
      refusal: (address) => parts.refusal?.(config.name, address),
      makeCheck: checkMaker(parts),
      onState: (key, state) => parts.dataPlane.setHealth(config.name, new Map([[key, state]])),
    });
    this.#discover(sources);
    this.#follow();
    this.#updating = false;
  }

  /**
   * Does all that can fail of making an upstream of this configuration, or of changing one to it. Opens nothing.
   *
   * @throws {CulvertError} if a check, a source, the backends or the credentials can't be used.
   */
  static prepare(config: UpstreamConfig, options: PrepareUpstreamOptions): PreparedUpstream {
    const { credentials: { tls, etcd }, parts, running } = options;
    const { backends, health, discover } = config;
    const before = running === undefined ? undefined : running.#connector;
    const connector = health && tls && backendTls(tls, { parts, running: before });
    if (health !== undefined) {
      checkMaker(parts)(health, { dial: parts.dial, connectTls: connector?.connectTls }).close?.();
    }
    if (discover === undefined) return { config, etcd, connector, sources: undefined };
    checkSet(backends);
    const { clock, log, makeSources: make = makeSources } = parts;
    const isSame = running?.hasSources(config, etcd) ?? false;
    const sources = isSame ? undefined : make(discover, { clock, log, etcdTls: etcd });
    return { config, etcd, connector, sources };
  }

  /** The backends as the data plane knows them. */
  get backends(): readonly BackendSpec[] {
    return this.#weights.apply(this.#given);
  }

  /** The backends with the weights of the configuration or of discovery. */
  get #given(): readonly BackendSpec[] {
    const { backends } = this.#discovery ?? this.#config;
    return this.#byHand ?? (this.#lasting === undefined ? backends : joinSets([backends, this.#lasting]));
  }

  /** How backends are checked; `undefined`: they are not. */
  get healthOptions(): HealthOptions | undefined {
    return this.#config.health;
  }

  /** How long checks have taken; `undefined` where there are none. */
  get checkDurations(): HistogramSnapshot | undefined {
    return this.#checks.durations;
  }

  /** What checks have shown of a backend, by its address as text; `undefined` where there are no checks. */
  health(key: string): Health | undefined {
    return this.#checks.health(key);
  }

  /** How each source of backends is; absent: there are none. */
  get sources(): readonly SourceStatus[] | undefined {
    return this.#discovery?.status;
  }

  /** The sources that have not answered yet, unless a previous set is in use. */
  get awaited(): readonly SourceStatus[] {
    if (this.#lasting !== undefined && this.#lasting.length > 0) return [];
    return this.#discovery?.status.filter(({ state }) => state === "waiting") ?? [];
  }

  /**
   * Takes a configuration that was prepared. What checks have shown of backends stays. Sources that are the same go on
   * and are asked again at once; where they are others, the previous set lasts until these have given theirs. The
   * caller passes {@linkcode ManagedUpstream.backends} on to the data plane.
   */
  update({ config, etcd, connector, sources }: PreparedUpstream): void {
    this.#updating = true;
    const [previous, set] = [this.#config, this.backends];
    const { discover } = config;
    const sameSources = this.hasSources(config, etcd);
    this.#config = config;
    this.#etcd = etcd;
    this.#connector = connector;
    if (discover !== undefined || !equalSets(previous.backends, config.backends)) this.#byHand = undefined;
    const lasting = sameSources ? this.#lasting : set;
    this.#lasting = discover && lasting && stillGood(lasting, previous, config);
    if (!sameSources) this.#discover(sources);
    else if (discover !== undefined) {
      this.#discovery!.update({ statics: config.backends, keepOnEmpty: discover.keepOnEmpty });
      this.#discovery!.refresh();
    }
    this.#follow();
    this.#updating = false;
  }

  /** Whether the sources that run are those that this configuration asks for. */
  hasSources(config: UpstreamConfig, etcd: EtcdTls | undefined): boolean {
    return same(sourcesOf(this.#config), sourcesOf(config)) && same(this.#etcd, etcd);
  }

  /**
   * Puts another set in place of the backends that are listed, until the configuration lists others.
   *
   * @throws {CulvertError} `discovered` if the set comes from somewhere else, which would undo that; and why one of
   * the addresses can't be a backend.
   */
  replaceBackends(backends: readonly BackendSpec[]): void {
    const { name } = this;
    if (this.#discovery !== undefined) {
      throw new CulvertError("discovered", `Cannot replace the backends of "${name}": they are discovered`);
    }
    for (const { address } of backends) {
      const refusal = this.#parts.refusal?.(name, address);
      if (refusal !== undefined) throw refusal;
    }
    this.#byHand = backends;
    this.#follow();
  }

  /**
   * Sets the weight of a backend, by its address as text, until the configuration or discovery gives it another one.
   * Returns whether there is such a backend.
   */
  setWeight(key: string, weight: number): boolean {
    const given = this.#given.find(({ address }) => formatAddress(address) === key);
    if (given === undefined) return false;
    this.#weights.set(key, { given: given.weight, weight });
    this.#follow();
    return true;
  }

  /** Ends discovery and checks. The data plane keeps the backends. */
  async close(): Promise<void> {
    this.#updating = true;
    this.#checks.close();
    await Promise.all([this.#discovery?.close(), this.#ended]);
  }

  /** Asks these sources, in place of those that run. */
  #discover(sources: readonly NamedSource[] | undefined): void {
    this.#ended = Promise.all([this.#ended, this.#discovery?.close()]);
    this.#discovery = undefined;
    this.#toldEmpty = false;
    const { name, backends, discover } = this.#config;
    if (discover === undefined || sources === undefined) return;
    const { clock, log } = this.#parts;
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
      inUse: () => this.backends.length,
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
      accepts: ({ address }) => refusal(this.name, address) === undefined,
      message: "discovered backend ignored: it leads back to this program",
      name,
      log,
    });
  }

  /** There is another set, another configuration, or the last source has given its first set. */
  #follow(): void {
    if (this.#lasting !== undefined && this.#found()) this.#lasting = undefined;
    const { backends } = this;
    const { health, proxyProtocol } = this.#config;
    if (!this.#updating) this.#parts.dataPlane.setBackends(this.name, backends);
    this.#checks.follow(backends, { health, proxyProtocol, connectTls: this.#connector?.connectTls });
  }

  /** Whether each source has given a set, and these together are one that can take the place of the previous one. */
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
function checkMaker({ halfOpen }: ManagedUpstreamParts) {
  return (health: HealthOptions, own: CheckParts) =>
    createCheck(health, { ...own, halfOpen: health.type === "half-open" ? halfOpen() : undefined });
}

/** As `source`; tells when a set of its has been taken, even if it is the same as before. */
function telling(source: ReportingSource, onTaken: () => void): ReportingSource {
  return async function* (signal) {
    for await (const given of source(signal)) {
      yield given;
      onTaken();
    }
  };
}

/**
 * What of the previous set may last: neither what has been taken off the list (who moves from a list to sources has
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
