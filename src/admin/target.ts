import type { CulvertError } from "../core/errors.ts";
import type { Status } from "./status/status.ts";
import type { BackendStatus } from "./status/upstream.ts";

/** Whether the program should be sent connections. */
export interface Readiness {
  readonly ready: boolean;
  /** Why not, in words; empty when it is ready. */
  readonly reasons: readonly string[];
}

/** How a reload went. */
export type ReloadResult =
  | { readonly ok: true; readonly generation: number }
  /** `error` says why, a {@linkcode ConfigError} with every problem of a bad file; the configuration goes on. */
  | { readonly ok: false; readonly error: CulvertError };

/**
 * What the admin API shows and changes: the program, as the admin's room sees it. The program implements it.
 *
 * What a method can't do it says by an {@linkcode AdminError}; what is wrong with a configuration, by a
 * {@linkcode ConfigError}. Everything else that it throws is a bug, told as an internal error and logged.
 */
export interface AdminTarget {
  /** Whether every listener is bound and each upstream has an available backend; not while draining. */
  ready(): Readiness;
  /** Everything, as it is now. */
  status(): Status;
  /**
   * Replaces the set of backends of an upstream by the one that `body`, a JSON value, asks for. Resolves to the new
   * set, in its order.
   *
   * @throws {AdminError} `unknown_upstream`, or `conflict` where the set is not to be replaced now.
   * @throws {ConfigError} with everything that is wrong with `body`; nothing has changed then.
   */
  replaceBackends(upstream: string, body: unknown): Promise<readonly BackendStatus[]>;
  /**
   * Takes a backend out by hand, or does nothing if it has been: it gets no new connections. `address` is written as
   * `formatAddress` does.
   *
   * @throws {AdminError} `unknown_upstream` or `unknown_backend`.
   */
  drainBackend(upstream: string, address: string): Promise<BackendStatus>;
  /**
   * Undoes {@linkcode AdminTarget.drainBackend}.
   *
   * @throws {AdminError} `unknown_upstream` or `unknown_backend`.
   */
  enableBackend(upstream: string, address: string): Promise<BackendStatus>;
  /**
   * Reads the configuration again and changes to it, as SIGHUP does.
   *
   * @throws {AdminError} `draining` while the program stops.
   */
  reload(): Promise<ReloadResult>;
}
