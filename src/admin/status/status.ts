import * as v from "valibot";
import { certificateSchema, crlSchema } from "./credentials.ts";
import { amount, count, field, histogram, list, object, optional, text, time } from "./fields.ts";
import { reloadSchema } from "./reload.ts";
import { serviceSchema } from "./service.ts";
import { upstreamSchema } from "./upstream.ts";
import { workerSchema } from "./worker.ts";

/**
 * The schema of `GET /api/status`, from which its types and its description ({@linkcode statusDescription}) come. Times
 * are ISO 8601 in UTC, durations are in seconds, sizes in bytes; counts are since the start of the program. An optional
 * key is absent where there is nothing to report, and never null.
 */
export const statusSchema = object({
  version: field(text, "Version of the program"),
  pid: optional(v.pipe(count, v.minValue(1)), "Process ID; absent if it is not permitted to read it"),
  state: field(
    v.picklist(["starting", "ready", "draining", "stopped"]),
    "`starting`, `ready`, `draining` or `stopped`",
  ),
  startedAt: field(time, "When the program started"),
  uptimeSeconds: field(amount, "Time since the start in seconds"),
  eventLoopDelaySeconds: optional(
    histogram,
    "Histogram of how late the event loop of the main thread calls a timer, sampled once a second",
  ),
  reload: field(reloadSchema, "The last reload; the start counts as one"),
  workers: optional(
    list(workerSchema),
    "Workers, by number, as of the last second; absent if the main thread carries all traffic",
  ),
  services: field(list(serviceSchema), "Services, in the order of the configuration"),
  upstreams: field(list(upstreamSchema), "Upstreams, in the order of the configuration"),
  certificates: field(
    list(certificateSchema),
    "Certificates that are presented to peers: the first one of each file",
  ),
  crls: field(list(crlSchema), "CRLs that are enforced"),
});

/** Everything about a running program. Each service and each backend is of one moment. */
export interface Status extends v.InferOutput<typeof statusSchema> {}
