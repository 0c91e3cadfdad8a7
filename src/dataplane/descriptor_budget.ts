import { type Clock, systemClock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";

/** A service, as the budget sees it. */
export interface Spender {
  readonly name: string;
  /** Its open connections, over all threads: they share the descriptors of the process. */
  readonly connections: { readonly value: number };
  /** Ends that many of the connections of this thread, the newest first. */
  shed(count: number): void;
}

/** What a {@linkcode DescriptorBudget} works with. */
export interface DescriptorBudgetParts {
  readonly services: () => Iterable<Spender>;
  readonly log: Log;
  /** @default {systemClock} */
  readonly clock?: Clock;
}

/** Connections that are kept free for services that have few. */
const RESERVE = 32;
/** How long a bound holds that was met: descriptors may have been used by something else. */
const HOLDS_MS = 60_000;
/** Failures come in bursts, and what was shed for the first of them does for the others. */
const SHED_INTERVAL_MS = 100;

/**
 * Shares the descriptors of the process among the services once they run out. How many there are can't be asked for
 * without a further permission, so it is learnt when the system refuses one: what lives at that moment, less a
 * reserve, is the bound on all connections for the next minute. At the bound a service that has its share of it gets no
 * more, and others may use the reserve. When that is used up too, the newest connections of the service with the most
 * end, as long as it has more than its share.
 */
export class DescriptorBudget {
  readonly #parts: DescriptorBudgetParts;
  readonly #clock: Clock;
  #bound = Infinity;
  #untilMs = -Infinity;
  #shedAtMs = -Infinity;

  constructor(parts: DescriptorBudgetParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
  }

  /** The system has refused a descriptor. `admin`: to the admin listener, for which the one service gives way too. */
  exhausted({ admin = false }: { admin?: boolean } = {}): void {
    const nowMs = this.#clock.now();
    if (nowMs - this.#shedAtMs < SHED_INTERVAL_MS) return;
    this.#shedAtMs = nowMs;
    const services = [...this.#parts.services()];
    const total = services.reduce((sum, { connections }) => sum + connections.value, 0);
    if (total === 0) return;
    const reserve = Math.min(RESERVE, Math.ceil(total / 8));
    this.#bound = total - reserve;
    this.#untilMs = nowMs + HOLDS_MS;
    const most = services.reduce((a, b) => b.connections.value > a.connections.value ? b : a);
    const share = Math.ceil(this.#bound / services.length);
    // One service by itself starves no other.
    const excess = services.length > 1 ? most.connections.value - share : 0;
    const count = admin ? reserve : Math.min(reserve, excess);
    if (count <= 0) return;
    this.#parts.log.warn(
      "out of file descriptors, closing the newest connections of the service with the most",
      {
        service: most.name,
        connections: count,
        limit: this.#bound,
      },
    );
    most.shed(count);
  }

  /** Whether one more connection of this service would be at the cost of others. */
  refuses({ connections }: Pick<Spender, "connections">): boolean {
    if (this.#bound === Infinity) return false;
    if (this.#clock.now() >= this.#untilMs) {
      this.#bound = Infinity;
      return false;
    }
    let total = 0;
    let count = 0;
    for (const service of this.#parts.services()) {
      total += service.connections.value;
      count++;
    }
    return total >= this.#bound && connections.value >= this.#bound / count;
  }
}
