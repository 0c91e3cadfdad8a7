import { CulvertError } from "../core/errors.ts";
import type { TunnelEnd } from "../net/tunnel.ts";
import { BackendsDownError, NoBackendError, QueueFullError, QueueTimeoutError } from "../upstream/errors.ts";

/** Why a connection was refused before it was served, its TLS handshake apart. */
export type Refusal =
  | "refused-by-deny"
  | "refused-by-allow"
  | "refused-by-rate"
  | "refused-by-limit"
  | "refused-by-handshakes"
  | "refused-by-descriptors"
  | "refused-by-proxy"
  | "refused-by-name";

/** Why a TLS handshake failed or a client certificate was rejected. */
export type TlsReason = `tls-${string}`;

/**
 * Why a connection ended: exactly one for each connection, in the access log and in the statistics.
 *
 * | reason | meaning |
 * | --- | --- |
 * | `client-closed` | both sides finished, the client first; or the client left before a backend was connected |
 * | `backend-closed` | both sides finished, the backend first |
 * | `client-reset`, `backend-reset` | this side reset the connection |
 * | `idle` | no byte was transferred in either direction for `timeouts.idle` |
 * | `half-close` | one side had finished, and the other did not within `timeouts.halfClose` |
 * | `lifetime` | the connection reached `timeouts.lifetime` |
 * | `no-backend` | there is no backend, or every backend is full or has weight 0 |
 * | `backends-down` | every backend that could take the connection is down or ejected |
 * | `no-descriptors` | file descriptors ran out; the connection was among the newest of the service with the most |
 * | `queue-full`, `queue-timeout` | every backend is full, and `queue.max` connections wait; or `queue.timeout` expired |
 * | `connect-failed` | every backend that was tried failed |
 * | `backend-removed` | the backend was removed from the set, with `onRemove: close` |
 * | `backend-down` | health checks marked the backend down, with `onDown: close` |
 * | `drained` | the connection finished during the drain of a stop or reload |
 * | `closed-by-admin` | an operator closed the connection by the admin API |
 * | `cut` | the drain timeout expired, or a second signal arrived |
 * | `worker-failed` | the worker that carried the connection failed; only in the statistics |
 * | `handshake` | the client did not complete its handshake within `timeouts.handshake` |
 * | `tls-…` | the TLS handshake failed or the client certificate was rejected; the rest says why |
 * | `refused-by-deny`, `-allow`, `-rate` | the rule of that name |
 * | `refused-by-limit`, `refused-by-handshakes` | `maxConnections` or `maxHandshakes` was reached; or the handshake was evicted for another client |
 * | `refused-by-descriptors` | file descriptors ran out, and the service uses its share of them |
 * | `refused-by-proxy` | a required PROXY header is missing or malformed, or its sender is not trusted |
 * | `refused-by-name` | a required ClientHello is missing or malformed, or no upstream serves its server name |
 */
export type Reason =
  | TunnelEnd
  | Refusal
  | TlsReason
  | "handshake"
  | "no-backend"
  | "no-descriptors"
  | "queue-full"
  | "queue-timeout"
  | "connect-failed"
  | "backends-down"
  | "backend-removed"
  | "backend-down"
  | "drained"
  | "closed-by-admin"
  | "worker-failed"
  | "cut";

const REFUSALS: Readonly<Record<Refusal, true>> = {
  "refused-by-deny": true,
  "refused-by-allow": true,
  "refused-by-rate": true,
  "refused-by-limit": true,
  "refused-by-handshakes": true,
  "refused-by-descriptors": true,
  "refused-by-proxy": true,
  "refused-by-name": true,
};

/** Whether the client was refused: by a rule, a limit, or in its TLS handshake. */
export function isRefusal(reason: Reason): reason is Refusal | TlsReason {
  return Object.hasOwn(REFUSALS, reason) || reason.startsWith("tls-");
}

/** Whether the client was refused because a CRL cannot be used, which is no fault of the client. */
export function isCrlRefusal(reason: Reason): boolean {
  return reason.startsWith("tls-crl-");
}

/** Ends a connection with a known reason; `cause` is the error behind it, if there is one. */
export class ConnectionEnded extends CulvertError {
  readonly reason: Reason;

  constructor(reason: Reason, cause?: unknown) {
    super("ended", `The connection ended: ${reason}`, { cause });
    this.reason = reason;
  }
}

/** Maps an error to a reason. */
export function reasonOf(error: unknown): Reason {
  if (error instanceof ConnectionEnded) return error.reason;
  if (error instanceof BackendsDownError) return "backends-down";
  if (error instanceof QueueFullError) return "queue-full";
  if (error instanceof QueueTimeoutError) return "queue-timeout";
  return error instanceof NoBackendError ? "no-backend" : "connect-failed";
}
