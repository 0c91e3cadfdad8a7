import type * as v from "valibot";
import { count, counts, field, histogram, list, object, optional, text } from "./fields.ts";

/** The schema of one service. */
export const serviceSchema = object({
  name: field(text, "Name of the service"),
  listeners: field(list(text), "Addresses it listens on, with the actual ports"),
  upstream: optional(
    text,
    "Upstream of connections whose server name matches no entry of `sni`; absent: they are rejected",
  ),
  upstreams: field(
    list(text),
    "All upstreams that its connections or requests may go to: by `upstream`, `sni` or `routes`",
  ),
  active: field(count, "Admitted connections that are open"),
  handshakes: field(
    count,
    "Of these, connections that have not completed the PROXY header, TLS handshake or server name",
  ),
  total: field(count, "Admitted connections"),
  rejected: field(count, "Rejected connections: the sum of `refused`"),
  retries: optional(
    count,
    "Further backends that were tried because one could not be connected; absent: none",
  ),
  refused: field(
    counts,
    "Rejected connections by reason code of the access log; reasons that have not occurred are absent",
  ),
  acceptFailures: field(
    object({
      reset: field(count, "Reset by the client before it was accepted"),
      descriptors: field(count, "No file descriptor was free"),
      other: field(count, "Other errors"),
    }),
    "Connections that could not be accepted",
  ),
  ended: field(
    counts,
    "Admitted connections that have ended and were not rejected, by reason code in the same way",
  ),
  bytesUp: field(count, "Bytes sent to backends, including those of open connections"),
  bytesDown: field(count, "Bytes sent to clients, including those of open connections"),
  durationSeconds: field(histogram, "Histogram of the duration of admitted connections that have ended"),
  connectSeconds: field(
    histogram,
    "Histogram of the time to connect to a backend, including queueing and failed attempts",
  ),
  requests: optional(
    object({
      active: field(count, "Requests under way"),
      byStatus: field(counts, "Requests that have ended, by the class of their status: `2xx`, or `none`"),
      byReason: field(
        counts,
        "The same by reason code of the access log; those that have not occurred are absent",
      ),
      retried: field(count, "Requests that were sent again, or to another backend"),
      durationSeconds: field(
        histogram,
        "Histogram of the time from the first byte of a request to the last of its response",
      ),
    }),
    "Requests of a service with `protocol: http`; absent: it carries TCP",
  ),
});

/** One service. */
export interface ServiceStatus extends v.InferOutput<typeof serviceSchema> {}
