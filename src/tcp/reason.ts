import type { TunnelEnd } from "../net/tunnel.ts";

/** Why a client was turned away before anything was done for it. */
export type Refusal = "refused-by-deny" | "refused-by-allow" | "refused-by-rate" | "refused-by-limit";

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
 * | `no-backend` | no backend was available |
 * | `connect-failed` | every backend that was tried failed |
 * | `backend-removed` | its backend has left the set, with `onRemove: close` |
 * | `drained` | it finished by itself in the time that a stop or reload left it |
 * | `cut` | that time ran out, or a second signal came |
 * | `refused-by-deny`, `-allow`, `-rate`, `-limit` | the rule of that name (`maxConnections` for the last) |
 */
export type Reason =
  | TunnelEnd
  | Refusal
  | "no-backend"
  | "connect-failed"
  | "backend-removed"
  | "drained"
  | "cut";
