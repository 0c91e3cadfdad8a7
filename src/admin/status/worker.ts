import * as v from "valibot";
import { amount, count, field, object } from "./fields.ts";

/** The schema of one worker. */
export const workerSchema = object({
  number: field(v.pipe(count, v.minValue(1)), "Number of the worker, which one that replaces it keeps"),
  state: field(
    v.picklist(["running", "leaving", "failed"]),
    "`running`, `leaving` (it accepts no more connections, and ends with its last one) or `failed` (it is about to be replaced)",
  ),
  connections: field(count, "Open connections"),
  total: field(count, "Connections that it has admitted"),
  eventLoopDelaySeconds: field(amount, "How late its event loop has called a timer of the last second"),
  heapBytes: field(count, "Memory of its heap and buffers"),
  failures: field(count, "How often a worker of this number has failed"),
});

/** One worker. */
export interface WorkerStatus extends v.InferOutput<typeof workerSchema> {}
