import { CulvertError } from "../../core/errors.ts";

/** What a balancer needs to know about a backend. */
export interface Candidate {
  /** The identity across updates, such as the address as text. */
  readonly key: string;
  /** The share of new connections; above 0 if it is available. */
  readonly weight: number;
  /** Connections in use. */
  readonly active: number;
  /** Whether it may take another connection. Read at each pick. */
  readonly available: boolean;
}

/** What is known about the connection that needs a backend. */
export interface PickOptions<B extends Candidate> {
  /** The client's address without the port, for `source-hash`. */
  readonly source?: string;
  /** Backends that must not be picked, such as those already tried for this connection. */
  readonly exclude?: readonly B[];
}

/**
 * Picks a backend for each new connection. It neither opens nor counts connections: the caller keeps `active` up to date.
 */
export interface Balancer<B extends Candidate> {
  /** Takes a new set, in this order. Backends with the same key keep their state. O(size). */
  update(backends: readonly B[]): void;
  /**
   * The next backend; `undefined`: none is available, or all available ones are excluded.
   *
   * @throws {EmptySetError} if the set is empty.
   */
  pick(options?: PickOptions<B>): B | undefined;
}

/** The names of the balancers in the configuration. */
export type BalanceName =
  | "round-robin"
  | "least-connections"
  | "random-two-choices"
  | "source-hash"
  | "first";

/** The set is empty, as opposed to a set without an available backend. */
export class EmptySetError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "EmptySetError";

  constructor() {
    super("empty_set", "Cannot pick a backend: the set is empty");
  }
}
