import { CulvertError } from "../core/errors.ts";
import { HttpError } from "../http/http_error.ts";
import {
  BackendsDownError,
  ConnectFailedError,
  NoBackendError,
  QueueFullError,
  QueueTimeoutError,
} from "../upstream/errors.ts";
import type { HttpReason } from "./http_reason.ts";

/** What was being done when a request failed. */
export type ProxyOperation = "read" | "route" | "connect" | "send" | "receive" | "answer";

/** Options of a {@linkcode ProxyError}. */
export interface ProxyErrorOptions extends ErrorOptions {
  /** What was being done. */
  readonly op: ProxyOperation;
  /** What a client is answered with; 0: its connection ends without an answer. */
  readonly status: number;
  /** What Allow says in an answer with 405. */
  readonly allow?: string;
}

/**
 * Why a request could not be served.
 *
 * @example
 * ```ts
 * import { HttpPool, ProxyError } from "@culvert/culvert";
 *
 * const pool = new HttpPool({
 *   onError(error) {
 *     console.log(error.op, error.code, error.status, error.attempt); // connect no-backend 503 0
 *     throw error; // else the client is answered with the status
 *   },
 * });
 * try {
 *   await pool.handle(new Request("http://example.org/"));
 * } catch (error) {
 *   console.log(error instanceof ProxyError, (error as ProxyError).cause); // true, NoBackendError
 * }
 * await pool.close();
 * ```
 */
export class ProxyError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "ProxyError";
  /** The same as the reason in the access log. */
  declare readonly code: HttpReason;
  /** What was being done. */
  readonly op: ProxyOperation;
  /** What the client is answered with; 0: its connection ends without an answer. */
  readonly status: number;
  /** What Allow says in an answer with 405. */
  readonly allow: string | undefined;
  /** How many times a backend had been tried. */
  attempt = 0;

  /** `message` says what could not be done, without anything that must not be in a log. */
  constructor(code: HttpReason, message: string, { op, status, allow, cause }: ProxyErrorOptions) {
    super(code, message, { cause });
    this.op = op;
    this.status = status;
    this.allow = allow;
  }
}

/** What Allow says where no route is asked. Other methods are served, too, but for CONNECT. */
const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE";

/** A request that is refused for what it is. */
export function refusal(code: HttpReason, status: number, reason: string): ProxyError {
  const op = code === "no-route" || code === "no-method" ? "route" : "read";
  return new ProxyError(code, `Cannot serve the request: ${reason}`, { op, status });
}

/** The client has gone, and gets no answer. */
export function clientLeft(cause?: unknown): ProxyError {
  const message = "Cannot answer the request: the client has left";
  return new ProxyError(cause === undefined ? "client-closed" : "client-reset", message, {
    ...{ op: "answer", status: 0, cause },
  });
}

/** The backend has ended its connection, or with a cause, broken it. */
export function backendEnded(cause?: unknown): ProxyError {
  const how = cause === undefined ? "closed" : "broken";
  const message = `Cannot receive the response: the backend has ${how} the connection`;
  return new ProxyError(cause === undefined ? "backend-closed" : "backend-reset", message, {
    ...{ op: "receive", status: 502, cause },
  });
}

/** The backend has left the set, or is down by its checks, and requests at it end for that. */
export function backendGone(code: "backend-removed" | "backend-down"): ProxyError {
  const why = code === "backend-removed" ? "was removed" : "is down by its health checks";
  const message = `Cannot receive the response: the backend ${why}`;
  return new ProxyError(code, message, { op: "receive", status: 502 });
}

/** There is no connection to a backend. */
export function unconnected(cause: Error): ProxyError {
  const failed = (code: HttpReason, status: number) =>
    new ProxyError(code, cause.message, { op: "connect", status, cause });
  if (cause instanceof ProxyError) return cause;
  if (cause instanceof ConnectFailedError) return failed("connect-failed", 502);
  if (cause instanceof QueueFullError) return failed("queue-full", 503);
  if (cause instanceof QueueTimeoutError) return failed("queue-timeout", 503);
  if (cause instanceof BackendsDownError) return failed("backends-down", 503);
  return failed(cause instanceof NoBackendError ? "no-backend" : "failed", 503);
}

/** Whatever went wrong, as what it means for the request. What breaks while it is answered is the client. */
export function asProxyError(error: Error, answering = false): ProxyError {
  if (error instanceof ProxyError) return error;
  if (answering && !(error instanceof HttpError)) return clientLeft(error);
  const { message } = error;
  if (!(error instanceof HttpError)) {
    return new ProxyError("failed", message, { op: "answer", status: 500, cause: error });
  }
  const { status, code } = error;
  if (code === "bad_response") {
    return new ProxyError("bad-response", message, { op: "receive", status, cause: error });
  }
  const isLarge = status === 413 || status === 414 || status === 431;
  return new ProxyError(isLarge ? "too-large" : "bad-request", message, {
    ...{ op: "read", status, cause: error },
    ...(status === 405 ? { allow: METHODS } : {}),
  });
}

/** Nothing has moved for `idle`. */
export function stalled(
  side: "client" | "backend",
  { answering, idleMs }: { answering: boolean; idleMs: number },
) {
  if (answering) {
    const message = `Cannot deliver the response: nothing moved for ${idleMs}ms`;
    return new ProxyError("idle", message, { op: "answer", status: 0 });
  }
  if (side === "client") return refusal("request-timeout", 408, `nothing of its body came for ${idleMs}ms`);
  const message = `Cannot send the request: the backend has taken nothing of it for ${idleMs}ms`;
  return new ProxyError("idle", message, { op: "send", status: 504 });
}

/** The head of the response is late. */
export function lateResponse(responseMs: number): ProxyError {
  const message = `Cannot receive the response: its head did not come within ${responseMs}ms`;
  return new ProxyError("response-timeout", message, { op: "receive", status: 504 });
}

/** An operator has closed the connections of the backend. */
export function closedByAdmin(): ProxyError {
  const message = "Cannot answer the request: an operator closed the connection";
  return new ProxyError("closed-by-admin", message, { op: "answer", status: 502 });
}

/** What breaks while it is sent or awaited is the backend. */
export function asBackendError(error: Error): Error {
  return error instanceof ProxyError || error instanceof HttpError ? error : backendEnded(error);
}

/** A backend that sends interim responses and no final one. */
export function tooManyInterim(max: number): ProxyError {
  const message = `Cannot receive the response: more than ${max} interim ones came before it`;
  return new ProxyError("bad-response", message, { op: "receive", status: 502 });
}
