import { type Clock, systemClock } from "../../core/clock.ts";
import { CulvertError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { TimerWheel } from "../../core/timer_wheel.ts";
import type { Config, ServiceConfig } from "../../config/config.ts";
import { upstreamNames } from "../../config/upstream_names.ts";
import type { Address } from "../../net/address.ts";
import { BufferPool } from "../../net/buffers.ts";
import { OwnListeners, type OwnRoutes } from "../../net/own_listeners.ts";
import { type Dial, dial } from "../../net/dial.ts";
import { buildSniMap } from "../../net/client_hello/sni_map.ts";
import type { ServiceCounters } from "../../service/service_stats.ts";
import { type TcpRoute, TcpService } from "../../tcp/service.ts";
import { DescriptorBudget } from "../../dataplane/descriptor_budget.ts";
import type { HeldLibc } from "../../upstream/check/half_open/held_libc.ts";
import { HalfOpenChecker } from "../../upstream/check/half_open/checker.ts";
import { CrlWatch } from "../credentials/crl_watch.ts";
import { type BoundSet, Listeners } from "../../dataplane/listeners.ts";
import type { ManagedUpstream } from "../upstreams/managed_upstream.ts";
import { type Credentials, NO_CREDENTIALS } from "../credentials/credentials.ts";
import { Upstreams } from "../upstreams/upstreams.ts";

/** Whether the program should be sent connections. */
export type ProgramState = "starting" | "ready" | "draining" | "stopped";

/** What {@linkcode ControlPlane} works with. */
export interface ControlPlaneParts {
  readonly log: Log;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** @default {dial} */
  readonly dial?: Dial;
  /** The C library for half-open checks. @default it is opened when they are wanted */
  readonly library?: HeldLibc | undefined;
}

/** One service, as it is now. */
export interface ServiceStatus extends ServiceCounters {
  readonly name: string;
  readonly listeners: readonly Address[];
  /** The upstream that it leads to, for those whose name leads nowhere else; absent: these are refused. */
  readonly upstream?: string;
}

/**
 * Everything that runs: the object graph that a configuration asks for. `apply` builds it and later changes it;
 * `drain` and `destroy` take it down. The one place where things are put together.
 */
export class ControlPlane {
  readonly #log: Log;
  readonly #clock: Clock;
  /** Runs the timers of everything that runs. */
  readonly wheel: TimerWheel;
  /** The buffers of everything that runs. */
  readonly buffers = new BufferPool();
  /** Opens the connections to backends. */
  readonly dial: Dial;
  /** Where the admin API listens, as far as it is known here. */
  #adminAddress: Address | undefined;
  readonly #own: OwnListeners;
  /** Shares the descriptors among the services. */
  readonly budget: DescriptorBudget;
  readonly #listeners: Listeners;
  readonly #upstreams: Upstreams;
  readonly #crlWatch: CrlWatch;
  readonly #services = new Map<string, TcpService>();
  /** Services that a reload has removed, until their last connection has ended, and when that is. */
  readonly #leaving = new Map<TcpService, Promise<unknown>>();
  #config: Config | undefined;
  #credentials: Credentials = NO_CREDENTIALS;
  #state: ProgramState = "starting";

  constructor(parts: ControlPlaneParts) {
    this.#log = parts.log;
    this.#clock = parts.clock ?? systemClock;
    this.wheel = new TimerWheel({ clock: this.#clock });
    this.budget = new DescriptorBudget({
      services: () => this.#services.values(),
      log: this.#log,
      clock: this.#clock,
    });
    this.#listeners = new Listeners({
      log: this.#log,
      clock: this.#clock,
      onLocalIp: (ip) => this.#own.cameIn(ip),
      onShortage: () => this.budget.exhausted(),
    });
    this.#own = new OwnListeners(this.#ownRoutes(), { clock: this.#clock });
    this.#crlWatch = new CrlWatch({ log: this.#log, clock: this.#clock });
    const plain = parts.dial ?? dial;
    this.dial = (address, signal) => this.#own.dial(address, { signal, open: () => plain(address, signal) });
    this.#upstreams = new Upstreams({
      dial: this.dial,
      onShortage: () => this.budget.exhausted(),
      makeHalfOpen: () => new HalfOpenChecker({ library: parts.library }),
      refusal: (upstream, address) => this.#own.refusal(upstream, address),
      wheel: this.wheel,
      buffers: this.buffers,
      clock: this.#clock,
      log: this.#log,
    });
  }

  get state(): ProgramState {
    return this.#state;
  }

  /** Where the admin API listens, which no backend may be; absent: nowhere. */
  set adminAddress(address: Address | undefined) {
    this.#adminAddress = address;
    this.#own.refresh();
  }

  /** The configuration that runs; `undefined` before the start. */
  get config(): Config | undefined {
    return this.#config;
  }

  /** The certificates, and all that belongs to them, that are in use. */
  get credentials(): Credentials {
    return this.#credentials;
  }

  readonly #refuses = (service: { readonly active: number }) => this.budget.refuses(service);

  /** The services in the configuration's order, with what they have done. */
  get services(): readonly ServiceStatus[] {
    return (this.#config?.services ?? []).map(({ name, upstream }) => {
      const service = this.#services.get(name)!;
      const listeners = this.#listeners.addresses(service);
      return { name, ...(upstream === undefined ? {} : { upstream }), listeners, ...service.counters };
    });
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
   * Runs this configuration from now on. What can fail (what upstreams are made of, binding listeners) comes first;
   * then everything is swapped without a pause: listeners, services, upstreams and backends that stay keep what they
   * have. Upstreams that leave are closed when the services that have left have ended.
   *
   * @throws {CulvertError} `draining` once it is to stop, `listen_failed`, or why checks or sources can't be made;
   * nothing has changed then, and nothing stays bound.
   */
  async apply(config: Config, credentials: Credentials = NO_CREDENTIALS): Promise<void> {
    this.#refuseStopping();
    try {
      this.#upstreams.prepare(config.upstreams, credentials);
      const bound = await this.#listeners.bind(config.services, credentials.runtimeTls);
      this.#swap(config, { credentials, bound });
    } finally {
      this.#upstreams.settle();
    }
  }

  /**
   * Uses credentials whose gates alone are others than before, for the configuration that runs. Nothing once it is to
   * stop.
   */
  renewGates(credentials: Credentials): void {
    if (this.#config === undefined || this.#isStopping) return;
    this.#updateServices(this.#config, credentials);
    this.#credentials = credentials;
    this.#crlWatch.follow(credentials.crls);
  }

  /**
   * Stops listening and lets the live connections finish within each service's `timeouts.drain`. Resolves when
   * none is left, to how many had to be cut.
   */
  async drain(): Promise<number> {
    this.#state = "draining";
    const closed = this.#listeners.close();
    const services = [...this.#services.values(), ...this.#leaving.keys()];
    const active = services.reduce((sum, service) => sum + service.counters.active, 0);
    this.#log.info("draining", { connections: active });
    const cut = await Promise.all(services.map((service) => service.drain()));
    await closed;
    await this.#stop();
    return cut.reduce((sum, count) => sum + count, 0);
  }

  /** Stops listening and ends every live connection now. Resolves when none is left. May interrupt a drain. */
  async destroy(): Promise<void> {
    this.#state = "draining";
    const closed = this.#listeners.close();
    await Promise.all(
      [...this.#services.values(), ...this.#leaving.keys()].map((service) => service.destroy()),
    );
    await closed;
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

  #swap(config: Config, { credentials, bound }: { credentials: Credentials; bound: BoundSet }): void {
    let left: ManagedUpstream[];
    try {
      this.#refuseStopping(); // It may have begun meanwhile.
      left = this.#upstreams.update(config.upstreams, credentials);
      this.#updateServices(config, credentials);
    } catch (error) {
      for (const listener of bound.values()) listener.close();
      throw error;
    }
    const { runtimeTls } = credentials;
    this.#listeners.serve(config.services, { bound, runtimeTls, find: (name) => this.#services.get(name)! });
    this.#removeServices(config);
    // A service that has left may have something going on with any of them.
    void Promise.all(this.#leaving.values()).then(() => this.#upstreams.closeLeft(left));
    this.#config = config;
    this.#credentials = credentials;
    this.#own.refresh();
    this.#crlWatch.follow(credentials.crls);
    this.#state = "ready";
  }

  #updateServices(config: Config, { gates }: Credentials): void {
    for (const options of config.services) {
      const route = { ...this.#routeOf(options), gate: gates.get(options.name) };
      const { access } = config.log;
      const service = this.#services.get(options.name);
      if (service !== undefined) {
        service.update(options, { route, access });
        continue;
      }
      const parts = {
        route,
        access,
        refuses: this.#refuses,
        wheel: this.wheel,
        buffers: this.buffers,
        clock: this.#clock,
        log: this.#log,
      };
      this.#services.set(options.name, new TcpService(options, parts));
    }
  }

  #routeOf({ upstream, names }: ServiceConfig): TcpRoute {
    const find = (name: string) => this.#upstreams.get(name)!.upstream;
    return {
      upstream: upstream === undefined ? undefined : find(upstream),
      names: names && buildSniMap([...names].map(([pattern, name]) => [pattern, find(name)] as const)),
    };
  }

  #ownRoutes(): OwnRoutes {
    const configOf = (name: string) => this.#config?.services.find((one) => one.name === name);
    return {
      listeners: () => {
        const admin = this.#adminAddress === undefined ? [] : [{ address: this.#adminAddress }];
        return [
          ...[...this.#services].flatMap(([service, running]) =>
            this.#listeners.addresses(running).map((address) => ({ address, service }))
          ),
          ...admin,
        ];
      },
      upstreamsOf: (service) => {
        const config = configOf(service);
        return config === undefined ? [] : upstreamNames(config);
      },
      backendsOf: (upstream) =>
        this.#upstreams.get(upstream)?.upstream.backends.map(({ address }) => address) ?? [],
    };
  }

  #removeServices(config: Config): void {
    const names = new Set(config.services.map(({ name }) => name));
    for (const [name, service] of this.#services) {
      if (names.has(name)) continue;
      this.#services.delete(name);
      this.#leaving.set(service, service.drain().finally(() => this.#leaving.delete(service)));
    }
  }
}
