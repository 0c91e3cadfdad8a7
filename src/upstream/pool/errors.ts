import { CulvertError } from "../../core/errors.ts";

/** A try to reach one backend took longer than allowed. */
export class ConnectTimeoutError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "ConnectTimeoutError";

  /** `timeoutMs` is the time that the try had. */
  constructor(backend: string, timeoutMs: number) {
    super("connect_timeout", `Cannot dial "${backend}": timed out after ${timeoutMs}ms`);
  }
}

/** The pool was at its bound, and nothing became free in time. The backend itself has done nothing wrong. */
export class PoolBusyError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "PoolBusyError";

  /** `pool` is what log and errors call it; `cause` is why the waiting ended. */
  constructor(pool: string, cause: unknown) {
    const message = `Cannot acquire a connection to "${pool}": the limit is reached, and none became free`;
    super("pool_busy", message, { cause });
  }
}

/** The pool was closed, before or while a connection was waited for. */
export class PoolClosedError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "PoolClosedError";

  /** `pool` is what log and errors call it. */
  constructor(pool: string) {
    super("pool_closed", `Cannot acquire a connection to "${pool}": the pool is closed`);
  }
}
