import { CulvertError } from "../../core/errors.ts";

/** What a balancer needs to know of a backend. {@linkcode Backend} is one; so is any object with these. */
export interface Candidate {
  /** Identity across updates, such as the address as text. */
  readonly key: string;
  /** Share of new connections, above 0 in everything that {@linkcode available} lets through. */
  readonly weight: number;
  /** Connections in use now. */
  readonly active: number;
  /** Whether it may take one more connection now. Read anew at each pick. */
  readonly available: boolean;
}

/** What is known about the connection that needs a backend. Every part is optional. */
export interface PickOptions<B extends Candidate> {
  /** What source-hash hashes: the client's address, without the port. */
  readonly source?: string;
  /** Backends that must not be picked, such as those already tried for this connection. */
  readonly exclude?: readonly B[];
}

/**
 * Chooses a backend for each new connection, out of a set that it is told. It counts nothing and opens
 * nothing: whoever picks keeps `active` up to date.
 */
export interface Balancer<B extends Candidate> {
  /** Takes a new set, in this order. State of those that stay (the same key) survives. O(size). */
  update(backends: readonly B[]): void;
  /**
   * The next backend, or `undefined` when none is available (all excluded, at weight 0 or full).
   *
   * @throws {EmptySetError} when the set is empty.
   */
  pick(options?: PickOptions<B>): B | undefined;
}

/** The configuration's names of the balancers. */
export type BalanceName =
  | "round-robin"
  | "least-connections"
  | "random-two-choices"
  | "source-hash"
  | "first";

/** Thrown by `pick` when there is no backend at all, which is not the same as none being available. */
export class EmptySetError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "EmptySetError";

  constructor() {
    super("empty_set", "Cannot pick a backend: the set is empty");
  }
}
