import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import type { DataPlane } from "../dataplane/data_plane.ts";
import type { CarriedState } from "./carried_state.ts";
import { Ejections } from "./ejections.ts";
import type { Member } from "./member.ts";
import { SharedCounts } from "./shared_counts.ts";
import { SharedMembership } from "./shared_membership.ts";
import { Workers, type WorkersParts } from "./workers.ts";

/** What {@linkcode Shared} works with. */
export interface SharedParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** As of `WorkersParts`. */
  readonly module?: URL | undefined;
  readonly writeAccess?: ((line: string) => void) | undefined;
  readonly state: CarriedState;
  /** The data plane of the main thread. */
  readonly local: DataPlane;
  /** A client has connected to a worker at this address of the machine. */
  readonly onLocalIp: (ip: string, by: Member) => void;
}

/** What all threads share, on the side of the main thread. It exists once there have been workers. */
export class Shared {
  readonly counts: SharedCounts;
  /** The part of the main thread. */
  readonly membership: SharedMembership;
  readonly ejections: Ejections;
  readonly workers: Workers;
  readonly #local: DataPlane;
  readonly #onLocalIp: SharedParts["onLocalIp"];

  constructor({ log, clock, wheel, module, writeAccess, state, local, onLocalIp }: SharedParts) {
    this.#local = local;
    this.#onLocalIp = onLocalIp;
    const counts = this.counts = new SharedCounts(() => clock.now());
    this.ejections = new Ejections({
      wheel,
      log,
      onChange: (upstream, change) => this.#onEjection(upstream, change),
    });
    this.workers = new Workers({
      ...{ log, clock, module, writeAccess, state, counts },
      ejections: this.ejections,
      onEvent: (event, by) => this.#onEvent(event, by),
    });
    this.membership = new SharedMembership({
      phase: 0,
      totals: counts.totals,
      own: counts.createOwn(),
      now: () => clock.now(),
      onSuspect: (upstream, suspect) => this.ejections.suspect(upstream, suspect),
      onPoolFull: (upstream, backend) => this.workers.tell({ type: "yield-idle", upstream, backend }),
    });
  }

  #onEjection(upstream: string, change: { backend: string; forMs: number | undefined }): void {
    if (change.forMs === undefined) this.counts.resetFailures(upstream, change.backend);
    this.#local.setEjected(upstream, change);
    this.workers.tell({ type: "ejected", upstream, ...change });
  }

  #onEvent(event: Parameters<WorkersParts["onEvent"]>[0], by: Member): void {
    if (event.type === "local-ip") {
      this.#local.addLocalIp(event.ip);
      this.#onLocalIp(event.ip, by);
      return;
    }
    this.#local.yieldIdle(event.upstream, event.backend);
    this.workers.tell({ type: "yield-idle", upstream: event.upstream, backend: event.backend }, by);
  }
}
