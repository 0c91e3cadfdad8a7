import { type Metric, metricsOf, type Reading, timestamp } from "./metric.ts";
import type { Status } from "../status.ts";

/** What is told of the program as a whole. */
export interface ProgramFigures {
  readonly status: Status;
  /** Whether it should be sent connections. */
  readonly ready: boolean;
  readonly memory: Deno.MemoryUsage;
}

const STATES: readonly Status["state"][] = ["starting", "ready", "draining", "stopped"];

const READINGS: readonly Reading<ProgramFigures>[] = [
  {
    name: "culvert_build_info",
    type: "gauge",
    help: "Always 1; which version of the program runs.",
    read: ({ status: { version } }) => [{ value: 1, labels: { version } }],
  },
  {
    name: "culvert_start_time_seconds",
    type: "gauge",
    help: "When the program started, in seconds since 1970.",
    read: ({ status }) => timestamp(status.startedAt),
  },
  {
    name: "culvert_state",
    type: "gauge",
    help: "1 for the state that the program is in, 0 for the others.",
    read: ({ status }) =>
      STATES.map((state) => ({ value: Number(state === status.state), labels: { state } })),
  },
  {
    name: "culvert_ready",
    type: "gauge",
    help: "Whether the program should be sent connections, as /readyz says.",
    read: ({ ready }) => Number(ready),
  },
  {
    name: "culvert_resident_memory_bytes",
    type: "gauge",
    help: "Memory of the process that is in RAM.",
    read: ({ memory }) => memory.rss,
  },
  {
    name: "culvert_heap_size_bytes",
    type: "gauge",
    help: "Size of the JavaScript heap.",
    read: ({ memory }) => memory.heapTotal,
  },
  {
    name: "culvert_heap_used_bytes",
    type: "gauge",
    help: "What of the JavaScript heap is in use, garbage that has not been collected included.",
    read: ({ memory }) => memory.heapUsed,
  },
  {
    name: "culvert_external_memory_bytes",
    type: "gauge",
    help: "Memory outside of the heap that objects in it hold, buffers above all.",
    read: ({ memory }) => memory.external,
  },
  {
    name: "culvert_config_generation",
    type: "gauge",
    help: "The number of the configuration that runs: 1 at the start, one more with each good reload.",
    read: ({ status }) => status.reload.generation,
  },
  {
    name: "culvert_config_applied_timestamp_seconds",
    type: "gauge",
    help: "Since when the configuration that runs does so, in seconds since 1970.",
    read: ({ status }) => timestamp(status.reload.appliedAt),
  },
  {
    name: "culvert_config_last_reload_timestamp_seconds",
    type: "gauge",
    help: "When the last reload was tried, in seconds since 1970; the start counts as one.",
    read: ({ status }) => timestamp(status.reload.at),
  },
  {
    name: "culvert_config_last_reload_successful",
    type: "gauge",
    help: "Whether the last reload went well; if not, the configuration from before goes on.",
    read: ({ status }) => Number(status.reload.ok),
  },
];

/** The metrics of the program as a whole. */
export function programMetrics(figures: ProgramFigures): readonly Metric[] {
  return metricsOf(READINGS, [{ labels: {}, thing: figures }]);
}
