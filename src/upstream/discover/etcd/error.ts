import { CulvertError } from "../../../core/errors.ts";

/**
 * What went wrong between us and an etcd server:
 *
 * - `etcd_unreachable`: no connection, or one that broke.
 * - `etcd_timeout`: no answer in time.
 * - `etcd_refused`: it answered with an error of its own.
 * - `etcd_no_password`: the user's password could not be had.
 * - `etcd_bad_answer`: what it said is not what an etcd server says, or too long.
 * - `etcd_compacted`: what was asked for has been compacted; reading anew helps.
 * - `etcd_stale`: its watch keeps silent about changes, or its data have gone back.
 * - `etcd_too_much`: there are more keys or bytes under the prefix than we take.
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

/** The backends could not be read from an etcd server, or no longer followed. */
export class EtcdError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "EtcdError";
  /** What went wrong. */
  declare readonly code: EtcdErrorCode;

  /** `endpoint` is the server's URL, `what` completes "Cannot follow etcd at …:". */
  constructor(code: EtcdErrorCode, options: { endpoint: string; what: string; cause?: unknown }) {
    const { endpoint, what, cause } = options;
    super(code, `Cannot follow etcd at "${endpoint}": ${what}`, cause === undefined ? {} : { cause });
  }
}

/** What a server said is no answer of etcd's. Whoever knows the server makes an {@linkcode EtcdError} of it. */
export class BadAnswerError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "BadAnswerError";

  /** `what` says what is wrong with it. */
  constructor(what: string) {
    super("etcd_bad_answer", what);
  }
}
