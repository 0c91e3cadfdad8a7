import type { LogLevel } from "../../core/log.ts";
import type { FailureReport } from "../../service/failures.ts";
import type { ReloadStatus } from "../status/reload.ts";
import type { Status } from "../status/status.ts";

/** What the live page is made of, at one moment. */
export interface LiveState {
  readonly status: Status;
  /** Why the program is not ready; empty if it is. */
  readonly unready: readonly string[];
  /** The last reloads, the newest first. The start counts as one. */
  readonly reloads: readonly ReloadStatus[];
  /** The last connections and requests that were refused or failed, the newest first. */
  readonly failures: readonly FailureReport[];
  readonly logLevel: LogLevel;
}
