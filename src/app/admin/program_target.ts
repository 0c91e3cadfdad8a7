import { AdminError } from "../../admin/admin_error.ts";
import type { Status } from "../../admin/status/status.ts";
import type { BackendStatus } from "../../admin/status/upstream.ts";
import type { AdminTarget, Readiness, ReloadResult } from "../../admin/admin_target.ts";
import { readBackendList } from "../../config/backend_list.ts";
import { canonicalAddress } from "../../config/rules/resolve_address.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { CulvertError } from "../../core/errors.ts";
import { parseAddress } from "../../net/address.ts";
import type { Backend } from "../../upstream/backend.ts";
import type { ControlPlane } from "../control/control_plane.ts";
import type { ManagedUpstream } from "../upstreams/managed_upstream.ts";
import { unreadiness } from "./readiness.ts";
import type { Reloader } from "../control/reloader.ts";
import { programStatus } from "./build_status.ts";
import { backendStatus } from "./build_upstream_status.ts";

/** What a {@linkcode ProgramTarget} works with. */
export interface ProgramTargetParts {
  readonly app: ControlPlane;
  readonly reloader: Reloader;
  readonly version: string;
  /** What paths of unix sockets are relative to. */
  readonly folder: string;
  /** @default {systemClock} */
  readonly clock?: Clock;
}

/** What the admin API shows of the running program and does to it. */
export class ProgramTarget implements AdminTarget {
  readonly #parts: ProgramTargetParts;
  readonly #clock: Clock;
  readonly #startedAt = Date.now();
  readonly #startedAtMs: number;

  constructor(parts: ProgramTargetParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#startedAtMs = this.#clock.now();
  }

  ready(): Readiness {
    const reasons = unreadiness(this.#parts.app);
    return { ready: reasons.length === 0, reasons };
  }

  status(): Status {
    const { app, reloader, version } = this.#parts;
    return programStatus({
      app,
      version,
      startedAt: this.#startedAt,
      startedAtMs: this.#startedAtMs,
      reload: reloader.state,
      clock: this.#clock,
    });
  }

  // deno-lint-ignore require-await -- what it throws must come by the promise
  async replaceBackends(name: string, body: unknown): Promise<readonly BackendStatus[]> {
    this.#refuseStopping("replace backends");
    const managed = this.#find(name);
    const backends = readBackendList(body, { name: "backends", folder: this.#parts.folder });
    try {
      managed.replaceBackends(backends);
    } catch (error) {
      if (!(error instanceof CulvertError)) throw error;
      throw new AdminError("conflict", error.message, { cause: error });
    }
    const { upstream } = managed;
    return upstream.backends.map((backend) => backendStatus(backend, upstream));
  }

  drainBackend(name: string, address: string): Promise<BackendStatus> {
    return this.#change({ name, address }, (backend) => backend.disabled = true);
  }

  enableBackend(name: string, address: string): Promise<BackendStatus> {
    return this.#change({ name, address }, (backend) => backend.disabled = false);
  }

  async reload(): Promise<ReloadResult> {
    const { reloader } = this.#parts;
    this.#refuseStopping("reload");
    const outcome = await reloader.request("admin");
    if (!outcome.ok) this.#refuseStopping("reload"); // Then that is why.
    return outcome.ok ? { ok: true, generation: reloader.state.generation } : outcome;
  }

  #refuseStopping(what: string): void {
    const { state } = this.#parts.app;
    if (state !== "draining" && state !== "stopped") return;
    throw new AdminError("draining", `Cannot ${what}: the program is stopping`);
  }

  #find(name: string): ManagedUpstream {
    const found = this.#parts.app.upstream(name);
    if (found !== undefined) return found;
    throw new AdminError("unknown_upstream", `There is no upstream "${name}"`);
  }

  // deno-lint-ignore require-await -- what it throws must come by the promise
  async #change(
    { name, address }: { name: string; address: string },
    change: (backend: Backend) => void,
  ): Promise<BackendStatus> {
    const { upstream } = this.#find(name);
    const backend = upstream.find(address) ?? findAlike(upstream.backends, address);
    if (backend === undefined) {
      throw new AdminError("unknown_backend", `There is no backend "${address}" in upstream "${name}"`);
    }
    change(backend);
    return backendStatus(backend, upstream);
  }
}

/** Who has this address, written otherwise. */
function findAlike(backends: readonly Backend[], text: string): Backend | undefined {
  try {
    const wanted = canonicalAddress(parseAddress(text));
    return backends.find(({ address }) => canonicalAddress(address) === wanted);
  } catch {
    return undefined; // It is no address.
  }
}
