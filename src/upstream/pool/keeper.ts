/**
 * Keeps connections of a pool between the requests that follow one another on them. They are on loan from the pool
 * meanwhile; the pool says when they must not be kept any longer.
 */
export interface ConnectionKeeper {
  /** How many are idle. */
  readonly size: number;
  /** Ends all that are idle: they were made in another way than today, or the backend takes no new connections. */
  drop(): void;
  /** Ends the one that has been idle longest, as another caller of the pool needs its place. */
  dropOldest(): void;
}
