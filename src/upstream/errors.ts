import { CulvertError, describeError } from "../core/errors.ts";

/** Every backend that was tried failed. `cause` is what the last one said. */
export class ConnectFailedError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "ConnectFailedError";

  /** `cause` is what the last try failed with. */
  constructor(upstream: string, options: { tries: number; cause: unknown }) {
    const { tries, cause } = options;
    const failed = tries === 1 ? "the one try failed" : `${tries} attempts failed, the last`;
    const message = `Cannot connect to upstream "${upstream}": ${failed} with: ${describeError(cause)}`;
    super("connect_failed", message, { cause });
  }
}

/** No backend may take the connection now: there is none, or all are full or at weight 0. */
export class NoBackendError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "NoBackendError";

  /** `upstream` is its name. */
  constructor(upstream: string) {
    super("no_backend", `Cannot connect to upstream "${upstream}": no backend is available`);
  }
}

/** There are backends that would take the connection if they were fit, and all of them are down or ejected. */
export class BackendsDownError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "BackendsDownError";

  /** `states` says how many are in which state, such as `2 down, 1 ejected`. */
  constructor(upstream: string, states: string) {
    super("backends_down", `Cannot connect to upstream "${upstream}": no backend is healthy (${states})`);
  }
}

/** Every backend has as many connections as it may, and as many wait as may. */
export class QueueFullError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "QueueFullError";

  /** `max` is how many may wait. */
  constructor(upstream: string, max: number) {
    super(
      "queue_full",
      `Cannot connect to upstream "${upstream}": every backend is full, and ${max} connections are waiting`,
    );
  }
}

/** Every backend had as many connections as it may, and none became free in time. */
export class QueueTimeoutError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "QueueTimeoutError";

  /** `timeoutMs` is how long the connection has waited. */
  constructor(upstream: string, timeoutMs: number) {
    const message =
      `Cannot connect to upstream "${upstream}": every backend is full, and none became free in ${timeoutMs}ms`;
    super("queue_timeout", message);
  }
}
