import type { Measurement, Metric, Proxy } from "./types.ts";
import { type Ratio, REFERENCE, type Summary } from "./summary.ts";
import type { Verdict } from "./targets.ts";

/** The medians and ratios of a run as a markdown table. */
export function figuresTable(
  summary: Summary,
  proxies: readonly Proxy[],
  measurements: readonly Measurement[],
): string {
  const others = proxies.filter(({ name }) => name !== REFERENCE);
  const head = ["", ...proxies.map(({ label }) => label), ...others.map(({ label }) => `${label} ÷ HAProxy`)];
  const rows = measurements.flatMap(({ metrics }) => metrics).map((metric) => [
    `${metric.label}, ${metric.unit}`,
    ...proxies.map(({ name }) => number(summary.median(name, metric.key), metric)),
    ...others.map(({ name }) =>
      ratio(metric.ratio === false ? undefined : summary.ratio(name, REFERENCE, metric.key))
    ),
  ]);
  return markdown([head, ...rows]);
}

/** What was wanted and what was reached, as a markdown table. */
export function targetsTable(verdicts: readonly Verdict[]): string {
  const word = (reached: boolean | undefined) =>
    reached === undefined ? "not measured" : reached ? "yes" : "no";
  const rows = verdicts.map(({ label, wanted, found, reached }) => [label, wanted, found, word(reached)]);
  return markdown([["Target", "Wanted", "Found", "Reached"], ...rows]);
}

function number(value: number | undefined, { digits }: Metric): string {
  if (value === undefined) return "–";
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function ratio(value: Ratio | undefined): string {
  if (value === undefined) return "–";
  return `${value.ofMedians.toFixed(2)} (${value.least.toFixed(2)}–${value.greatest.toFixed(2)})`;
}

/** Pads the columns as `deno fmt` does, so that a table that is pasted into a page stays as it is. */
function markdown(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const widths = head.map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => {
    const padded = widths.map((width, column) => {
      const cell = cells[column] ?? "";
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
    return `| ${padded.join(" | ")} |`;
  };
  const rule = widths.map((width, column) =>
    "-".repeat(width - (column === 0 ? 0 : 1)) + (column === 0 ? "" : ":")
  );
  return [line(head), line(rule), ...body.map(line)].join("\n");
}
