import { type Clock, systemClock } from "../core/clock.ts";
import { CulvertError } from "../core/errors.ts";
import type { LogLevel } from "../core/log.ts";
import { settledWithin } from "../core/wait.ts";
import { TimerWheel } from "../core/timer_wheel.ts";
import { DataPlane } from "../dataplane/data_plane.ts";
import type { DataPlaneParts, DataPlanePlan } from "../dataplane/data_plane_options.ts";
import type { ServerCredentials } from "../dataplane/credentials.ts";
import type { AddressesByKey, BoundAddresses } from "../dataplane/listeners.ts";
import type { Snapshot } from "../dataplane/snapshot.ts";
import type { TrafficControl, TrafficPlan } from "../dataplane/traffic_control.ts";
import type { BackendSets } from "../dataplane/upstreams.ts";
import type { Address } from "../net/address.ts";
import { canShareAddresses } from "../net/listen.ts";
import type { HealthState } from "../upstream/check/health.ts";
import type { BackendSpec } from "../upstream/options.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { announceListeners } from "./announce_listeners.ts";
import { CarriedState } from "./carried_state.ts";
import { CombinedReports } from "./combined_reports.ts";
import type { Member, WorkerReport } from "./member.ts";
import { boundBy, namedBy, prepareWorkers } from "./prepare_workers.ts";
import { Shared } from "./shared.ts";
import { ofUnixListeners } from "./unix_listeners.ts";
import type { Workers } from "./workers.ts";
import type { WorkersOptions } from "./workers_options.ts";

/** What {@linkcode DataPlanes} work with. */
export interface DataPlanesParts extends DataPlaneParts {
  /** The module that workers run, which calls `runWorker`; absent: there can be none. */
  readonly module?: URL | undefined;
}

const STOP_LISTENING_MS = 1000;
/** A worker whose event loop is blocked takes the snapshot later. */
const APPLY_MS = 5000;

/** A plan that all threads have prepared. */
interface PreparedAll {
  readonly snapshot: Snapshot;
  readonly local: DataPlanePlan;
  readonly addresses: AddressesByKey;
  readonly members: ReadonlySet<Member>;
  readonly started: ReadonlySet<Member>;
  /** How many workers accept connections. */
  readonly wanted: number;
  readonly logLevel: LogLevel;
}

/**
 * The data planes of the program, as one: that of the main thread, and those of the workers. With one worker, the main
 * thread carries all traffic and nothing is shared. With more, each worker listens on all TCP addresses, and the main
 * thread on the unix sockets, which cannot be shared. Limits, ejections and counts hold for all together.
 */
export class DataPlanes extends CombinedReports implements TrafficControl {
  readonly #parts: DataPlanesParts;
  readonly #clock: Clock;
  /** That of the main thread. */
  protected readonly local: DataPlane;
  readonly #state = new CarriedState();
  #shared: Shared | undefined;
  #applied: Promise<unknown> = Promise.resolve();
  #stopping = false;
  #draining: Promise<number> | undefined;

  constructor(parts: DataPlanesParts) {
    super();
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.local = new DataPlane({
      ...parts,
      onLocalIp: (ip) => {
        this.#tellLocalIp(ip);
        parts.onLocalIp?.(ip);
      },
    });
  }

