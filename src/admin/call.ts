import type { AccessLevel } from "./admin_access.ts";
import type { AdminResponse } from "./admin_response.ts";
import type { AdminCaller } from "./admin_session.ts";
import type { AdminTarget } from "./admin_target.ts";
import type { SharedAnswers } from "./shared_answers.ts";
import type { LiveFeed } from "./live/live_feed.ts";

/** A call of an endpoint. */
export interface Call {
  readonly target: AdminTarget;
  readonly feed: LiveFeed;
  /** Lists of connections. */
  readonly lists: SharedAnswers;
  /** The parameters in the path. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Those behind the `?`. */
  readonly query: URLSearchParams;
  /** The JSON value in the body; `undefined` for an endpoint without a body. */
  readonly body: unknown;
  readonly caller: AdminCaller;
  /** What the caller may do. */
  readonly access: AccessLevel;
}

/** Handles the calls of an endpoint. Throws what {@linkcode AdminTarget} throws. */
export type Handle = (call: Call) => AdminResponse | Promise<AdminResponse>;
