/** On larger machines the number is to be configured. */
const MAX_AUTO = 64;

/**
 * How many threads carry traffic. `auto`: as many as there are cores that the process may use, by its affinity and by
 * the quota of its cgroup, which the runtime takes into account (`std::thread::available_parallelism` of Rust).
 */
export function workerCount(workers: number | "auto"): number {
  return workers === "auto" ? Math.min(navigator.hardwareConcurrency, MAX_AUTO) : workers;
}
