import { CulvertError } from "../../core/errors.ts";

/** A connection to a backend was not made in time. */
export class ConnectTimeoutError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "ConnectTimeoutError";

  /** `timeoutMs` is the timeout. */
  constructor(backend: string, timeoutMs: number) {
    super("connect_timeout", `Cannot dial "${backend}": timed out after ${timeoutMs}ms`);
  }
}

/** The pool was at its limit, and no connection became free in time. This is no failure of the backend. */
export class PoolBusyError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "PoolBusyError";

  /** `pool` is its name; `cause` is why the wait ended. */
  constructor(pool: string, cause: unknown) {
    const message = `Cannot acquire a connection to "${pool}": the limit is reached, and none became free`;
    super("pool_busy", message, { cause });
  }
}

/** The pool was closed before or during the wait for a connection. */
export class PoolClosedError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "PoolClosedError";

  /** `pool` is its name. */
  constructor(pool: string) {
    super("pool_closed", `Cannot acquire a connection to "${pool}": the pool is closed`);
  }
}
