import { cpuUsage } from "node:process";
import { eventLoopPoll } from "../../core/event_loop.ts";
import { runInSlices, type SliceOptions, type Steps } from "../../core/slices.ts";
import type { Status } from "../status/status.ts";
import { BACKEND_METRICS, backendSubjects } from "./backends.ts";
import {
  CERTIFICATE_METRICS,
  certificateSubjects,
  CRL_FILE_METRICS,
  CRL_METRICS,
  crlFileSubjects,
  crlSubjects,
} from "./credentials.ts";
import { PROGRAM_METRICS, type ProgramFigures } from "./program.ts";
import { SERVICE_METRICS, serviceSubjects } from "./services.ts";
import { TextWriter } from "./text_writer.ts";
import { DISCOVERY_METRICS, discoverySubjects, UPSTREAM_METRICS, upstreamSubjects } from "./upstreams.ts";
import { WORKER_METRICS, workerSubjects } from "./workers.ts";

/** The media type of {@linkcode renderMetrics}: the text format of Prometheus. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Options of {@linkcode renderMetrics}. */
export interface MetricsOptions extends SliceOptions {
  /** The memory of the process. @default {Deno.memoryUsage} */
  readonly memory?: () => Deno.MemoryUsage;
  /** User and system processor time that the process has used, in seconds. @default {cpuUsage} of `node:process` */
  readonly cpuSeconds?: () => number;
}

/**
 * The state of the program in the text format of Prometheus, in UTF-8. It is written in slices, so that connections
 * are served meanwhile: with ten thousand backends it has 6 MB.
 */
export async function renderMetrics(
  { status, ready }: Pick<ProgramFigures, "status" | "ready">,
  options: MetricsOptions = {},
): Promise<Uint8Array> {
  const { memory = Deno.memoryUsage, cpuSeconds = usedCpuSeconds, pause = eventLoopPoll } = options;
  const figures = { status, ready, memory: memory(), cpuSeconds: cpuSeconds() };
  // Collecting a large status has taken a slice of its own.
  await pause();
  return await runInSlices(writeAll(figures), { ...options, pause });
}

function* writeAll(figures: ProgramFigures): Steps<Uint8Array> {
  const { services, upstreams, certificates, crls }: Status = figures.status;
  const writer = new TextWriter();
  yield* writer.write(PROGRAM_METRICS, [{ labels: {}, value: figures }]);
  yield* writer.write(WORKER_METRICS, workerSubjects(figures.status.workers));
  yield* writer.write(SERVICE_METRICS, serviceSubjects(services));
  yield* writer.write(UPSTREAM_METRICS, upstreamSubjects(upstreams));
  yield* writer.write(DISCOVERY_METRICS, discoverySubjects(upstreams));
  yield* writer.write(BACKEND_METRICS, backendSubjects(upstreams));
  yield* writer.write(CERTIFICATE_METRICS, certificateSubjects(certificates));
  yield* writer.write(CRL_FILE_METRICS, crlFileSubjects(crls));
  yield* writer.write(CRL_METRICS, crlSubjects(crls));
  yield;
  return writer.finish();
}

function usedCpuSeconds(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1e6;
}
