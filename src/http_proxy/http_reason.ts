/**
 * Why a request has ended as it did: exactly one for each, in the access line and in the metrics. Words that TCP
 * services use too have the same meaning.
 */
export const HTTP_REASONS = {
  "ok": "the response of a backend was delivered to its end",
  "upgraded": "the connection became a tunnel, and both sides have finished",
  "redirect": "answered by `redirect` of the route",
  "respond": "answered by `respond` of the route",
  "max-forwards": "answered by the proxy itself: TRACE or OPTIONS with `Max-Forwards: 0`",
  "bad-request": "400, 405, 417, 501 or 505: outside the grammar of HTTP/1.1, or not served",
  "too-large": "413, 414 or 431: over one of `limits`",
  "no-route": "404: no route has the host and the path",
  "no-method": "405: the route does not have the method",
  "request-timeout":
    "408: the head did not come within `timeouts.handshake`, or the body stalled for `timeouts.idle`",
  "client-closed": "the client left before the response was delivered",
  "client-reset": "the client broke the connection",
  "no-backend": "503: there is no backend, or each is full or at weight 0",
  "backends-down": "503: each backend that would have taken it is down or ejected",
  "queue-full": "503: each backend is full, and `queue.max` wait already",
  "queue-timeout": "503: each backend is full, and it waited for `queue.timeout`",
  "no-descriptors": "503: the descriptors of the process had run out",
  "connect-failed": "502: no backend could be connected to, or the TLS handshake with it failed",
  "bad-response": "502: the response is outside the grammar of HTTP/1.1",
  "backend-closed":
    "the backend ended the connection before the response was whole; 502 if nothing had been sent",
  "backend-reset":
    "the backend broke the connection before the response was whole; 502 if nothing had been sent",
  "response-timeout": "504: the head of the response did not come within `timeouts.response`",
  "request-lifetime": "the whole took longer than `timeouts.request`; 504 if nothing had been sent",
  "idle": "no byte went either way for `timeouts.idle`",
  "half-close": "one side of a tunnel had finished, and the other did not within `timeouts.halfClose`",
  "lifetime": "the connection lived for `timeouts.lifetime`",
  "backend-removed": "the backend has left the set, with `onRemove: close`",
  "backend-down": "the checks of the backend say that it is down, with `onDown: close`",
  "closed-by-admin": "an operator closed the connection; 502 if nothing had been sent",
  "failed": "500: a fault of the program, which is in the log",
  "cut": "the time of a drain ran out, or a second signal came",
} as const;

/** A key of {@linkcode HTTP_REASONS}. */
export type HttpReason = keyof typeof HTTP_REASONS;
