import type { CounterSlot } from "../core/counter.ts";
import type { RateOptions } from "../service/options.ts";
import type { SourceLimiter } from "../service/admission.ts";
import type { Backend, BackendSlots } from "../upstream/backend.ts";
import type { SharedFailures } from "../upstream/outlier.ts";

/** Where the counts of one service are shared. */
export interface ServiceSlots {
  readonly connections: CounterSlot;
  readonly handshakes: CounterSlot;
}

/** What makes a data plane one of several that carry the same snapshot, each in a thread of its own. */
export interface Membership {
  /** Where in a round the balancers begin: from 0 to below 1. */
  readonly phase: number;
  /** Absent where there is no room for more: the service then counts alone. */
  service(name: string): ServiceSlots | undefined;
  /** Absent where there is no room for more: the backend is then counted alone. */
  backend(upstream: string, key: string): BackendSlots | undefined;
  /** The limiter of a service; absent: it counts alone. */
  limiter(service: string, rate: RateOptions): SourceLimiter | undefined;
  failures(upstream: string): SharedFailures<Backend>;
  /** A caller waits because a pool is at its bound, which connections of other threads may fill. */
  onPoolFull(upstream: string, backend: string): void;
}

/** How often those that wait look whether other threads have made room, in milliseconds. */
export const RETRY_MS = 10;

/** Which listeners a data plane has: one of several leaves unix sockets, which cannot be shared, to one of them. */
export type Transports = "all" | "tcp" | "unix" | "none";
