import type { CulvertError } from "../core/errors.ts";
import type { Status } from "./status/status.ts";
import type { BackendStatus } from "./status/upstream.ts";

/** Whether the program is ready for connections. */
export interface Readiness {
  readonly ready: boolean;
  /** Why not; empty if it is ready. */
  readonly reasons: readonly string[];
}

/** The result of a reload. */
export type ReloadResult =
  | { readonly ok: true; readonly generation: number }
  /** Failed, and the configuration is kept. A {@linkcode ConfigError} has every problem of the file. */
  | { readonly ok: false; readonly error: CulvertError };

/**
 * The program, as the admin API shows and changes it.
 *
 * Methods throw an {@linkcode AdminError} for what they cannot do and a {@linkcode ConfigError} for an invalid
 * configuration. Any other error is a bug, which is logged and answered as an internal error.
 */
export interface AdminTarget {
  /** Whether every listener is bound and each upstream has an available backend; not while draining. */
  ready(): Promise<Readiness>;
  /** The present status. */
  status(): Promise<Status>;
  /**
   * Replaces the set of backends of an upstream by the one in `body`, a JSON value. Resolves to the new set, in its
   * order.
   *
   * @throws {AdminError} `unknown_upstream`, or `conflict` if the set cannot be replaced at this moment.
   * @throws {ConfigError} with every problem of `body`; nothing has changed then.
   */
  replaceBackends(upstream: string, body: unknown): Promise<readonly BackendStatus[]>;
  /**
   * Drains a backend: it receives no new connections. Does nothing if it is drained already. `address` is in the
   * notation of `formatAddress`.
   *
   * @throws {AdminError} `unknown_upstream` or `unknown_backend`.
   */
  drainBackend(upstream: string, address: string): Promise<BackendStatus>;
  /**
   * Ends the draining of a backend.
   *
   * @throws {AdminError} `unknown_upstream` or `unknown_backend`.
   */
  enableBackend(upstream: string, address: string): Promise<BackendStatus>;
  /**
   * Reloads the configuration, like SIGHUP.
   *
   * @throws {AdminError} `draining` if the program is stopping.
   */
  reload(): Promise<ReloadResult>;
}