  /**
   * Resolves when all workers carry the snapshot that was committed last, and listeners that are left to others have
   * closed. One that fails meanwhile is replaced by one that carries it.
   */
  async applied(): Promise<void> {
    await settledWithin(this.#applied, { clock: this.#clock, timeoutMs: APPLY_MS });
  }

  protected get members(): Workers | undefined {
    return this.#shared?.workers;
  }

  /** The workers; empty where the main thread carries all traffic. */
  get workers(): readonly WorkerReport[] {
    return this.#shared?.workers.reports ?? [];
  }

  /**
   * As of `DataPlane.prepare`, in all threads, of which more are started if they are wanted: a plan can be committed if
   * all of them have prepared it, and not otherwise.
   *
   * @throws {CulvertError} what that of one of them throws, and `worker_failed` or `no_workers`; nothing has changed
   * then.
   */
  async prepare(snapshot: Snapshot, options: WorkersOptions = {}): Promise<TrafficPlan> {
    const { workers: count = 1, logLevel = "info" } = options;
    const shared = count > 1 ? this.#share() : this.#shared;
    if (shared === undefined) {
      const plan = await this.local.prepare(snapshot);
      const commit = (options?: { sets?: BackendSets | undefined }) =>
        this.#commitAlone(snapshot, { plan, ...options });
      return { commit, [Symbol.dispose]: () => plan[Symbol.dispose]() };
    }
    return await this.#prepareAll(shared, { snapshot, wanted: count > 1 ? count : 0, logLevel });
  }

  setBackends(upstream: string, backends: readonly BackendSpec[]): void {
    this.#state.setBackends(upstream, backends);
    if (this.#shared !== undefined) {
      const { counts, membership, ejections, workers } = this.#shared;
      const slots = counts.backendSlots(upstream, backends);
      membership.useBackends(upstream, slots);
      ejections.setBackends(upstream, backends);
      workers.tell({ type: "backends", upstream, backends, slots });
    }
    this.local.setBackends(upstream, backends);
  }

  setHealth(upstream: string, states: ReadonlyMap<string, HealthState>): void {
    this.#state.setHealth(upstream, states);
    this.local.setHealth(upstream, states);
    this.#shared?.workers.tell({ type: "health", upstream, states });
  }

  setDisabled(upstream: string, options: { backend: string; disabled: boolean }): boolean {
    if (!this.#state.setDisabled(upstream, options)) return false;
    this.local.setDisabled(upstream, options);
    this.#shared?.workers.tell({ type: "disabled", upstream, ...options });
    return true;
  }

  async setCredentials(credentials: ReadonlyMap<string, ServerCredentials>): Promise<void> {
    await this.local.setCredentials(credentials);
    this.#state.setCredentials(credentials); // First: a worker that fails meanwhile is replaced by one that has them.
    await this.#shared?.workers.setCredentials(credentials);
  }

  /** The least important lines that workers send, until the next snapshot. */
  setLogLevel(level: LogLevel): void {
    this.#shared?.workers.setLogLevel(level);
  }

  setAdminAddress(address: Address | undefined): void {
    this.#state.adminAddress = address;
    this.local.setAdminAddress(address);
    this.#shared?.workers.tell({ type: "admin-address", address });
  }

  freeDescriptors(): void {
    this.local.freeDescriptors();
    this.#shared?.workers.tell({ type: "free-descriptors" });
  }

  /**
   * The upstream of this name in the main thread, for tests.
   *
   * @internal
   */
  upstream(name: string): Upstream | undefined {
    return this.local.upstream(name);
  }

  drain(): Promise<number> {
    return this.#draining ??= this.#drain();
  }

  async destroy(): Promise<void> {
    const members = this.#stop();
    await Promise.all([this.local.destroy(), destroyAll(members)]);
    await this.#draining; // The workers still tell how many connections were cut.
    this.#end();
  }

  async #drain(): Promise<number> {
    const members = this.#stop();
    if (members.length === 0) return await this.local.drain();
    // When the log says that it drains, none listens any more. One that does not answer is not waited for.
    const stopped = members.map(({ thread }) => thread.ask("stop-listening", undefined).catch(() => {}));
    await settledWithin(Promise.all(stopped), { clock: this.#clock, timeoutMs: STOP_LISTENING_MS });
    const { counts } = this.#shared!;
    const names = this.#state.snapshot?.services.map(({ name }) => name) ?? [];
    const connections = names.reduce((sum, name) => sum + counts.connectionsOf(name), 0);
    this.#parts.log.info("draining", { connections });
    const cuts = await Promise.all([
      this.local.drain({ announce: false }),
      ...members.map(({ thread }) => thread.ask("drain", undefined).catch(() => 0)),
    ]);
    await destroyAll(members);
    this.#end();
    return cuts.reduce((sum, cut) => sum + cut, 0);
  }

  #end(): void {
    this.#shared?.workers.end();
    this.#shared?.ejections.close();
  }

  #stop(): readonly Member[] {
    this.#stopping = true;
    return this.#shared?.workers.stop() ?? [];
  }

  #refuseStopping(): void {
    if (!this.#stopping) return;
    throw new CulvertError("draining", "Cannot change the configuration: the program is stopping");
  }

  /** Counts in memory that is shared from now on. */
  #share(): Shared {
    if (this.#shared !== undefined) return this.#shared;
    if (!canShareAddresses) {
      throw new CulvertError("no_workers", 'Cannot use workers: start Deno with "--unstable-net"');
    }
    const { log, module, writeAccess, wheel = new TimerWheel({ clock: this.#clock }) } = this.#parts;
    return this.#shared = new Shared({
      ...{ log, module, writeAccess, wheel },
      clock: this.#clock,
      state: this.#state,
      local: this.local,
      onLocalIp: (ip, by) => {
        this.#parts.onLocalIp?.(ip);
        this.#tellLocalIp(ip, by);
      },
    });
  }

  async #prepareAll(
    shared: Shared,
    { snapshot, wanted, logLevel }: { snapshot: Snapshot; wanted: number; logLevel: LogLevel },
  ): Promise<TrafficPlan> {
    const endTurn = await shared.workers.takeTurn();
    const started = new Set<Member>();
    const before = shared.workers.carrying;
    let local: DataPlanePlan | undefined;
    const discard = () => {
      local?.[Symbol.dispose]();
      for (const { thread } of before) thread.tell({ type: "discard" });
      for (const { thread } of started) thread.end();
      endTurn();
    };
    try {
      for (let number = 1; number <= wanted; number++) {
        if (!shared.workers.has(number)) started.add(shared.workers.start(number, { of: wanted, logLevel }));
      }
      const members = new Set([...before, ...started]);
      local = await this.#prepareLocal(snapshot, { wanted, shared });
      const addresses = await prepareWorkers(members, {
        snapshot,
        slots: shared.counts.slotsOf(snapshot),
        wanted,
        known: new Map([...this.#state.addresses, ...local.addresses]),
      });
      const plan = { snapshot, local, addresses, members, started, wanted, logLevel };
      return endedOnce({ commit: (sets) => this.#commit(shared, { plan, sets }), endTurn, discard });
    } catch (error) {
      discard();
      throw error;
    }
  }

  #prepareLocal(
    snapshot: Snapshot,
    { wanted, shared }: { wanted: number; shared: Shared },
  ): Promise<DataPlanePlan> {
    shared.membership.use(shared.counts.slotsOf(snapshot));
    if (wanted === 0) {
      const elsewhere = shared.workers.running.length === 0 ? new Map() : this.#state.addresses;
      return this.local.prepare(snapshot, { elsewhere });
    }
    // What it carries already goes on as it is.
    const own = this.local.active > 0 ? snapshot : ofUnixListeners(snapshot);
    return this.local.prepare(own, { transports: "unix" });
  }

  #commitAlone(
    snapshot: Snapshot,
    { plan, sets }: { plan: DataPlanePlan; sets?: BackendSets | undefined },
  ): BoundAddresses {
    const bound = plan.commit({ sets });
    this.#state.take(snapshot, sets);
    this.#state.addresses = plan.addresses;
    return bound;
  }

  #commit(
    { counts, membership, ejections, workers }: Shared,
    { plan, sets }: { plan: PreparedAll; sets: BackendSets | undefined },
  ): BoundAddresses {
    this.#refuseStopping();
    const { snapshot, local, members, started, wanted, logLevel } = plan;
    const slots = counts.slotsOf(snapshot, sets);
    const before = this.#state.addresses;
    const addresses = namedBy(snapshot, plan.addresses);
    const bound = boundBy(snapshot, addresses);
    const hadWorkers = workers.running.length > 0;
    const ejected = [...this.local.ejected()];
    membership.use(slots);
    this.local.join(membership);
    local.commit({ sets, elsewhere: wanted > 0 || hadWorkers ? addresses : undefined, bound });
    this.#state.take(snapshot, sets);
    this.#state.addresses = addresses;
    this.#state.bound = bound;
    ejections.follow(this.#state.snapshot!);
    for (const [upstream, each] of ejected) ejections.take(upstream, each);
    for (const [upstream, each] of ejections.current()) this.local.setEjected(upstream, each);
    if (wanted > 0 || hadWorkers) {
      announceListeners(this.#parts.log, { snapshot, before, after: addresses, hadWorkers });
    }
    const commits = [...members].map((member) => {
      member.thread.tell({ type: "log-level", level: logLevel });
      // One that fails here is replaced.
      return member.thread.ask("commit", { sets, elsewhere: addresses, bound, slots }).catch(() => {});
    });
    workers.place(members, { wanted, logLevel });
    for (const member of started) workers.tellState(member);
    counts.keep(slots);
    // All must have bound their listeners before others close.
    this.#applied = Promise.all(commits).then(() =>
      Promise.all([this.local.retireListeners(), workers.retireListeners()])
    );
    void this.#applied.then(() => workers.endLeaving());
    return bound;
  }

  #tellLocalIp(ip: string, by?: Member): void {
    if (this.#state.localIps.has(ip)) return;
    this.#state.addLocalIp(ip);
    this.#shared?.workers.tell({ type: "local-ip", ip }, by);
  }
}

/** A plan that is committed or discarded, and either of them once. */
function endedOnce(
  { commit, endTurn, discard }: {
    commit: (sets: BackendSets | undefined) => BoundAddresses;
    endTurn: () => void;
    discard: () => void;
  },
): TrafficPlan {
  let isOver = false;
  const finish = (end: () => void) => {
    if (isOver) return;
    isOver = true;
    end();
  };
  return {
    commit: (options) => {
      const bound = commit(options?.sets);
      finish(endTurn);
      return bound;
    },
    [Symbol.dispose]: () => finish(discard),
  };
}

async function destroyAll(members: readonly Member[]): Promise<void> {
  await Promise.all(members.map(({ thread }) => thread.ask("destroy", undefined).catch(() => {})));
}
