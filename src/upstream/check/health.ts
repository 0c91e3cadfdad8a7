/** The health of a backend by its checks; `unknown` until the first one has ended. */
export type HealthState = "unknown" | "up" | "down";

/** The result of one check. */
export interface CheckOutcome {
  readonly ok: boolean;
  /** A short description of the result or failure. */
  readonly detail: string;
  /** When it ended, in milliseconds since 1970. */
  readonly at: number;
  /** When the backend's certificate expires, if it has presented one. */
  readonly certificateValidTo?: Date | undefined;
  /** It failed for lack of a local resource, such as file descriptors, which says nothing about the backend. */
  readonly ours?: boolean;
}

/** How many consecutive checks change the health of a backend. */
export interface HealthRules {
  /** Successful checks that mark it up. @default {2} */
  readonly rise: number;
  /** Failed checks that mark it down. @default {3} */
  readonly fall: number;
}

/**
 * The health of one backend by its checks. The first check decides alone; after that it takes `rise` successful or `fall`
 * failed checks in a row.
 */
export class Health {
  state: HealthState = "unknown";
  /** When it entered this state, in milliseconds since 1970; absent: it is unknown. */
  since: number | undefined;
  /** Consecutive checks with the same result as the last one. */
  inARow = 0;
  /** The number of changes between up and down. */
  flips = 0;
  last: CheckOutcome | undefined;
  lastGood: CheckOutcome | undefined;
  lastBad: CheckOutcome | undefined;

  /** Adds the result of a check; returns whether the state has changed. */
  observe(outcome: CheckOutcome, { rise, fall }: HealthRules): boolean {
    this.inARow = this.last?.ok === outcome.ok ? this.inARow + 1 : 1;
    this.last = outcome;
    if (outcome.ok) this.lastGood = outcome;
    else this.lastBad = outcome;
    const before = this.state;
    const enough = before === "unknown" ? 1 : outcome.ok ? rise : fall;
    const after = outcome.ok ? "up" : "down";
    if (before === after || this.inARow < enough) return false;
    if (before !== "unknown") this.flips++;
    this.state = after;
    this.since = outcome.at;
    return true;
  }

  /** The backend is no longer checked: its health is unknown. Counters stay. */
  reset(): void {
    this.state = "unknown";
    this.inARow = 0;
    this.since =
      this.last =
      this.lastGood =
      this.lastBad =
        undefined;
  }
}
