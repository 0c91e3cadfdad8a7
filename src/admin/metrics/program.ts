import type { Status } from "../status/status.ts";
import { type MetricFamily, unixTime } from "./metric_family.ts";

/** What the metrics of the program as a whole are read from. */
export interface ProgramFigures {
  readonly status: Status;
  /** Whether the program is ready for connections. */
  readonly ready: boolean;
  readonly memory: Deno.MemoryUsage;
  /** User and system processor time that the process has used, in seconds. */
  readonly cpuSeconds: number;
}

const STATES: readonly Status["state"][] = ["starting", "ready", "draining", "stopped"];

/**
 * The metrics that every Prometheus client library has under these names. `process_virtual_memory_bytes`,
 * `process_open_fds` and `process_max_fds` are not among them: Deno lets a program read them (`/proc/self`) only with
 * all permissions.
 */
const PROCESS: readonly MetricFamily<ProgramFigures>[] = [
  {
    name: "process_cpu_seconds_total",
    type: "counter",
    help: "Total user and system CPU time spent in seconds.",
    read: ({ cpuSeconds }) => cpuSeconds,
  },
  {
    name: "process_resident_memory_bytes",
    type: "gauge",
    help: "Resident memory size in bytes.",
    read: ({ memory }) => memory.rss,
  },
  {
    name: "process_start_time_seconds",
    type: "gauge",
    help: "Start time of the process since the Unix epoch in seconds.",
    read: ({ status }) => unixTime(status.startedAt),
  },
];

const PROGRAM: readonly MetricFamily<ProgramFigures>[] = [
  {
    name: "culvert_build_info",
    type: "gauge",
    help: "Always 1; the label has the version of the program.",
    read: ({ status: { version } }) => [{ value: 1, labels: { version } }],
  },
  {
    name: "culvert_state",
    type: "gauge",
    help: "1 for the current state of the program, 0 for the other states.",
    read: ({ status }) =>
      STATES.map((state) => ({ value: Number(state === status.state), labels: { state } })),
  },
  {
    name: "culvert_ready",
    type: "gauge",
    help: "1 if the program is ready for connections, as /readyz reports, otherwise 0.",
    read: ({ ready }) => Number(ready),
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
    help: "Used part of the JavaScript heap, including garbage that has not been collected yet.",
    read: ({ memory }) => memory.heapUsed,
  },
  {
    name: "culvert_external_memory_bytes",
    type: "gauge",
    help: "Memory outside the JavaScript heap that belongs to JavaScript objects, mostly buffers.",
    read: ({ memory }) => memory.external,
  },
  {
    name: "culvert_config_generation",
    type: "gauge",
    help: "Number of the running configuration: 1 after the start, incremented by each successful reload.",
    read: ({ status }) => status.reload.generation,
  },
  {
    name: "culvert_config_applied_timestamp_seconds",
    type: "gauge",
    help: "Unix time at which the running configuration was applied.",
    read: ({ status }) => unixTime(status.reload.appliedAt),
  },
  {
    name: "culvert_config_last_reload_timestamp_seconds",
    type: "gauge",
    help: "Unix time of the last attempt to load the configuration, at the start or by a reload.",
    read: ({ status }) => unixTime(status.reload.at),
  },
  {
    name: "culvert_config_last_reload_successful",
    type: "gauge",
    help: "1 if the last reload succeeded, 0 if it failed and the previous configuration is kept.",
    read: ({ status }) => Number(status.reload.ok),
  },
  {
    name: "culvert_config_refused_reloads_total",
    type: "counter",
    help: "Reloads that have failed, so that the previous configuration was kept.",
    read: ({ status }) => status.reload.refused ?? 0,
  },
  {
    name: "culvert_event_loop_delay_seconds",
    type: "histogram",
    help: "How late the event loop of the main thread calls a timer, sampled once a second.",
    read: ({ status }) => status.eventLoopDelaySeconds,
  },
];

/** The metrics of the process and of the program as a whole. */
export const PROGRAM_METRICS: readonly MetricFamily<ProgramFigures>[] = [...PROCESS, ...PROGRAM];
