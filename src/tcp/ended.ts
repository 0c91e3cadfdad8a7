import { CulvertError } from "../core/errors.ts";
import type { Reason } from "./reason.ts";

/** Ends a session for a reason that is known already. */
export class Ended extends CulvertError {
  readonly reason: Reason;

  constructor(reason: Reason, cause?: unknown) {
    super("ended", `The connection has ended: ${reason}`, { cause });
    this.reason = reason;
  }
}
