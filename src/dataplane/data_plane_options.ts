import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { Plan } from "../core/plan.ts";
import type { TimerWheel } from "../core/timer_wheel.ts";
import type { BufferPool } from "../net/buffers.ts";
import type { Dial } from "../net/dial.ts";
import type { AddressesByKey, BoundAddresses } from "./listeners.ts";
import type { Membership } from "./membership.ts";
import type { BackendSets } from "./upstreams.ts";

/** What a {@linkcode DataPlane} works with. */
export interface DataPlaneParts {
  readonly log: Log;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** @default one of its own */
  readonly wheel?: TimerWheel;
  /** @default a pool of its own */
  readonly buffers?: BufferPool;
  /** Opens the connections to backends. @default {dial} */
  readonly dial?: Dial;
  /** Writes the line of a request, with its line feed. @default nothing is written */
  readonly writeAccess?: ((line: string) => void) | undefined;
  /** Called with each local address at which a client has connected. @default nothing */
  readonly onLocalIp?: (ip: string) => void;
  /** What it shares with others that carry the same snapshot. @default it is alone */
  readonly membership?: Membership;
  /** Whether it logs that it listens, and that it drains. @default {true} */
  readonly announces?: boolean;
}

/** How a plan is committed. */
export interface CommitOptions {
  /** Backends by their upstream, in the place of those of the snapshot. */
  readonly sets?: BackendSets | undefined;
  /** The addresses that other threads have bound. */
  readonly elsewhere?: AddressesByKey | undefined;
  /** The listeners of the whole program, by which loops are found. @default its own */
  readonly bound?: BoundAddresses | undefined;
}

/** A snapshot that has been prepared. */
export interface DataPlanePlan extends Plan<BoundAddresses> {
  /** Where its listeners are bound. */
  readonly addresses: AddressesByKey;
  /**
   * Carries the snapshot from now on.
   *
   * @throws {CulvertError} `draining` if the data plane has begun to stop meanwhile; nothing has changed then.
   */
  commit(options?: CommitOptions): BoundAddresses;
}
