import { CulvertError } from "../core/errors.ts";
import type { TunnelEnd } from "../net/tunnel.ts";

/** Why a client was turned away before anything was done for it. */
export type Refusal =
  | "refused-by-deny"
  | "refused-by-allow"
  | "refused-by-rate"
  | "refused-by-limit"
  | "refused-by-handshakes"
  | "refused-by-descriptors"
  | "refused-by-proxy"
  | "refused-by-name";

/**
 * Why a connection has ended: exactly one for each, in the access line and in the statistics.
 *
 * | reason | meaning |
 * | --- | --- |
 * | `client-closed` | both sides have finished, the client first; or it left before there was a backend |
 * | `backend-closed` | both sides have finished, the backend first |
 * | `client-reset`, `backend-reset` | this side broke the connection |
 * | `idle` | no byte went either way for `timeouts.idle` |
 * | `half-close` | one side had finished, and the other did not within `timeouts.halfClose` |
 * | `lifetime` | it lived for `timeouts.lifetime` |
 * | `no-backend` | there is no backend, or each is full or at weight 0 |
 * | `backends-down` | each backend that would have taken it is down or ejected |
 * | `no-descriptors` | the descriptors of the process had run out, and it was among the newest of the service with the most |
 * | `queue-full`, `queue-timeout` | each backend is full, and `queue.max` wait already; or it waited for `queue.timeout` |
 * | `connect-failed` | every backend that was tried failed |
 * | `backend-removed` | its backend has left the set, with `onRemove: close` |
 * | `backend-down` | its backend's checks say that it is down, with `onDown: close` |
 * | `drained` | it finished by itself in the time that a stop or reload left it |
 * | `cut` | that time ran out, or a second signal came |
 * | `handshake` | what the client must say first did not come within `timeouts.handshake` |
 * | `tls-…` | the client's TLS handshake failed, or its certificate does not let it in; the rest says why |
 * | `refused-by-deny`, `-allow`, `-rate` | the rule of that name |
 * | `refused-by-limit`, `refused-by-handshakes` | there are `maxConnections`, or `maxHandshakes` under way; or its handshake was evicted for the next client |
 * | `refused-by-descriptors` | the descriptors of the process had run out, and the service has its share of them |
 * | `refused-by-proxy` | no PROXY header where one must come, a bad one, or one from somebody who is not trusted |
 * | `refused-by-name` | no ClientHello where one must come, or the name that it asks for leads nowhere |
 */
export type Reason =
  | TunnelEnd
  | Refusal
  | "handshake"
  | `tls-${string}`
  | "no-backend"
  | "no-descriptors"
  | "queue-full"
  | "queue-timeout"
  | "connect-failed"
  | "backends-down"
  | "backend-removed"
  | "backend-down"
  | "drained"
  | "cut";

/** Ends a session for a reason that is known already. */
export class Ended extends CulvertError {
  readonly reason: Reason;

  constructor(reason: Reason, cause?: unknown) {
    super("ended", `The connection has ended: ${reason}`, { cause });
    this.reason = reason;
  }
}
