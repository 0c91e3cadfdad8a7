import { type Clock, systemClock } from "../core/clock.ts";
import { CulvertError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { runInSlices } from "../core/slices.ts";
import { TimerWheel } from "../core/timer_wheel.ts";
import type { Address } from "../net/address.ts";
import { BufferPool } from "../net/buffers.ts";
import { type AccessFormat, formatAccess } from "../http_proxy/access_log.ts";
import { dial } from "../net/dial.ts";
import { OwnListeners, type OwnRoutes } from "../net/own_listeners.ts";
import { type FailureReport, Failures } from "../service/failures.ts";
import type { RateOptions } from "../service/options.ts";
import type { Service } from "../service/service.ts";
import type { BackendSpec } from "../upstream/options.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { HealthState } from "../upstream/check/health.ts";
import type { CommitOptions, DataPlaneParts, DataPlanePlan } from "./data_plane_options.ts";
import { buildGate, type ServerCredentials } from "./credentials.ts";
import { DescriptorBudget, type Spender } from "./descriptor_budget.ts";
import type { HostedService, PreparedService, StartOptions } from "./hosted_service.ts";
import { type BoundAddresses, Listeners, type ListenersPlan, type ListenersRole } from "./listeners.ts";
import { loopRoutes } from "./loop_routes.ts";
import type { Membership } from "./membership.ts";
import {
  type DataPlaneReport,
  report,
  reportAvailability,
  reportServices,
  reportUpstream,
  type ServiceReport,
  type UpstreamAvailability,
  type UpstreamReport,
} from "./report.ts";
import { OpenSessions, type SessionQuery, type SessionsReport } from "./open_sessions.ts";
import { prepareService } from "./service_kinds.ts";
import { SharedLimits } from "./shared_limits.ts";
import type { Snapshot } from "./snapshot.ts";
import { reportTraffic, type TrafficReport } from "./traffic.ts";
import { Upstreams, type UpstreamsPlan } from "./upstreams.ts";

/** How connections and requests are logged. */
type RequestLogging = Pick<StartOptions, "access" | "onAccess">;

/**
 * Everything that carries traffic: listeners, services, upstreams. It takes snapshots and changes of backends,
 * health and credentials; it knows no file, no signal, no check and no discovery. What goes in and what comes out is
 * plain data.
 */
export class DataPlane {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  readonly #buffers: BufferPool;
  readonly #budget: DescriptorBudget;
  readonly #listeners: Listeners;
  readonly #upstreams: Upstreams;
  readonly #own: OwnListeners;
  readonly #services = new Map<string, HostedService>();
  /** Services that are no longer named, until their last connection has ended, and when that is. */
  readonly #leaving = new Map<Service, Promise<unknown>>();
  readonly #writeAccess: DataPlaneParts["writeAccess"];
  readonly #failures = new Failures();
  readonly #sessions = new OpenSessions(() => this.#running);
  readonly #announces: boolean;
  readonly #shared: SharedLimits;
  #bound: BoundAddresses | undefined;
  #adminAddress: Address | undefined;
  #stopping = false;

  /** Carries nothing before the first snapshot. Its owner ends it, with `drain` or `destroy`. */
  constructor(parts: DataPlaneParts) {
    this.#log = parts.log;
    this.#writeAccess = parts.writeAccess;
    this.#clock = parts.clock ?? systemClock;
    this.#wheel = parts.wheel ?? new TimerWheel({ clock: this.#clock });
    this.#buffers = parts.buffers ?? new BufferPool();
    const own = { log: this.#log, clock: this.#clock };
    this.#budget = new DescriptorBudget({
      ...own,
      services: () => [...this.#services.values()].map(({ service }) => service),
    });
    const onShortage = () => this.#budget.exhausted();
    this.#announces = parts.announces ?? true;
    this.#listeners = new Listeners({
      ...own,
      announces: this.#announces,
      onShortage,
      onLocalIp: (ip) => {
        this.#own.cameIn(ip);
        parts.onLocalIp?.(ip);
      },
    });
    this.#own = new OwnListeners(this.#routes(), own);
    const open = parts.dial ?? dial;
    this.#upstreams = new Upstreams({
      wheel: this.#wheel,
      buffers: this.#buffers,
      log: this.#log,
      dial: (address, signal) => this.#own.dial(address, { signal, open: () => open(address, signal) }),
      refusal: (upstream, address) => this.#own.refusal(upstream, address),
      onShortage,
      phase: parts.membership?.phase ?? 0,
      onWait: (upstream, backend) => this.#shared.onWait(this.#upstreams.get(upstream), backend),
    });
    this.#shared = new SharedLimits({
      clock: this.#clock,
      services: () => this.#services,
      upstreams: () => this.#upstreams.all,
      membership: parts.membership,
    });
  }

  /**
   * Does all that can fail of a change to this snapshot, in slices: reads credentials and binds listeners. What stays
   * keeps its sockets, connections and counters. One plan at a time.
   *
   * @throws {CulvertError} `draining`, `listen_failed`, or why credentials can't be used; nothing has changed then.
   */
  async prepare(snapshot: Snapshot, role?: ListenersRole): Promise<DataPlanePlan> {
    this.#refuseStopping();
    const upstreams = await this.#upstreams.prepare(snapshot.upstreams);
    const services: PreparedService[] = [];
    for (const service of snapshot.services) services.push(await prepareService(service));
    const listeners = await this.#listeners.prepare(snapshot.services, role);
    const { access, accessFormat } = snapshot;
    const logging = { access, onAccess: accessFormat && this.#accessLog(accessFormat) };
    return {
      addresses: listeners.addresses,
      commit: (options = {}) => this.#commit({ services, upstreams, listeners, logging }, options),
      [Symbol.dispose]: () => listeners[Symbol.dispose](),
    };
  }

  /** Makes these the backends of an upstream, if there is one of this name. */
  setBackends(upstream: string, backends: readonly BackendSpec[]): void {
    this.#upstreams.get(upstream)?.updateBackends(backends);
    this.#shared.share();
  }

  /** Shares its counts with others from now on that carry the same snapshot. Takes effect with the next commit. */
  join(membership: Membership): void {
    this.#shared.join(membership);
  }

  /** Another thread has ejected a backend, for so many milliseconds; `undefined`: it is no longer ejected. */
  setEjected(
    upstream: string,
    { backend: key, forMs }: { backend: string; forMs: number | undefined },
  ): void {
    const found = this.#upstreams.get(upstream);
    const backend = found?.find(key);
    if (backend !== undefined) found!.outlier.setEjected(backend, forMs);
  }

  /** The backends that are ejected, and for how many more milliseconds. */
  *ejected(): Iterable<[upstream: string, ejected: { backend: string; forMs: number }]> {
    for (const upstream of this.#upstreams.all) {
      for (const backend of upstream.backends) {
        const forMs = upstream.ejectedForMs(backend);
        if (forMs !== undefined) yield [upstream.name, { backend: backend.key, forMs }];
      }
    }
  }

  /** Another thread needs one of the connections that the pool of a backend keeps idle. */
  yieldIdle(upstream: string, backend: string): void {
    this.#upstreams.get(upstream)?.find(backend)?.usedPool?.yieldIdle();
  }

  /** A client has connected to another thread at this address of the machine. */
  addLocalIp(ip: string): void {
    this.#own.cameIn(ip);
  }

  /** Stops listening where other threads listen now, once no connection waits to be accepted there. */
  async retireListeners(): Promise<void> {
    await this.#listeners.retire();
  }

  /** Resolves when no connection is open, of those that are open now. New ones must not come. */
  async idle(): Promise<void> {
    await Promise.all(this.#running.map((service) => service.idle()));
  }

  /** Open connections. */
  get active(): number {
    return this.#running.reduce((sum, service) => sum + service.active, 0);
  }

  /** Takes what checks have found out about backends, by their address as text. Others stay as they are. */
  setHealth(upstream: string, states: ReadonlyMap<string, HealthState>): void {
    this.#upstreams.get(upstream)?.setHealth(states);
  }

  /** A backend that is disabled gets no new connections. Returns whether there is such a backend. */
  setDisabled(upstream: string, options: { backend: string; disabled: boolean }): boolean {
    const backend = this.#upstreams.get(upstream)?.find(options.backend);
    if (backend !== undefined) backend.disabled = options.disabled;
    return backend !== undefined;
  }

  /**
   * Uses other credentials for the clients of these services, and changes nothing else. Services of other names are
   * ignored.
   *
   * @throws {CulvertError} if one of them can't be used; nothing has changed then.
   */
  async setCredentials(credentials: ReadonlyMap<string, ServerCredentials>): Promise<void> {
    const gates = await Promise.all(
      [...credentials].map(async ([name, each]) => [name, await buildGate(each)] as const),
    );
    for (const [name, gate] of gates) this.#services.get(name)?.setGate(gate);
  }

  /** Where the admin API listens, which no backend may be; `undefined`: nowhere. */
  setAdminAddress(address: Address | undefined): void {
    this.#adminAddress = address;
    this.#own.refresh();
  }

  /** The admin listener was refused a descriptor: connections of services give way. */
  freeDescriptors(): void {
    this.#budget.exhausted({ admin: true });
  }

  /**
   * The upstream of this name, for tests in the same process.
   *
   * @internal
   */
  upstream(name: string): Upstream | undefined {
    return this.#upstreams.get(name);
  }

  /** What services and upstreams have done. Collected in slices, so a change meanwhile may be in it or not. */
  report(): Promise<DataPlaneReport> {
    return runInSlices(report({
      services: [...this.#services],
      upstreams: this.#upstreams.all,
      addresses: this.#addresses,
    }));
  }

  /** The services of {@linkcode DataPlane.report}. */
  reportServices(): readonly ServiceReport[] {
    return [...reportServices({ services: [...this.#services], addresses: this.#addresses })];
  }

  get #addresses(): BoundAddresses {
    return this.#bound ?? this.#listeners.addresses;
  }

  /** One upstream of {@linkcode DataPlane.report}; `undefined` if there is none of this name. */
  async reportUpstream(name: string): Promise<UpstreamReport | undefined> {
    const upstream = this.#upstreams.get(name);
    return upstream && await runInSlices(reportUpstream(upstream));
  }

  /** Which upstreams could take a connection, in the order of the snapshot. */
  availability(): Promise<readonly UpstreamAvailability[]> {
    return Promise.resolve(this.#upstreams.all.map(reportAvailability));
  }

  /** What all services together have done. */
  traffic(): Promise<TrafficReport> {
    return Promise.resolve(reportTraffic(this.#services.values()));
  }

  /** The open connections that are what the query asks for, at most 500 of them. */
  sessions(query: SessionQuery = {}): Promise<SessionsReport> {
    return this.#sessions.list(query, this.#wheel.now());
  }

  /** Ends an open connection, by its id in {@linkcode DataPlane.sessions}. Resolves to whether there was one. */
  closeSession(id: string): Promise<boolean> {
    return Promise.resolve(this.#sessions.close(id));
  }

  /** Ends the connections of a backend. Resolves to their number; `undefined` if there is no such backend. */
  closeSessionsOf(upstream: string, backend: string): Promise<number | undefined> {
    return Promise.resolve(this.#upstreams.get(upstream)?.find(backend)?.closeByAdmin());
  }

  /** The last connections and requests that were refused or failed, the newest first. */
  failures(): Promise<readonly FailureReport[]> {
    return Promise.resolve(this.#failures.list());
  }

  /** Stops listening, before {@linkcode DataPlane.drain} or {@linkcode DataPlane.destroy}. */
  async stopListening(): Promise<void> {
    this.#stopping = true;
    await this.#listeners.close();
  }

  /**
   * Stops listening and lets the live connections finish within each service's `timeouts.drain`. Resolves when none is
   * left, to how many were cut. With `keepUpstreams`, {@linkcode DataPlane.destroy} closes the upstreams later.
   */
  async drain(
    { announce = this.#announces, keepUpstreams = false }: { announce?: boolean; keepUpstreams?: boolean } =
      {},
  ): Promise<number> {
    this.#stopping = true;
    const closed = this.#listeners.close();
    const services = this.#running;
    if (announce) this.#log.info("draining", { connections: this.active });
    const cut = await Promise.all(services.map((service) => service.drain()));
    await closed;
    if (!keepUpstreams) await this.#upstreams.close();
    return cut.reduce((sum, count) => sum + count, 0);
  }

  /** Stops listening and ends every live connection now. Resolves when none is left. May interrupt a drain. */
  async destroy(): Promise<void> {
    this.#stopping = true;
    const closed = this.#listeners.close();
    await Promise.all(this.#running.map((service) => service.destroy()));
    await closed;
    await this.#upstreams.close();
  }

  get #running(): readonly Service[] {
    return [...[...this.#services.values()].map(({ service }) => service), ...this.#leaving.keys()];
  }

  #commit(
    plan: {
      services: readonly PreparedService[];
      upstreams: UpstreamsPlan;
      listeners: ListenersPlan;
      logging: RequestLogging;
    },
    { sets, elsewhere, bound }: CommitOptions,
  ): BoundAddresses {
    this.#refuseStopping(); // It may have begun while the plan was prepared.
    this.#bound = bound;
    const leftUpstreams = plan.upstreams.commit(sets);
    const leftServices = this.#start(plan.services, plan.logging);
    this.#shared.share();
    plan.listeners.commit((name) => this.#services.get(name)!.service, elsewhere);
    for (const service of leftServices) {
      this.#leaving.set(service, service.drain().finally(() => this.#leaving.delete(service)));
    }
    // Connections of the services that leave may be on their way to any upstream.
    void Promise.all(this.#leaving.values()).then(() => this.#upstreams.closeLeft(leftUpstreams));
    this.#own.refresh();
    return this.#listeners.addresses;
  }

  /** Starts and changes services. Returns those that are no longer named. */
  #start(services: readonly PreparedService[], logging: RequestLogging): readonly Service[] {
    const before = new Map(this.#services);
    this.#services.clear();
    const parts = {
      wheel: this.#wheel,
      buffers: this.#buffers,
      clock: this.#clock,
      log: this.#log,
      refuses: (service: Pick<Spender, "connections">) => this.#budget.refuses(service),
      failures: this.#failures,
    };
    const find = (name: string) => this.#upstreams.get(name)!;
    for (const prepared of services) {
      const { name } = prepared.snapshot;
      const running = before.get(name);
      const createLimiter = (rate: RateOptions) => this.#shared.limiter(name, rate);
      const own = { ...parts, createLimiter };
      const service = prepared.start({ parts: own, ...logging, find, running });
      if (service === running) before.delete(name);
      this.#services.set(name, service);
    }
    return [...before.values()].map(({ service }) => service);
  }

  #accessLog(format: AccessFormat): RequestLogging["onAccess"] {
    const write = this.#writeAccess;
    return write && ((record) => write(formatAccess(record, format)));
  }

  #refuseStopping(): void {
    if (!this.#stopping) return;
    throw new CulvertError("draining", "Cannot change the configuration: the program is stopping");
  }

  #routes(): OwnRoutes {
    return loopRoutes({
      services: () => this.#services,
      addresses: () => this.#addresses,
      backendsOf: (name) => this.#upstreams.get(name)?.backends.map(({ address }) => address) ?? [],
      adminAddress: () => this.#adminAddress,
    });
  }
}
