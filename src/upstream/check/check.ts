import { CulvertError } from "../../core/errors.ts";
import type { Address } from "../../net/address.ts";

/** The result of a successful check. */
export interface CheckReport {
  /** A short description for status and log, such as `connected` or `answered 200`. */
  readonly detail: string;
  /** When the backend's certificate expires, if it has presented one. */
  readonly certificateValidTo?: Date;
}

/** A health check. Many runs of one object may be under way at once. */
export interface Check {
  /**
   * Checks a backend once. Everything that was opened is closed when the promise settles.
   *
   * @param signal Aborts at once, with its reason.
   * @throws {CheckFailedError} or the error of the dial, if the check fails.
   */
  run(address: Address, signal: AbortSignal): Promise<CheckReport>;
  /** Releases what it holds between runs. Runs under way fail. */
  close?(): void;
}

/** The backend was connected, but did not respond as expected. */
export class CheckFailedError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "CheckFailedError";

  /** `seen` describes the failure, such as `answered 503, expected 200-399`. */
  constructor(seen: string, options?: ErrorOptions) {
    super("check_failed", seen, options);
  }
}
