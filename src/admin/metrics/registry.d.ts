// The package declares its main module only, which brings the default metrics, an HTTP client and OpenTelemetry along.
// What is used of the registry by itself is declared here.

/** One value of a metric. */
export interface RegistryValue {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string | number>>;
  /** Labels that many values share: what they look like is kept as long as the object is. They come last. */
  readonly sharedLabels?: Readonly<Record<string, string>>;
  /** Instead of the metric's name, as the parts of a histogram have it. */
  readonly metricName?: string;
}

/** What a registry asks of a metric. */
export interface RegistryMetric {
  readonly name: string;
  get(): Promise<{
    readonly name: string;
    readonly help: string;
    readonly type: "counter" | "gauge" | "histogram";
    readonly values: readonly RegistryValue[];
    readonly aggregator: string;
  }>;
}

/** Writes metrics down in the text format of Prometheus. */
export default class Registry {
  static readonly PROMETHEUS_CONTENT_TYPE: string;
  registerMetric(metric: RegistryMetric): void;
  /** The lines of one metric, without a line feed at the end. */
  getSingleMetricAsString(name: string): Promise<string>;
}
