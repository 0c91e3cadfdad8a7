import { CulvertError, describeError } from "../core/errors.ts";

/** Every backend that was tried failed. `cause` is the error of the last one. */
export class ConnectFailedError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "ConnectFailedError";

  /** `cause` is the error of the last attempt. */
  constructor(upstream: string, options: { tries: number; cause: unknown }) {
    const { tries, cause } = options;
    const failed = tries === 1 ? "the only attempt failed" : `${tries} attempts failed, the last`;
    const message = `Cannot connect to upstream "${upstream}": ${failed} with: ${describeError(cause)}`;
    super("connect_failed", message, { cause });
  }
}

/** No backend can take the connection: there is none, or all are full or at weight 0. */
export class NoBackendError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "NoBackendError";

  /** `upstream` is the name of the upstream. */
  constructor(upstream: string) {
    super("no_backend", `Cannot connect to upstream "${upstream}": no backend is available`);
  }
}

/** All backends that could take the connection are down or ejected. */
export class BackendsDownError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "BackendsDownError";

  /** `states` has the number of backends in each state, such as `2 down, 1 ejected`. */
  constructor(upstream: string, states: string) {
    super("backends_down", `Cannot connect to upstream "${upstream}": no backend is healthy (${states})`);
  }
}

/** Every backend is at `maxConnections`, and the queue is full. */
export class QueueFullError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "QueueFullError";

  /** `max` is the limit of the queue. */
  constructor(upstream: string, max: number) {
    super(
      "queue_full",
      `Cannot connect to upstream "${upstream}": every backend is full, and ${max} connections are waiting`,
    );
  }
}

/** Every backend is at `maxConnections`, and none became available in time. */
export class QueueTimeoutError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "QueueTimeoutError";

  /** `timeoutMs` is the timeout of the queue. */
  constructor(upstream: string, timeoutMs: number) {
    const message =
      `Cannot connect to upstream "${upstream}": every backend is full, and none became free in ${timeoutMs}ms`;
    super("queue_timeout", message);
  }
}
