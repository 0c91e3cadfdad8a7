import type { Problem } from "../config/problem/problem.ts";
import { CulvertError } from "../core/errors.ts";

/** The kinds of errors of the admin API, each with the status of its answer. */
export const STATUS_OF = {
  bad_address: 400,
  bad_json: 400,
  unexpected_body: 400,
  foreign_host: 403,
  foreign_origin: 403,
  not_found: 404,
  unknown_upstream: 404,
  unknown_backend: 404,
  conflict: 409,
  length_required: 411,
  bad_content_type: 415,
  draining: 503,
} as const;

/** The stable name of a kind of error of the admin API. */
export type AdminErrorCode = keyof typeof STATUS_OF;

/** Options of {@linkcode AdminError}. */
export interface AdminErrorOptions extends ErrorOptions {
  /** Everything that is wrong with what was sent. */
  readonly problems?: readonly Problem[];
}

/** A request to the admin API can't be done. What an {@linkcode AdminTarget} throws says so to the client. */
export class AdminError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "AdminError";
  /** The status code of the answer. */
  readonly status: number;
  /** Everything that is wrong with what was sent; empty where the message says it all. */
  readonly problems: readonly Problem[];

  /** The message goes to the client. */
  constructor(code: AdminErrorCode, message: string, options: AdminErrorOptions = {}) {
    super(code, message, options);
    this.status = STATUS_OF[code];
    this.problems = options.problems ?? [];
  }
}
