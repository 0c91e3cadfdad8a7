import type { Problem } from "../config/problem/problem.ts";
import { CulvertError } from "../core/errors.ts";

/** The error codes of the admin API with their status codes. */
export const STATUS_OF = {
  bad_address: 400,
  bad_json: 400,
  bad_query: 400,
  unexpected_body: 400,
  foreign_host: 403,
  foreign_origin: 403,
  not_allowed: 403,
  not_found: 404,
  unknown_upstream: 404,
  unknown_backend: 404,
  unknown_connection: 404,
  conflict: 409,
  length_required: 411,
  bad_content_type: 415,
  bad_value: 422,
  draining: 503,
  too_many_viewers: 503,
} as const;

/** An error code of the admin API. */
export type AdminErrorCode = keyof typeof STATUS_OF;

/** Options of {@linkcode AdminError}. */
export interface AdminErrorOptions extends ErrorOptions {
  /** Every problem of the request. */
  readonly problems?: readonly Problem[];
}

/** A request to the admin API fails; the client receives the code and the message. */
export class AdminError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "AdminError";
  /** The status code of the response. */
  readonly status: number;
  /** Every problem of the request; empty if the message is sufficient. */
  readonly problems: readonly Problem[];

  /** The message is sent to the client. */
  constructor(code: AdminErrorCode, message: string, options: AdminErrorOptions = {}) {
    super(code, message, options);
    this.status = STATUS_OF[code];
    this.problems = options.problems ?? [];
  }
}
