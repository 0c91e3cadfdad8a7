import type { Bench, Figures, Measurement, Proxy, Sample } from "./types.ts";

/** What is measured, how often, and where progress is reported. */
export interface RoundsOptions {
  proxies: readonly Proxy[];
  measurements: readonly Measurement[];
  rounds: number;
  /** Called with each turn's outcome as it is known. */
  report(line: string): void;
}

/** What the rounds brought. */
export interface RoundsResult {
  samples: Sample[];
  /** Turns that brought nothing, and why. */
  failures: string[];
}

/**
 * Measures every proxy in turn, each with a fresh process. The turns of one measurement follow each other at
 * once, and each round begins with another proxy, so that a machine that grows slower is slower for all.
 */
export async function measureRounds(options: RoundsOptions, bench: Bench): Promise<RoundsResult> {
  const result: RoundsResult = { samples: [], failures: [] };
  for (let round = 1; round <= options.rounds; round++) {
    for (const measurement of options.measurements) {
      const proxies = options.proxies.filter(({ modes }) => modes.includes(measurement.mode));
      for (const proxy of rotated(proxies, round - 1)) {
        const turn = `round ${round}/${options.rounds} ${measurement.name} ${proxy.name}`;
        try {
          const figures = await measurement.run(proxy, bench);
          result.samples.push({ round, proxy: proxy.name, measurement: measurement.name, figures });
          options.report(`${turn}: ${describe(figures, measurement)}`);
        } catch (error) {
          bench.signal.throwIfAborted();
          const message = error instanceof Error ? error.message : String(error);
          const failure = `${turn} failed: ${message.replaceAll(/\s+/g, " ")}`;
          result.failures.push(failure);
          options.report(failure);
        }
      }
    }
  }
  return result;
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const from = by % items.length;
  return [...items.slice(from), ...items.slice(0, from)];
}

function describe(figures: Figures, { metrics }: Measurement): string {
  return metrics.map(({ key, unit, digits }) => `${key} ${figures[key]?.toFixed(digits)} ${unit}`).join(", ");
}
