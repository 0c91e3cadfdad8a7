import { AdminError } from "../../admin/admin_error.ts";
import type { LiveState } from "../../admin/live/live_state.ts";
import type { Status } from "../../admin/status/status.ts";
import type { BackendStatus } from "../../admin/status/upstream.ts";
import type { AdminTarget, Readiness, ReloadResult } from "../../admin/admin_target.ts";
import { readBackendList } from "../../config/backend_list.ts";
import { canonicalAddress } from "../../config/rules/resolve_address.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { quoteText } from "../../core/escape_text.ts";
import { CulvertError } from "../../core/errors.ts";
import type { LogLevel } from "../../core/log.ts";
import { runInSlices } from "../../core/slices.ts";
import type { SessionQuery, SessionsReport } from "../../dataplane/open_sessions.ts";
import type { BackendReport } from "../../dataplane/report.ts";
import { formatAddress, parseAddress } from "../../net/address.ts";
import type { ControlPlane } from "../control/control_plane.ts";
import type { Reloader } from "../control/reloader.ts";
import type { ManagedUpstream } from "../upstreams/managed_upstream.ts";
import { buildStatus, reloadStatus } from "./build_status.ts";
import { buildBackendStatus } from "./build_upstream_status.ts";
import { unreadiness } from "./readiness.ts";
import { TrafficHistory } from "./traffic_history.ts";

/** What a {@linkcode ProgramTarget} works with. */
export interface ProgramTargetParts {
  readonly controlPlane: ControlPlane;
  readonly reloader: Reloader;
  readonly version: string;
  /** What paths of unix sockets are relative to. */
  readonly folder: string;
  /** The level of the log, which can be changed. */
  readonly logLevel: LogLevelControl;
  /** @default {systemClock} */
  readonly clock?: Clock;
}

/** The level of the log while the program runs. */
export interface LogLevelControl {
  /** The level now. */
  get(): LogLevel;
  /** Changes it until the next reload. */
  set(level: LogLevel): Promise<void>;
}

/** What the admin API shows of the running program and does to it. */
export class ProgramTarget implements AdminTarget {
  readonly #parts: ProgramTargetParts;
  readonly #clock: Clock;
  readonly history: TrafficHistory;
  readonly #startedAt = Date.now();
  readonly #startedAtMs: number;

