import type { Config } from "../../config/config.ts";
import { upstreamNames } from "../../config/upstream_names.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { CulvertError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Plan } from "../../core/plan.ts";
import { TimerWheel } from "../../core/timer_wheel.ts";
import type { TrafficPlan } from "../../dataplane/traffic_control.ts";
import type { BoundAddresses } from "../../dataplane/listeners.ts";
import { loopRoutes } from "../../dataplane/loop_routes.ts";
import type { BackendSets } from "../../dataplane/upstreams.ts";
import type { Address } from "../../net/address.ts";
import { BufferPool } from "../../net/buffers.ts";
import { type Dial, dial } from "../../net/dial.ts";
import { OwnListeners } from "../../net/own_listeners.ts";
import { HalfOpenChecker } from "../../upstream/check/half_open/checker.ts";
import type { HeldLibc } from "../../upstream/check/half_open/held_libc.ts";
import { type Credentials, NO_CREDENTIALS, withoutCrls } from "../credentials/credentials.ts";
import { CrlWatch } from "../credentials/crl_watch.ts";
import type { RenewedTrust } from "../credentials/renew_trust.ts";
import type { ManagedUpstream } from "../upstreams/managed_upstream.ts";
import { ManagedUpstreams } from "../upstreams/managed_upstreams.ts";
import { DataPlanes } from "../../workers/data_planes.ts";
import { workerCount } from "../../workers/worker_count.ts";
import { buildSnapshot } from "./build_snapshot.ts";

/** Whether the program should be sent connections. */
export type ProgramState = "starting" | "ready" | "draining" | "stopped";

/** What a {@linkcode ControlPlane} works with. */
export interface ControlPlaneParts {
  readonly log: Log;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** Opens the connections to backends. @default {dial} */
  readonly dial?: Dial;
  /** The C library for half-open checks. @default it is opened when they are wanted */
  readonly library?: HeldLibc | undefined;
  /** Writes the line of a request, with its line feed. @default nothing is written */
  readonly writeAccess?: (line: string) => void;
  /** The module that workers run, which calls `runWorker`. @default there can be no workers */
  readonly workerModule?: URL | undefined;
}

/**
 * The control side: changes from one configuration to the next, finds and checks backends, and tells the data plane.
 * `prepare` and `commit` change the configuration; `drain` and `destroy` end everything.
 */
export class ControlPlane {
  /** Carries the traffic. */
  readonly dataPlane: DataPlanes;
  /** Runs the timers of everything in this program. */
  readonly wheel: TimerWheel;
  /** The buffers of everything in this program. */
  readonly buffers = new BufferPool();
  readonly #upstreams: ManagedUpstreams;
  readonly #crlWatch: CrlWatch;
  readonly #own: OwnListeners;
  #addresses: BoundAddresses = new Map();
  #adminAddress: Address | undefined;
  #config: Config | undefined;
  #credentials: Credentials = NO_CREDENTIALS;
  #state: ProgramState = "starting";

