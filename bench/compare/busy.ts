import type { Bench, Figures, Measurement, Metric, Proxy } from "./types.ts";
import { freePort } from "./server.ts";
import { startWeb } from "./origins.ts";
import { wrk } from "./wrk.ts";

const CONNECTIONS = [512, 1000];
/**
 * The load opens all its connections when it begins, and the first exchange of each waits for a backend. These must be
 * far fewer than one in a hundred.
 */
const TIMES_AS_LONG = 3;

/** Small exchanges over so many busy connections that no event loop serves all of them in one turn. */
export const busy: Measurement = {
  name: "busy",
  mode: "plain",
  tools: ["wrk", "nginx"],
  metrics: CONNECTIONS.flatMap(metricsOf),
  async run(proxy: Proxy, bench: Bench): Promise<Figures> {
    await using origin = await startWeb(bench);
    const route = { listenPort: freePort(), backendPort: origin.port, mode: "plain" } as const;
    await using server = await proxy.start(route, bench);
    const figures: Figures = {};
    for (const connections of CONNECTIONS) {
      await wrk(server.port, { ...bench, connections, seconds: 1 });
      const seconds = TIMES_AS_LONG * bench.seconds;
      const result = await wrk(server.port, { ...bench, connections, seconds });
      figures[`busy${connections}`] = result.requestsPerSecond;
      figures[`busy${connections}P50`] = result.p50Ms;
      figures[`busy${connections}P99`] = result.p99Ms;
      figures[`busy${connections}P999`] = result.p999Ms;
      figures["busyErrors"] = (figures["busyErrors"] ?? 0) + result.errors;
    }
    return figures;
  },
};

function metricsOf(connections: number): Metric[] {
  const label = `${connections} busy connections`;
  const percentile = { unit: "ms", digits: 1 };
  return [
    { key: `busy${connections}`, label, unit: "exchanges/s", digits: 0 },
    { key: `busy${connections}P50`, label: `${label}, median`, ...percentile },
    { key: `busy${connections}P99`, label: `${label}, 99th percentile`, ...percentile },
    { key: `busy${connections}P999`, label: `${label}, 99.9th percentile`, ...percentile },
  ];
}