  constructor(parts: ProgramTargetParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#startedAtMs = this.#clock.now();
    const { dataPlane } = parts.controlPlane;
    this.history = new TrafficHistory({ traffic: () => dataPlane.traffic(), clock: this.#clock });
  }

  async ready(): Promise<Readiness> {
    const reasons = await unreadiness(this.#parts.controlPlane);
    return { ready: reasons.length === 0, reasons };
  }

  async status(): Promise<Status> {
    const { controlPlane, reloader, version } = this.#parts;
    return await runInSlices(buildStatus({
      controlPlane,
      report: await controlPlane.dataPlane.report(),
      version,
      startedAt: this.#startedAt,
      startedAtMs: this.#startedAtMs,
      reload: reloader.state,
      clock: this.#clock,
      eventLoopDelays: this.history.eventLoopDelays,
    }));
  }

  async replaceBackends(name: string, body: unknown): Promise<readonly BackendStatus[]> {
    this.#refuseStopping("replace backends");
    const upstream = this.#find(name);
    const backends = readBackendList(body, { name: "backends", folder: this.#parts.folder });
    try {
      upstream.replaceBackends(backends);
    } catch (error) {
      if (!(error instanceof CulvertError)) throw error;
      throw new AdminError("conflict", error.message, { cause: error });
    }
    return (await this.#report(upstream)).map((backend) => buildBackendStatus(backend, upstream));
  }

  drainBackend(name: string, address: string): Promise<BackendStatus> {
    return this.#setDisabled({ name, address }, true);
  }

  enableBackend(name: string, address: string): Promise<BackendStatus> {
    return this.#setDisabled({ name, address }, false);
  }

  async setWeight(name: string, address: string, weight: number): Promise<BackendStatus> {
    const { upstream, backend } = this.#findBackend(name, address);
    upstream.setWeight(backend, weight);
    return await this.#backend({ name, address }, { upstream, backend });
  }

  async closeConnections(name: string, address: string): Promise<number> {
    const { backend } = this.#findBackend(name, address);
    return await this.#parts.controlPlane.dataPlane.closeSessionsOf(name, backend) ?? 0;
  }

  connections(query: SessionQuery): Promise<SessionsReport> {
    return this.#parts.controlPlane.dataPlane.sessions(query);
  }

  async closeConnection(id: string): Promise<void> {
    if (await this.#parts.controlPlane.dataPlane.closeSession(id)) return;
    throw new AdminError("unknown_connection", `There is no open connection ${quoteText(id)}`);
  }

  async live(): Promise<LiveState> {
    const { controlPlane, reloader, logLevel } = this.#parts;
    const [status, unready, failures] = await Promise.all([
      this.status(),
      unreadiness(controlPlane),
      controlPlane.dataPlane.failures(),
    ]);
    const reloads = reloader.recent.map(reloadStatus);
    return { status, unready, failures, reloads, logLevel: logLevel.get() };
  }

  setLogLevel(level: LogLevel): Promise<void> {
    return this.#parts.logLevel.set(level);
  }

  async reload(): Promise<ReloadResult> {
    const { reloader } = this.#parts;
    this.#refuseStopping("reload");
    const outcome = await reloader.request("admin");
    if (!outcome.ok) this.#refuseStopping("reload"); // Then that is why.
    return outcome.ok ? { ok: true, generation: reloader.state.generation } : outcome;
  }

  #refuseStopping(what: string): void {
    const { state } = this.#parts.controlPlane;
    if (state !== "draining" && state !== "stopped") return;
    throw new AdminError("draining", `Cannot ${what}: the program is stopping`);
  }

  #find(name: string): ManagedUpstream {
    const found = this.#parts.controlPlane.upstream(name);
    if (found !== undefined) return found;
    throw new AdminError("unknown_upstream", `There is no upstream "${name}"`);
  }

  #findBackend(name: string, address: string): { upstream: ManagedUpstream; backend: string } {
    const upstream = this.#find(name);
    const backend = keyOf(upstream, address);
    if (backend === undefined) throw unknownBackend(name, address);
    return { upstream, backend };
  }

  async #setDisabled(
    { name, address }: { name: string; address: string },
    disabled: boolean,
  ): Promise<BackendStatus> {
    const { upstream, backend } = this.#findBackend(name, address);
    const { dataPlane } = this.#parts.controlPlane;
    if (!dataPlane.setDisabled(name, { backend, disabled })) throw unknownBackend(name, address);
    return await this.#backend({ name, address }, { upstream, backend });
  }

  /** A backend as it is now. */
  async #backend(
    { name, address }: { name: string; address: string },
    { upstream, backend }: { upstream: ManagedUpstream; backend: string },
  ): Promise<BackendStatus> {
    const report = (await this.#report(upstream)).find(({ key }) => key === backend);
    if (report === undefined) throw unknownBackend(name, address);
    return buildBackendStatus(report, upstream);
  }

  async #report({ name }: ManagedUpstream): Promise<readonly BackendReport[]> {
    return (await this.#parts.controlPlane.dataPlane.reportUpstream(name))?.backends ?? [];
  }
}

function unknownBackend(name: string, address: string): AdminError {
  return new AdminError("unknown_backend", `There is no backend "${address}" in upstream "${name}"`);
}

/** The address of a backend as the data plane knows it, however it is written here. */
function keyOf({ backends }: ManagedUpstream, text: string): string | undefined {
  if (backends.some(({ address }) => formatAddress(address) === text)) return text;
  try {
    const wanted = canonicalAddress(parseAddress(text));
    const found = backends.find(({ address }) => canonicalAddress(address) === wanted);
    return found && formatAddress(found.address);
  } catch {
    return undefined; // It is no address.
  }
}
