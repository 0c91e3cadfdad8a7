import { CulvertError } from "../../core/errors.ts";
import type { Address } from "../../net/address.ts";

/** What a good check has seen. */
export interface CheckReport {
  /** In a few words, for status and log, such as `connected` or `answered 200`. */
  readonly detail: string;
  /** Until when the certificate is good that the backend showed, where it showed one. */
  readonly certificateValidTo?: Date;
}

/** One way to find out whether a backend is fit. Many checks of one object may be under way at once. */
export interface Check {
  /**
   * Looks once. Everything that was opened is closed when the promise settles.
   *
   * @param signal Gives up at once, with its reason.
   * @throws {CheckFailedError} or what dialling throws, if the backend is not fit.
   */
  run(address: Address, signal: AbortSignal): Promise<CheckReport>;
  /** Gives back what it holds between checks. Those under way fail. */
  close?(): void;
}

/** The backend was reached, and what it did is not what was expected of it. */
export class CheckFailedError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "CheckFailedError";

  /** `seen` says what was wrong, such as `answered 503, expected 200-399`. */
  constructor(seen: string, options?: ErrorOptions) {
    super("check_failed", seen, options);
  }
}
