import { CulvertError } from "../../../core/errors.ts";

/**
 * Why an etcd server could not be used:
 *
 * - `etcd_unreachable`: no connection could be made, or it broke.
 * - `etcd_timeout`: no answer in time.
 * - `etcd_refused`: it answered with an error.
 * - `etcd_no_password`: the user's password could not be read.
 * - `etcd_bad_answer`: its answer is not valid or too long.
 * - `etcd_compacted`: the requested revision has been compacted; reading all keys again helps.
 * - `etcd_stale`: its watch misses changes, or its revision has decreased.
 * - `etcd_too_much`: there are too many keys or bytes under the prefix.
 */
export type EtcdErrorCode =
  | "etcd_unreachable"
  | "etcd_timeout"
  | "etcd_refused"
  | "etcd_no_password"
  | "etcd_bad_answer"
  | "etcd_compacted"
  | "etcd_stale"
  | "etcd_too_much";

/** The backends could not be read from an etcd server, or not be watched. */
export class EtcdError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "EtcdError";
  /** The kind of failure. */
  declare readonly code: EtcdErrorCode;

  /** `endpoint` is the URL of the server, `what` completes "Cannot follow etcd at …:". */
  constructor(code: EtcdErrorCode, options: { endpoint: string; what: string; cause?: unknown }) {
    const { endpoint, what, cause } = options;
    super(code, `Cannot follow etcd at "${endpoint}": ${what}`, cause === undefined ? {} : { cause });
  }
}

/** An answer is not one of etcd. Callers that know the server turn it into an {@linkcode EtcdError}. */
export class BadAnswerError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "BadAnswerError";

  /** `what` describes the fault. */
  constructor(what: string) {
    super("etcd_bad_answer", what);
  }
}
