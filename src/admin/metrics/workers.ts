import type { WorkerStatus } from "../status/worker.ts";
import type { MetricFamily, Subject } from "./metric_family.ts";

/** The metrics of each worker. */
export const WORKER_METRICS: readonly MetricFamily<WorkerStatus>[] = [{
  name: "culvert_worker_active_connections",
  type: "gauge",
  help: "Open connections of the worker.",
  read: ({ connections }) => connections,
}, {
  name: "culvert_worker_event_loop_delay_seconds",
  type: "gauge",
  help: "How late the event loop of the worker has called a timer of the last second.",
  read: ({ eventLoopDelaySeconds }) => eventLoopDelaySeconds,
}, {
  name: "culvert_worker_heap_bytes",
  type: "gauge",
  help: "Memory of the heap and the buffers of the worker.",
  read: ({ heapBytes }) => heapBytes,
}, {
  name: "culvert_worker_failures_total",
  type: "counter",
  help: "How often a worker of this number has failed.",
  read: ({ failures }) => failures,
}];

/** The workers, by number. Of several with one number, the first one counts: the others are about to end. */
export function workerSubjects(workers: readonly WorkerStatus[] = []): readonly Subject<WorkerStatus>[] {
  const byNumber = new Map([...workers].reverse().map((worker) => [worker.number, worker]));
  return [...byNumber].sort(([a], [b]) => a - b).map(([number, value]) => ({
    labels: { worker: String(number) },
    value,
  }));
}
