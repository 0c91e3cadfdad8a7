/** What active checks say of a backend; `unknown` until the first one has ended. */
export type HealthState = "unknown" | "up" | "down";

/** How one check ended. */
export interface CheckOutcome {
  readonly ok: boolean;
  /** What was seen, or why it failed, in a few words. */
  readonly detail: string;
  /** When it ended, in milliseconds since 1970. */
  readonly at: number;
  /** Until when the certificate is good that the backend showed, where it showed one. */
  readonly certificateValidTo?: Date | undefined;
  /** It failed for want of something of our own, such as descriptors, and says nothing of the backend. */
  readonly ours?: boolean;
}

/** How many checks in a row change what is held of a backend. */
export interface HealthRules {
  /** Good ones that bring it up. @default {2} */
  readonly rise: number;
  /** Bad ones that bring it down. @default {3} */
  readonly fall: number;
}

/**
 * What the active checks of one backend have shown. The first check decides by itself, as nothing else is known;
 * from then on it takes `rise` good ones, or `fall` bad ones, in a row.
 */
export class Health {
  state: HealthState = "unknown";
  /** When the state became what it is, in milliseconds since 1970; absent: nothing is known yet. */
  since: number | undefined;
  /** How many checks in a row ended as the last one. */
  inARow = 0;
  /** Changes between up and down. */
  flips = 0;
  last: CheckOutcome | undefined;
  lastGood: CheckOutcome | undefined;
  lastBad: CheckOutcome | undefined;

  /** Takes in how a check ended; returns whether the state has changed. */
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

  /** Nothing is known any more, as nobody looks. What was counted stays. */
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
