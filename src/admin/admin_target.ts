import type { CulvertError } from "../core/errors.ts";
import type { LogLevel } from "../core/log.ts";
import type { SessionQuery, SessionsReport } from "../dataplane/open_sessions.ts";
import type { History } from "./live/history.ts";
import type { LiveState } from "./live/live_state.ts";
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
   * Sets the weight of a backend, until the configuration or discovery gives it another one. 0 drains it.
   *
   * @throws {AdminError} `unknown_upstream` or `unknown_backend`.
   */
  setWeight(upstream: string, address: string, weight: number): Promise<BackendStatus>;
  /**
   * Closes the connections of a backend now. Resolves to their number.
   *
   * @throws {AdminError} `unknown_upstream` or `unknown_backend`.
   */
  closeConnections(upstream: string, address: string): Promise<number>;
  /** The open connections that are what the query asks for. */
  connections(query: SessionQuery): Promise<SessionsReport>;
  /**
   * Closes an open connection now.
   *
   * @throws {AdminError} `unknown_connection` if it has ended.
   */
  closeConnection(id: string): Promise<void>;
  /** What the program has carried in the last 15 minutes. */
  readonly history: Pick<History, "report" | "since" | "lastTime">;
  /** What the live page shows. */
  live(): Promise<LiveState>;
  /** Sets the level of the log, until the next reload. */
  setLogLevel(level: LogLevel): Promise<void>;
  /**
   * Reloads the configuration, like SIGHUP.
   *
   * @throws {AdminError} `draining` if the program is stopping.
   */
  reload(): Promise<ReloadResult>;
}