  constructor(parts: ControlPlaneParts) {
    const { log, clock = systemClock, library, writeAccess } = parts;
    this.wheel = new TimerWheel({ clock });
    this.#crlWatch = new CrlWatch({ log, clock });
    const shared = { log, clock, wheel: this.wheel, buffers: this.buffers };
    const plain = parts.dial ?? dial;
    this.dataPlane = new DataPlanes({
      ...shared,
      dial: plain,
      writeAccess,
      module: parts.workerModule,
      onLocalIp: (ip) => this.#own.cameIn(ip),
    });
    this.#upstreams = new ManagedUpstreams({
      ...shared,
      dataPlane: this.dataPlane,
      dial: (address, signal) => this.#own.dial(address, { signal, open: () => plain(address, signal) }),
      makeHalfOpen: () => new HalfOpenChecker({ library }),
      refusal: (upstream, address) => this.#own.refusal(upstream, address),
    });
    this.#own = new OwnListeners(
      loopRoutes({
        services: () => this.#routes(),
        addresses: () => this.#addresses,
        backendsOf: (name) => this.upstream(name)?.backends.map(({ address }) => address) ?? [],
        adminAddress: () => this.#adminAddress,
      }),
      { clock },
    );
  }

  get state(): ProgramState {
    return this.#state;
  }

  /** Where the admin API listens, which no backend may be; `undefined`: nowhere. */
  set adminAddress(address: Address | undefined) {
    this.#adminAddress = address;
    this.#own.refresh();
    this.dataPlane.setAdminAddress(address);
  }

  /** The current configuration; `undefined` before the start. */
  get config(): Config | undefined {
    return this.#config;
  }

  /** The credentials in use, without the contents of CRL files. */
  get credentials(): Credentials {
    return this.#credentials;
  }

  /** The bound addresses of each service, with the ports that the system has picked. */
  get addresses(): BoundAddresses {
    return this.#addresses;
  }

  /** The upstreams in the configuration's order. */
  get upstreams(): readonly ManagedUpstream[] {
    return this.#upstreams.all;
  }

  /** The upstream of this name. */
  upstream(name: string): ManagedUpstream | undefined {
    return this.#upstreams.get(name);
  }

  /**
   * Does all that can fail of a change to this configuration, such as binding listeners. The plan makes the change
   * without a pause: listeners, services, upstreams and backends that stay keep what they have. One plan at a time.
   *
   * @throws {CulvertError} `draining` once the program is stopping, `listen_failed`, or why checks, sources or
   * credentials can't be used; nothing has changed then, and nothing stays bound. `commit` throws `draining` if the
   * program has begun to stop meanwhile.
   */
  async prepare(config: Config, credentials: Credentials = NO_CREDENTIALS): Promise<Plan> {
    this.#refuseStopping();
    const upstreams = await this.#upstreams.prepare(config.upstreams, credentials);
    const sets = this.#sets(config);
    let data: TrafficPlan;
    try {
      const { workers, log: { level: logLevel } } = config;
      const options = { workers: workerCount(workers), logLevel };
      data = await this.dataPlane.prepare(buildSnapshot(config, { credentials, sets }), options);
    } catch (error) {
      upstreams[Symbol.dispose]();
      throw error;
    }
    return {
      commit: () => this.#commit({ config, credentials, upstreams, sets, data }),
      [Symbol.dispose]: () => {
        data[Symbol.dispose]();
        upstreams[Symbol.dispose]();
      },
    };
  }

  /** Uses the CAs and CRLs of clients that have been read again, and changes nothing else. */
  async renewTrust({ credentials, services }: RenewedTrust): Promise<void> {
    if (this.#config === undefined || this.#isStopping) return;
    await this.dataPlane.setCredentials(services);
    this.#use(credentials);
  }

  /**
   * Stops listening and lets the live connections finish within each service's `timeouts.drain`. Resolves when none
   * is left, to how many were cut.
   */
  async drain(): Promise<number> {
    this.#state = "draining";
    const cut = await this.dataPlane.drain();
    await this.#stop();
    return cut;
  }

  /** Stops listening and ends every live connection now. Resolves when none is left. May interrupt a drain. */
  async destroy(): Promise<void> {
    this.#state = "draining";
    await this.dataPlane.destroy();
    await this.#stop();
  }

  async #stop(): Promise<void> {
    this.#state = "stopped";
    this.#crlWatch.end();
    await this.#upstreams.close();
  }

  get #isStopping(): boolean {
    return this.#state === "draining" || this.#state === "stopped";
  }

  #refuseStopping(): void {
    if (!this.#isStopping) return;
    throw new CulvertError("draining", "Cannot change the configuration: the program is stopping");
  }

  #commit(plan: {
    config: Config;
    credentials: Credentials;
    upstreams: Plan;
    sets: BackendSets;
    data: TrafficPlan;
  }): void {
    this.#refuseStopping();
    plan.upstreams.commit();
    this.#addresses = plan.data.commit({ sets: this.#changedSets(plan.sets, plan.config) });
    this.#config = plan.config;
    this.#use(plan.credentials);
    this.#own.refresh();
    this.#state = "ready";
  }

  #use(credentials: Credentials): void {
    this.#credentials = withoutCrls(credentials);
    this.#crlWatch.follow(credentials.crls);
  }

  /** The backends that discovery has found for upstreams that stay. */
  #sets({ upstreams }: Config): BackendSets {
    const discovered = this.upstreams.filter(({ name }) => upstreams.get(name)?.discover !== undefined);
    return new Map(discovered.map(({ name, backends }) => [name, backends]));
  }

  /** The sets that are others than those which were prepared: discovery may have found them meanwhile. */
  #changedSets(prepared: BackendSets, { upstreams }: Config): BackendSets {
    const changed = this.upstreams.filter(({ name, backends }) =>
      backends !== (prepared.get(name) ?? upstreams.get(name)!.backends)
    );
    return new Map(changed.map(({ name, backends }) => [name, backends]));
  }

  #routes(): ReadonlyMap<string, { readonly upstreams: Iterable<string> }> {
    const services = this.#config?.services ?? [];
    return new Map(
      services.map((service) => [
        service.name,
        { upstreams: upstreamNames(service) },
      ]),
    );
  }
}
