// @ts-types="./registry.d.ts"
import Registry from "prom-client/lib/registry.js";
import { systemClock } from "../../core/clock.ts";
import type { Metric } from "./metric.ts";
import { backendMetrics } from "./backends.ts";
import { materialMetrics } from "./credentials.ts";
import { type ProgramFigures, programMetrics } from "./program.ts";
import { serviceMetrics } from "./services.ts";
import { upstreamMetrics } from "./upstreams.ts";
import type { AdminTarget } from "../target.ts";

/** The media type of {@linkcode renderMetrics}: the text format of Prometheus. */
export const METRICS_TYPE: string = Registry.PROMETHEUS_CONTENT_TYPE;

/** Options of {@linkcode renderMetrics}. */
export interface MetricsOptions {
  /** The memory of the process. @default {Deno.memoryUsage} */
  readonly memory?: () => Deno.MemoryUsage;
  /** Lets everything else have its turn. @default a timer of the runtime's */
  readonly pause?: () => Promise<void>;
}

/** So many values are written before everything else has its turn: two milliseconds' worth, or one whole metric. */
const VALUES_PER_TURN = 2000;

const encoder = new TextEncoder();

/**
 * The state of the program as text for Prometheus, in UTF-8. It is all of one moment, and written down a metric at a
 * time: with thousands of backends that takes a while, in which connections must be carried.
 *
 * Nothing is kept from one scrape to the next; what is told comes from the status.
 */
export async function renderMetrics(target: AdminTarget, options: MetricsOptions = {}): Promise<Uint8Array> {
  const { memory = Deno.memoryUsage, pause = aMoment } = options;
  const status = target.status();
  const metrics = allMetrics({ status, ready: target.ready().ready, memory: memory() });
  const registry = new Registry();
  const pieces: Uint8Array[] = [];
  // The status has taken as long as that many values.
  let values = status.upstreams.reduce((sum, { backends }) => sum + backends.length, 0);
  for (const metric of metrics) {
    if (values >= VALUES_PER_TURN) {
      await pause();
      values = 0;
    }
    const samples = metric.samples();
    registry.registerMetric(registryMetric(metric, samples));
    pieces.push(encoder.encode(`${await registry.getSingleMetricAsString(metric.name)}\n`));
    values += samples.length;
  }
  return concat(pieces);
}

function allMetrics(figures: ProgramFigures): readonly Metric[] {
  const { status } = figures;
  return [
    ...programMetrics(figures),
    ...serviceMetrics(status.services),
    ...upstreamMetrics(status.upstreams),
    ...backendMetrics(status.upstreams),
    ...materialMetrics(status),
  ];
}

/** A metric as the registry wants it. */
function registryMetric(
  { name, type, help }: Metric,
  samples: ReturnType<Metric["samples"]>,
): Parameters<Registry["registerMetric"]>[0] {
  const values = samples.map(({ value, labels = {}, suffix = "", of }) => ({
    value,
    labels,
    sharedLabels: of,
    metricName: name + suffix,
  }));
  return { name, get: () => Promise.resolve({ name, help, type, values, aggregator: "sum" }) };
}

/** A timer, as only that makes the event loop ask for news. */
function aMoment(): Promise<void> {
  return new Promise((resolve) => systemClock.after(0, resolve));
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let length = 0;
  for (const piece of pieces) {
    bytes.set(piece, length);
    length += piece.length;
  }
  return bytes;
}
